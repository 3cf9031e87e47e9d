"""Months of a busy network in minutes: do a node's memory or its files grow?

`python -m benchmarks.soak --plot FILE.png --samples FILE.json` shows it, too.

Signed records go through a node's own driver into a real file, far more of them than the window
holds, so that each one pushes another out. Time runs along, a user asks for his list now and then,
and freed disk space and memory are given back as a daemon does. Memory is this process's resident
set, and the number of objects in it, once the window and the memory of what left it are full: until
then a node grows into its bounds. A daemon gives memory back whenever it has grown by 4 MB, so what
it has is a saw's tooth that long; here it is looked at when it was just given back. A slope is a
least-squares line over what was seen, with a 95 % interval from blocks of samples, since
neighbouring ones are alike. The row's peer is the bound on disk.
"""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.graphs import NOW_S
from benchmarks.ingest import NETWORK, Feed
from benchmarks.measure import row, write
from tastemesh.gossip import codec, inputs
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.allocation import give_back_memory, resident_bytes, trim
from tastemesh.node.core import Core
from tastemesh.node.driver import Driver
from tastemesh.node.tasks import end
from tastemesh.node.transport import Event, Message
from tastemesh.storage.store import Store

BATCH = 64
AUTHORS = 2_000
FRIENDS = 20
ITEMS = 100_000
DISK_BYTES = 64 * 1024 * 1024  # a full window of these records takes about 40 MB
SAMPLE_RECORDS = 780  # 50,000 interactions
BLOCKS = 10
_START_MS = NOW_S * 1000
_RECORD_MS = 2_000  # 5 M interactions are two days: nothing ages out, everything is pushed out


class Sample(msgspec.Struct, frozen=True):
    """What was seen after so many interactions: bytes, and blocks that Python objects take."""

    interactions: int
    resident: int
    blocks: int
    disk: int


class _Clock:
    def __init__(self) -> None:
        self.passed_ms = 0

    def now_ms(self) -> int:
        return self.passed_ms

    def wall_ms(self) -> int:
        return _START_MS + self.passed_ms


class _Stream(Feed):
    """A broker whose records are signed as they are asked for."""

    def __init__(self, clock: _Clock, seed: int) -> None:
        super().__init__(())
        self._clock = clock
        self._rng = np.random.default_rng(seed)
        self._payloads = self._signed()
        self._wanted = 0
        self._asked = asyncio.Event()

    async def send(self, count: int) -> None:
        """Send so many records, and return when all of them were taken."""
        self._wanted = count
        self.emptied.clear()
        self._asked.set()
        await self.emptied.wait()

    async def events(self, limit: int = 256) -> list[Event]:
        """Return the next messages, once some are asked for."""
        if not self._wanted:
            self._asked.clear()
            self.emptied.set()
            await self._asked.wait()
        count = min(limit, self._wanted, 64)
        self._wanted -= count
        return [next(self._payloads) for _ in range(count)]

    def _signed(self) -> Iterator[Message]:
        limits, rng = Limits(), self._rng
        signers = [_signer(n) for n in range(AUTHORS)]
        seqs = [0] * AUTHORS
        while True:
            self._clock.passed_ms += _RECORD_MS
            author = int(rng.integers(AUTHORS))
            seqs[author] += 1
            chosen = rng.zipf(1.3, BATCH) % ITEMS
            said = tuple(Interaction(f"mbid:{i:036d}", "listen", 10_000) for i in chosen.tolist())
            signer = signers[author]
            record = codec.sign_record(
                signer, NETWORK, 0, seqs[author], b"", self._clock.wall_ms(), said, limits
            )
            topic = records_topic(NETWORK, shard_of(signer.id))
            yield Message("b", topic, pack_bundles([record.envelope], limits)[0])


def _signer(number: int) -> Signer:
    key = number.to_bytes(32, "big")
    return Signer(key, (number + AUTHORS).to_bytes(32, "big"))


async def soak(interactions: int, seed: int = 1) -> list[Sample]:
    """Take so many interactions in, drawn from a seed; return what was seen on the way."""
    key = _signer(AUTHORS - 1)
    limits = Limits()
    core = Core(node=key, signers=(key,), network=NETWORK, limits=limits, seed=bytes(32))
    clock = _Clock()
    feed = _Stream(clock, seed)
    seen: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        async with await Store.open(path / "window.sqlite3", disk_bytes=DISK_BYTES) as store:
            driver = Driver(core, store, feed, clock, lambda _: None)
            running = asyncio.create_task(driver.run())
            tidying = asyncio.create_task(give_back_memory())
            trusted = tuple(Endorsement(_signer(n).id, 10_000) for n in range(FRIENDS))
            await driver.hand_in(inputs.Recorded(key.id, trusted, clock.wall_ms()))
            for done in range(SAMPLE_RECORDS, interactions // BATCH + 1, SAMPLE_RECORDS):
                await feed.send(SAMPLE_RECORDS)
                await driver.flush()
                await store.vacuum_step()
                core.recommend(key.id, 10, clock.wall_ms())
                seen.append(_sample(done * BATCH, path))
            await end(tidying)
            await end(running)
    return seen


def steady(samples: list[Sample]) -> list[Sample]:
    """Return the samples from when every table was full, or all where that never came."""
    limits = Limits()
    full = limits.window_statement_count + limits.passed_count * BATCH
    return [each for each in samples if each.interactions > full] or samples


def slope(samples: list[Sample], field: str = "resident") -> tuple[float, float, float]:
    """Return what one interaction adds once all is full, and a 95 % interval."""
    late = steady(samples)
    x = np.array([each.interactions for each in late], float)
    y = np.array([getattr(each, field) for each in late], float)
    x -= x.mean()
    line = float(x @ y / (x @ x)) if len(late) > 1 else 0.0
    # Residuals of one block stand together: the error is that of BLOCKS means, not of all samples.
    residual = y - y.mean() - line * x
    blocks = [part for part in np.array_split(np.arange(len(late)), BLOCKS) if len(part)]
    sums = np.array([float(x[part] @ residual[part]) for part in blocks])
    error = float(np.sqrt((sums**2).sum()) / (x @ x)) if len(late) > 1 else 0.0
    return line, line - 1.96 * error, line + 1.96 * error


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Soak and report."""
    return rows(asyncio.run(soak(100_000 if quick else 5_000_000)))


def rows(seen: list[Sample]) -> list[dict[str, Any]]:
    """Return the result's rows; `trace` has what they were made from."""
    line, _, _ = slope(seen)
    work = f"{seen[-1].interactions:,} interactions through a window of 200,000"
    grown = row("memory slope", "none", work, line, None, "bytes/interaction")
    disk = row("disk at most", "bound", work, max(s.disk for s in seen), DISK_BYTES, "bytes")
    return [grown, disk]


def trace(seen: list[Sample]) -> dict[str, Any]:
    """Return the samples, and the slopes with their intervals, per interaction."""
    found: dict[str, Any] = {
        field: dict(zip(("slope", "low95", "high95"), slope(seen, field), strict=True))
        for field in ("resident", "blocks")
    }
    return found | {"samples": [msgspec.structs.asdict(each) for each in seen]}


def plot(seen: list[Sample], path: Path) -> None:
    """Draw memory and disk over what came in."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    millions = [each.interactions / 1e6 for each in seen]
    axes.plot(millions, [each.resident / 1e6 for each in seen], label="resident memory")
    axes.plot(millions, [each.disk / 1e6 for each in seen], label="files")
    axes.axhline(DISK_BYTES / 1e6, color="grey", linestyle=":", label="bound on files")
    axes.set(xlabel="interactions taken in, millions", ylabel="MB", ylim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _sample(interactions: int, folder: Path) -> Sample:
    gc.collect()  # so that the count is of what is in use
    trim()
    return Sample(interactions, resident_bytes(), sys.getallocatedblocks(), _disk(folder))


def _disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--interactions", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--samples", type=Path, metavar="FILE.json")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    given = parser.parse_args()
    found = asyncio.run(soak(given.interactions, given.seed))
    write("soak", rows(found), given.json)
    if given.samples:
        given.samples.write_text(json.dumps(trace(found), indent=2) + "\n")
    if given.plot:
        plot(found, given.plot)

"""A real daemon on a filled home, for what can only be seen from outside its process."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.graphs import BATCH, interactions
from tastemesh.gossip import codec
from tastemesh.gossip.effects import Persist
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Endorsement, Interaction, Record
from tastemesh.gossip.signer import Signer
from tastemesh.storage.store import Store

NETWORK = "main"
PER_AUTHOR = 500  # the quota that the default limits set
READY_S = 120.0

# Nothing listens there: the daemon tries on, as one does whose broker is away.
NO_BROKER = "mqtt://127.0.0.1:9"

_PROGRAM = "from tastemesh.node.cli import main; raise SystemExit(main())"
_WITHOUT_FAST = f"import sys; sys.modules['numba'] = None; {_PROGRAM}"


def signers(count: int) -> list[Signer]:
    """Return synthetic authors."""
    return [
        Signer(n.to_bytes(4, "big") * 8, (n + 2**31).to_bytes(4, "big") * 8) for n in range(count)
    ]


def window_records(count: int) -> Iterator[Record]:
    """Yield signed records of 64 interactions by many authors, who endorse their neighbours."""
    limits, now_ms = Limits(), round(time.time_ns() / 1e6)  # a daemon goes by the real date
    authors = signers(-(-count // PER_AUTHOR))
    _, items = interactions(count)
    for number, signer in enumerate(authors):
        near = {(number + step) % len(authors) for step in range(1, 11)} - {number}
        said = tuple(Endorsement(authors[n].id, 10_000) for n in sorted(near))
        if said:
            yield codec.sign_record(signer, NETWORK, 0, 1, b"", now_ms, said, limits)
        held = items[number * PER_AUTHOR : (number + 1) * PER_AUTHOR].tolist()
        for seq, start in enumerate(range(0, len(held), BATCH), 2):
            plays = tuple(
                Interaction(f"mbid:{item:036d}", "listen", 10_000)
                for item in held[start : start + BATCH]
            )
            yield codec.sign_record(signer, NETWORK, 0, seq, b"", now_ms, plays, limits)


async def fill(home: Path, count: int) -> None:
    """Put that many interactions into an initialised home's window."""
    async with await Store.open(home / "window.sqlite3") as store:
        wall_ms = round(time.time_ns() / 1e6)
        records = list(window_records(count))
        for start in range(0, len(records), 64):
            await store.commit([Persist(r, wall_ms) for r in records[start : start + 64]])


class Daemon:
    """One `tastemesh run`, ready."""

    def __init__(self, home: Path, process: asyncio.subprocess.Process, ready_s: float) -> None:
        self.process = process
        self.ready_s = ready_s
        endpoint = json.loads((home / "daemon.json").read_text())
        self.url = endpoint["http"]
        self.token = (home / "api.token").read_text().strip()

    async def ask(self, path: str) -> None:
        """Get something from the API."""
        request = Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with await asyncio.to_thread(urlopen, request, timeout=READY_S) as reply:
            assert reply.status == 200

    @property
    def resident_bytes(self) -> int:
        """Memory of the process that is in use now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


@asynccontextmanager
async def daemon(
    home: Path, broker: str = NO_BROKER, *, fast: bool = True
) -> AsyncIterator[Daemon]:
    """Run a daemon on a home, from when its page can be opened.

    Args:
        home: its folder.
        broker: URL.
        fast: False to run it as it is where the extra `fast` is not installed.
    """
    arguments = ["run", "--home", str(home), "--http-port", "0", "--broker", broker]
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM if fast else _WITHOUT_FAST,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_S):
            while b"http://" not in (line := await process.stdout.readline()):
                assert line, "the daemon ended before it was ready"
        yield Daemon(home, process, time.perf_counter() - started)
    finally:
        process.terminate()
        await process.wait()

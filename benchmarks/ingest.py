"""Wire bytes -> verified -> committed -> rankable, against bare inserts and bare verification."""

import asyncio
import sqlite3
import tempfile
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benchmarks.graphs import NOW_S, interactions
from benchmarks.measure import interleaved_s, row
from tastemesh.gossip import codec
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.envelope import RECORD_DOMAIN
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction, Record
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.topics import records_topic, shard_of
from tastemesh.node.ahead import AheadReader
from tastemesh.node.core import Core
from tastemesh.node.driver import COMMIT_TURNS, Driver
from tastemesh.node.nowhere import Nowhere
from tastemesh.node.stages import Stages, TimedView
from tastemesh.node.tasks import end
from tastemesh.node.transport import Event, Message
from tastemesh.storage.store import Store

NETWORK = "benchmark"
LIMITS = Limits(
    author_interaction_count=1_000_000,
    author_burst_count=1_000_000,
    window_statement_count=10_000_000,
)
_WALL_MS = NOW_S * 1000
_AUTHORS = 50


def wire_records(count: int, batch: int) -> list[Record]:
    """Return signed records of `batch` interactions each, `count` interactions in all."""
    signers = [Signer(bytes([n]) * 32, bytes([n + 1]) * 32) for n in range(_AUTHORS)]
    _, items = interactions(count)
    records = []
    for number, start in enumerate(range(0, count, batch)):
        said = tuple(
            Interaction(f"mbid:{item:036d}", "listen", 10_000)
            for item in items[start : start + batch].tolist()
        )
        signer = signers[number % _AUTHORS]
        seq = number // _AUTHORS + 1
        records.append(codec.sign_record(signer, NETWORK, 0, seq, b"", _WALL_MS, said, LIMITS))
    return records


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Compare in batches of 64 and of 1."""
    counts = {64: 1_280, 1: 64} if quick else {64: 128_000, 1: 4_000}
    return [each for batch, count in counts.items() for each in _compare(count, batch)]


def _compare(count: int, batch: int) -> list[dict[str, Any]]:
    records = wire_records(count, batch)
    payloads = [
        (records_topic(NETWORK, shard_of(r.author)), pack_bundles([r.envelope], LIMITS)[0])
        for r in records
    ]
    rows = [
        (r.author, r.seq, said.item, said.weight_q, _WALL_MS)
        for r in records
        for said in r.interactions
    ]

    def ours() -> object:
        return asyncio.run(_ingest(payloads))

    def bare_inserts() -> None:
        with tempfile.TemporaryDirectory() as folder:
            database = sqlite3.connect(Path(folder) / "bare.sqlite3")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(
                "CREATE TABLE t (author BLOB, seq INT, item TEXT, weight INT, time INT)"
            )
            database.execute("CREATE INDEX i ON t (author, seq)")
            size = batch * COMMIT_TURNS
            for start in range(0, len(rows), size):
                with database:
                    database.executemany(
                        "INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows[start : start + size]
                    )
            database.close()

    signed = [_signed(r.envelope) for r in records]

    def bare_verification() -> None:
        for key, message, signature in signed:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)

    mine, inserts, verification = interleaved_s(ours, bare_inserts, bare_verification)
    work = f"{count:,} interactions in batches of {batch}: decode, verify, commit, append"
    unit = "interactions/s"
    return [
        row("ingest", "sqlite3", work, count / mine, count / inserts, unit, more_is_better=True),
        row(
            "ingest", "ed25519", work, count / mine, count / verification, unit, more_is_better=True
        ),
    ]


def _signed(envelope: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the key, the signed bytes and the signature in an envelope."""
    body, key, _, signature, _ = msgspec.msgpack.decode(envelope)
    return key, RECORD_DOMAIN + body, signature


async def _ingest(payloads: list[tuple[str, bytes]]) -> None:
    """Let a node's own driver take payloads in, until they are committed and in the matrix."""
    key = Signer(bytes(32), bytes(32))
    stages = Stages()
    reader = AheadReader(NETWORK, LIMITS, stages, lambda record_id: core.holds(record_id))
    core = Core(
        node=key,
        signers=(key,),
        network=NETWORK,
        limits=LIMITS,
        seed=bytes(32),
        reader=reader,  # as a node has it
        view=TimedView(stages),
    )
    feed = Feed(payloads)
    with tempfile.TemporaryDirectory() as folder:
        async with await Store.open(Path(folder) / "window.sqlite3") as store:
            driver = Driver(core, store, feed, _Now(), lambda _: None, stages, reader)
            running = asyncio.create_task(driver.run())
            await feed.emptied.wait()
            await driver.flush()
            core.view.matrix(NOW_S)
            await end(running)
    reader.close()
    assert len(core.engine.window) == len(payloads)


class _Now:
    """A clock that stands: the records are of its date."""

    def now_ms(self) -> int:
        return 0

    def wall_ms(self) -> int:
        return _WALL_MS


class Feed(Nowhere):
    """A transport whose broker has sent all of this already, and hears nothing."""

    brokers = ("b",)

    def __init__(self, payloads: Iterable[tuple[str, bytes]]) -> None:
        self._messages = deque(Message("b", topic, payload) for topic, payload in payloads)
        self.emptied = asyncio.Event()

    async def events(self, limit: int = 256) -> list[Event]:
        """Return what is left."""
        if not self._messages:
            self.emptied.set()
            await asyncio.Event().wait()
        return [self._messages.popleft() for _ in range(min(limit, len(self._messages)))]

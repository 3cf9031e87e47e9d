"""From a database to a ranked view, against a bare SELECT of the same rows into numpy."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.graphs import BATCH, NOW_S
from benchmarks.ingest import NETWORK, wire_records
from benchmarks.measure import interleaved_s, row
from tastemesh.gossip.effects import Persist
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.signer import Signer
from tastemesh.node.collection import uncollected
from tastemesh.node.core import Core
from tastemesh.storage.store import Store

_WALL_MS = NOW_S * 1000


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Restore a window five times the default and ask once."""
    count = 2_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        return [_compare(Path(folder), count)]


def _compare(folder: Path, count: int) -> dict[str, Any]:
    records = wire_records(count, BATCH)
    path = folder / "window.sqlite3"
    asyncio.run(_fill(path, records))
    bare = sqlite3.connect(folder / "bare.sqlite3")
    bare.execute("CREATE TABLE interactions (author BLOB, item TEXT, weight INT, time_s INT)")
    rows = [
        (record.author, said.item, said.weight_q, NOW_S)
        for record in records
        for said in record.interactions
    ]
    bare.executemany("INSERT INTO interactions VALUES (?, ?, ?, ?)", rows)
    bare.commit()
    ego = Signer(bytes(32), bytes(32))

    def ours() -> object:
        return asyncio.run(_restore(path, ego))

    def peer() -> object:
        found = bare.execute("SELECT author, item, weight, time_s FROM interactions").fetchall()
        authors, items, weights, times = zip(*found, strict=True)
        return (
            np.array(authors, object),
            np.array(items, object),
            np.array(weights, np.int32),
            np.array(times, np.int64),
        )

    mine, theirs = interleaved_s(ours, peer)
    bare.close()
    work = f"{count:,} interactions in records of {BATCH}, to a first list"
    return row("restore", "select", work, mine, theirs, "s")


async def _fill(path: Path, records: list[Any]) -> None:
    async with await Store.open(path) as store:
        for start in range(0, len(records), 64):
            await store.commit([Persist(r, _WALL_MS) for r in records[start : start + 64]])


async def _restore(path: Path, ego: Signer) -> object:
    core = Core(node=ego, signers=(ego,), network=NETWORK, limits=LIMITS, seed=bytes(32))
    async with await Store.open(path) as store:
        with uncollected():  # as a node does
            async for part in store.parts(_WALL_MS):
                core.handle(part, 0)
    return core.recommend(ego.id, 10, _WALL_MS)


LIMITS = Limits(author_interaction_count=1_000_000, window_statement_count=10_000_000)

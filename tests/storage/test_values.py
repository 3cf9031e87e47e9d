"""Numbers that were altered on a sound page, each of which would end a start or refuse commits."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tastemesh.errors import StorageCause, StorageError
from tastemesh.gossip.effects import PersistPrivate, ReserveSequence
from tastemesh.gossip.record import Interaction
from tastemesh.storage.store import Store
from tests.storage.records import persist
from tests.storage.test_salvage import ANN, salvaged

FAR = 1 << 62


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        (f"records SET arrival = {FAR} WHERE arrival = 2", "the number of a record"),
        (f"sqlite_sequence SET seq = {FAR}", "the number of a record"),
        (f"own_sequences SET until = {FAR} WHERE epoch = 1", "a reserved number"),
        ("own_sequences SET until = -5 WHERE epoch = 1", "a reserved number"),
        (f"own_sequences SET epoch = {1 << 32} WHERE epoch = 1", "a reserved number"),
        ("private_interactions SET weight_q = 10001 WHERE item = 'b'", "a private interaction"),
        ("private_interactions SET weight_q = -1 WHERE item = 'b'", "a private interaction"),
        (f"private_interactions SET ago_ms = -{FAR} WHERE item = 'b'", "a private interaction"),
        (f"private_interactions SET ago_ms = {FAR} WHERE item = 'b'", "a private interaction"),
        (f"private_interactions SET wall_ms = {FAR} WHERE item = 'b'", "a private interaction"),
    ],
)
async def test_what_no_node_writes_is_damage_and_left_out(
    path: Path, altered: str, said: str
) -> None:
    async with await Store.open(path) as store:
        interactions = [Interaction(item, "listen", 10_000, 1_000) for item in "abc"]
        await store.commit([PersistPrivate(ANN, each, 5_000) for each in interactions])
        await store.commit([persist(1), persist(2)])
        await store.commit([ReserveSequence(ANN, 0, 65), ReserveSequence(ANN, 1, 129)])
        await store.check_values()
        held = await store.load(0)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE {altered}")
        db.commit()
    async with await Store.open(path) as store:
        with pytest.raises(StorageError, match=f"{said} is not what was written") as refused:
            await store.check_values()
    assert refused.value.cause is StorageCause.DAMAGED
    _, found = await salvaged(path)
    async with await Store.open(path) as store:
        await store.check_values()
        await store.commit([persist(3)])
    parts = [(found.records, held.records), (found.sequences, held.sequences)]
    for kept, before in [*parts, (found.private, held.private)]:
        assert set(kept) <= set(before)
        assert len(kept) >= len(before) - 1


@pytest.mark.parametrize("wall_ms", [0, 2_200_000_000_000, 253_402_300_799_999])
async def test_what_was_said_under_a_clock_that_is_far_off_is_no_damage(
    path: Path, wall_ms: int
) -> None:
    """Nobody else has it: it was set aside with the file, and the user lost it."""
    said = PersistPrivate(ANN, Interaction("a", "listen", 10_000), wall_ms)
    async with await Store.open(path) as store:
        await store.commit([said])
        await store.check_values()
    _, found = await salvaged(path)
    assert found.private == ((said.author, said.interaction, said.wall_ms),)

"""What was altered on a sound page, each of which would end a start or refuse commits."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tastemesh.errors import StorageCause, StorageError
from tastemesh.gossip.effects import PersistPrivate, PersistProof, PurgePrivate, ReserveSequence
from tastemesh.gossip.inputs import Restored
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.storage.store import Store
from tests.storage.records import evict, persist
from tests.storage.test_failures import contents
from tests.storage.test_salvage import ANN, salvaged

FAR = 1 << 62
COUNT = 40


async def filled(path: Path) -> Restored:
    """Fill a store and close it; return what it held."""
    async with await Store.open(path) as store:
        interactions = [Interaction(f"item {n}", "listen", 10_000, 1_000) for n in range(COUNT)]
        await store.commit([PersistPrivate(ANN, each, 5_000) for each in interactions])
        await store.commit([persist(n) for n in range(COUNT)])
        await store.commit([PersistProof(ANN, b"proof", b""), ReserveSequence(ANN, 0, 65)])
        await store.check_values()
        return await store.load(0)


def flip(path: Path, sound: bytes, at: int, bit: int) -> None:
    """Write a file with one bit altered."""
    path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << bit]) + sound[at + 1 :])


async def refused_at_start(path: Path) -> StorageError:
    """Do what a start does with a window, and return what it says."""
    with pytest.raises(StorageError) as refused:
        async with await Store.open(path) as store:
            await store.check_values()
    return refused.value


async def test_tables_of_another_form_are_damage_and_nothing_is_lost(path: Path) -> None:
    """Each bit of the page that says what tables there are: the node refused every start."""
    held = await filled(path)
    sound = contents(path)
    for word in (b"    envelope", b"CHECK (length", b"weight_q", b"TABLE proofs", b"    until"):
        at = sound.index(word, 0, 4_096) + len(word) - 1
        for bit in (1, 7):
            flip(path, sound, at, bit)
            refused = await refused_at_start(path)
            assert refused.cause is StorageCause.DAMAGED, refused
            assert str(path) in str(refused)
            _, found = await salvaged(path)
            assert found == held


@pytest.mark.parametrize("word", [b"item 7listen", b"listen"])
async def test_text_that_is_none_is_damage_and_left_out(path: Path, word: bytes) -> None:
    held = await filled(path)
    sound = contents(path)
    flip(path, sound, sound.index(word), 7)
    refused = await refused_at_start(path)
    assert refused.cause is StorageCause.DAMAGED
    done, found = await salvaged(path)
    assert set(found.private) < set(held.private)
    assert (len(found.private), done.lost_private) == (COUNT - 1, 1)


async def test_an_index_entry_that_cannot_be_read_is_damage(path: Path) -> None:
    """Whatever came by it on its way to another was refused, after each start anew."""
    held = await filled(path)
    sound = contents(path)
    entry = bytes([3, 12 + 2 * 32, 1]) + persist(COUNT // 2).record.id
    flip(path, sound, sound.index(entry), 6)  # its header is longer than itself
    async with await Store.open(path) as store:
        with pytest.raises(StorageError, match="is damaged"):
            await store.commit([evict(*map(persist, range(COUNT)))])
        for _ in range(2):  # what is met while the node runs is not taken back either
            with pytest.raises(StorageError, match="is damaged"):
                await store.inspect(0, COUNT)
            with pytest.raises(StorageError, match="is damaged"):
                await store.look_again()
            assert store.damage is not None
    refused = await refused_at_start(path)
    assert refused.cause is StorageCause.DAMAGED
    _, found = await salvaged(path)
    assert found == held
    async with await Store.open(path) as store:
        await store.commit([evict(*map(persist, range(COUNT)))])
        assert (await store.load(0)).records == ()


async def test_an_index_that_hides_what_is_to_be_deleted_is_damage(path: Path) -> None:
    """What somebody took back in private stayed on the disk, and came back at the next start."""
    await filled(path)
    sound = contents(path)
    entry = bytes([4, 12 + 2 * 32, 6, 1]) + ANN
    flip(path, sound, sound.index(entry) + len(entry) - 1, 0)
    refused = await refused_at_start(path)
    assert refused.cause is StorageCause.DAMAGED
    await salvaged(path)
    async with await Store.open(path) as store:
        await store.commit([PurgePrivate(ANN, None)])
        assert (await store.load(0)).private == ()


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        (f"records SET arrival = {FAR} WHERE arrival = 2", "the number of a record"),
        (f"sqlite_sequence SET seq = {FAR}", "the number of a record"),
        (f"own_sequences SET until = {FAR} WHERE epoch = 1", "a reserved number"),
        ("own_sequences SET until = -5 WHERE epoch = 1", "a reserved number"),
        (f"own_sequences SET epoch = {MAX_EPOCH + 1} WHERE epoch = 1", "a reserved number"),
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

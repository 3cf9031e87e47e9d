"""What is readable of a damaged database is kept, the rest is counted, and the file set aside."""

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import StorageCause, StorageError
from tastemesh.gossip.effects import PersistLineage, PersistPrivate, PersistProof, ReserveSequence
from tastemesh.gossip.inputs import Restored
from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.record import Interaction
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.storage.pages import Pages
from tastemesh.storage.salvage import COPIED, Salvage, finish_salvage, salvage
from tastemesh.storage.store import Store
from tastemesh.storage.values import MAX_DATE_MS
from tests.node.full import full_at
from tests.storage.children import start
from tests.storage.records import evict, persist

ANN, BOB = b"a" * 32, b"b" * 32
PAGE_BYTES = 4_096
COUNT = 300


def is_whole(record_id: bytes, envelope: bytes) -> bool:
    """Tell whether an envelope is what `persist` made for this id."""
    return envelope == (record_id * (len(envelope) // 32 + 1))[: len(envelope)]


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def fill(store: Store) -> None:
    """Commit records of one page and of several, private interactions, a proof, reservations."""
    for first in range(0, COUNT, 50):
        await store.commit(
            [
                persist(n, size_bytes=(300, 600, 3_000, 16_000)[n % 4], own=n % 7 == 0)
                for n in range(first, first + 50)
            ]
        )
        said = [Interaction(f"private {n}", "listen", 10_000) for n in range(first, first + 50)]
        await store.commit([PersistPrivate(ANN, each, 5) for each in said])
    await store.commit([ReserveSequence(ANN, 3, 65), ReserveSequence(ANN, 0, 129)])
    known = [PersistLineage(StoredLineage(each, 7, b"keys" * 500)) for each in (BOB, b"c" * 32)]
    await store.commit(known)
    await store.commit([PersistProof(BOB, b"x" * 9_000, b""), evict(persist(11), persist(12))])


@pytest.fixture
async def filled(path: Path) -> tuple[Path, Restored]:
    """A closed store, and what it holds."""
    async with await Store.open(path) as store:
        await fill(store)
        return path, await store.load(0)


async def salvaged(path: Path) -> tuple[Salvage, Restored]:
    """Salvage a file; return the account of it and what the new one holds."""
    done = await salvage(path, [ANN], is_whole, "a test")
    async with await Store.open(path) as store:
        assert store.salvage == done
        assert await store.get_meta(COPIED)
        return done, await store.load(0)


def overwrite_pages(path: Path, rng: random.Random, share: float) -> None:
    count = path.stat().st_size // PAGE_BYTES
    with path.open("r+b") as file:
        for number in rng.sample(range(count), max(1, int(share * count))):
            file.seek(number * PAGE_BYTES)
            file.write(rng.randbytes(PAGE_BYTES))


async def crashed(path: Path) -> tuple[Path, Restored]:
    """Return a copy as a crash leaves it, most of the pages in its log, and what it holds."""
    copy = path.with_name("copy.db")
    async with await Store.open(path) as store:
        await fill(store)
        held = await store.load(0)
        shutil.copy(path, copy)
        shutil.copy(log_of(path), log_of(copy))
    return copy, held


async def test_nothing_is_lost_of_a_whole_database_and_its_log(path: Path) -> None:
    copy, held = await crashed(path)
    with log_of(copy).open("ab") as log:
        log.write(log_of(copy).read_bytes()[32 : 32 + 24 + PAGE_BYTES])  # and a torn commit
    done, found = await salvaged(copy)
    assert found == held
    assert [each.author for each in found.lineages] == [BOB, b"c" * 32]
    assert (done.lost_records, done.lost_private) == (0, 0)
    assert (done.records, done.private) == (COUNT - 2, COUNT)
    assert done.file == "copy.db.damaged-1"
    assert log_of(copy.with_name(done.file)).exists()
    assert not log_of(copy).exists()


@pytest.mark.parametrize("place", [0, 100, 32 + 500 * (24 + PAGE_BYTES) + 1_000])
async def test_a_commit_that_was_overwritten_in_the_log_hides_none_behind_it(
    path: Path, place: int
) -> None:
    copy, held = await crashed(path)
    with log_of(copy).open("r+b") as log:
        log.seek(place)
        log.write(random.Random(place).randbytes(600))
    with pytest.raises(StorageError, match="a commit in its log") as refused:
        await Store.open(copy)
    assert refused.value.cause is StorageCause.DAMAGED
    _, found = await salvaged(copy)
    assert set(found.records) <= set(held.records)
    assert len(found.records) > 0.9 * len(held.records)
    assert found.sequences == held.sequences


@pytest.mark.parametrize("page_count", [1, 2, 9])
async def test_a_log_that_begins_with_zeros_is_damaged(path: Path, page_count: int) -> None:
    """So the file system leaves blocks that never reached the disk: their checksums fit."""
    copy, held = await crashed(path)
    with log_of(copy).open("r+b") as log:
        log.write(bytes(page_count * PAGE_BYTES))
    with pytest.raises(StorageError, match="a commit in its log"):
        await Store.open(copy)
    _, found = await salvaged(copy)
    assert found.sequences == held.sequences


async def test_a_log_that_was_begun_anew_is_not_taken_for_what_it_was_before(path: Path) -> None:
    """Of 780 records 184 were lost, ours among them, and what had been deleted was back."""
    copy = path.with_name("copy.db")
    async with await Store.open(path) as store:
        for first in range(0, 600, 60):  # more than the log has room for
            await store.commit([persist(n, size_bytes=15_000) for n in range(first, first + 60)])
        await store.commit([evict(persist(5)), persist(1_000, own=True)])
        held = await store.load(0)
        shutil.copy(path, path.with_name("sound"))
        shutil.copy(log_of(path), log_of(path.with_name("sound")))
    for begin, end in [(0, 1), (13, 14), (17, 18), (25, 26), (0, 32), (0, 32 + 24 + PAGE_BYTES)]:
        shutil.copy(path.with_name("sound"), copy)
        shutil.copy(log_of(path.with_name("sound")), log_of(copy))
        with log_of(copy).open("r+b") as log:
            log.seek(begin)
            log.write(random.Random(begin).randbytes(end - begin))
        with pytest.raises(StorageError, match="a commit in its log"):
            await Store.open(copy)
        _, found = await salvaged(copy)
        if end <= 32:
            assert found == held
        else:  # one page of the last commit is gone, too
            assert persist(5).record.id not in {each.record_id for each in found.records}


@pytest.mark.parametrize("size_bytes", [31, 32, 56, 57, 32 + 24 + PAGE_BYTES - 1])
async def test_a_log_of_which_little_is_left_beside_its_database(
    filled: tuple[Path, Restored], size_bytes: int
) -> None:
    path, held = filled
    log_of(path).write_bytes(random.Random(size_bytes).randbytes(size_bytes))
    async with await Store.open(path) as store:
        assert await store.load(0) == held


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_log_without_its_database_is_read(path: Path, is_there: bool) -> None:
    copy = path.with_name("copy.db")
    async with await Store.open(path) as store:
        said = PersistPrivate(ANN, Interaction("private", "listen", 10_000), 5)
        await store.commit([persist(1), said, ReserveSequence(ANN, 3, 65)])
        held = await store.load(0)
        shutil.copy(log_of(path), log_of(copy))  # all that a crash left, but for the file itself
    if is_there:
        copy.touch()
    with pytest.raises(StorageError, match="empty, and its log has commits") as refused:
        await Store.open(copy)
    assert refused.value.cause is StorageCause.DAMAGED
    _, found = await salvaged(copy)
    assert found == held


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_on_pages_that_were_left_alone_is_kept(
    filled: tuple[Path, Restored], seed: int
) -> None:
    path, held = filled
    overwrite_pages(path, random.Random(seed), (0.02, 0.05, 0.3)[seed])
    damaged = path.read_bytes()
    done, found = await salvaged(path)
    assert path.with_name(done.file).read_bytes() == damaged
    short = {each for each in held.records if len(each.envelope) <= 600}
    readable = {each for each in short if each.envelope in damaged}
    assert readable <= set(found.records) <= set(held.records)
    assert readable == short & set(found.records)
    assert list(found.records) == [each for each in held.records if each in found.records]
    items = {item.item for _, item, _ in found.private}
    assert items == {
        f"private {n}" for n in range(COUNT) if f"private {n}listen".encode() in damaged
    }
    assert set(found.sequences) <= set(held.sequences)
    assert set(found.proofs) <= set(held.proofs)
    assert set(found.lineages) <= set(held.lineages)
    assert (done.records, done.private) == (len(found.records), len(found.private))
    # An index that is gone, too, cannot name what it had.
    assert 0 < done.lost_records <= len(held.records) - len(found.records)
    assert done.lost_private <= len(held.private) - len(found.private)


async def test_a_file_without_its_start_or_its_end(filled: tuple[Path, Restored]) -> None:
    path, held = filled
    with path.open("r+b") as file:
        file.write(random.Random(0).randbytes(PAGE_BYTES))
    os.truncate(path, path.stat().st_size * 2 // 3)
    done, found = await salvaged(path)
    assert len(held.records) // 3 < done.records == len(found.records)


@pytest.mark.parametrize("size_bytes", [15, 16, 18, 20, 99])
async def test_a_file_of_which_little_is_left(
    filled: tuple[Path, Restored], size_bytes: int
) -> None:
    path, _ = filled
    os.truncate(path, size_bytes)
    done, found = await salvaged(path)
    assert (done.records, found.records) == (0, ())


async def test_rubbish_is_set_aside_each_time(path: Path) -> None:
    for number in (1, 2):
        with path.open("wb") as file:
            file.write(b"not a database" * 1_000)
        done, found = await salvaged(path)
        assert (done.file, done.records, found.records) == (f"window.db.damaged-{number}", 0, ())
    async with await Store.open(path) as store:
        assert store.salvage is not None
        path.with_name("window.db.damaged-2").unlink()
        assert store.salvage is None  # whoever deletes the file has seen it
    async with await Store.open(path) as store:
        assert store.salvage is None


@pytest.mark.parametrize("renamed", [0, 1, 2])
async def test_a_swap_goes_on_after_a_crash(
    filled: tuple[Path, Restored], renamed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, held = filled
    log_of(path).write_bytes(b"a log that must not be folded in")
    rename, count = Path.rename, 0

    def crash(self: Path, target: Path) -> Path:
        nonlocal count
        if not self.name.endswith(".partial"):
            count += 1
            if count > renamed:
                raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", crash)
        await salvage(path, [ANN], is_whole, "a test")
    finish_salvage(path)
    finish_salvage(path)
    async with await Store.open(path) as store:
        assert await store.load(0) == held
        assert store.salvage is not None
        aside = path.with_name(store.salvage.file)
    assert log_of(aside).read_bytes() == b"a log that must not be folded in"
    assert {each.name for each in path.parent.iterdir()} == {
        path.name,
        aside.name,
        log_of(aside).name,
    }


async def test_an_account_that_was_altered_ends_no_start(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"not a database")
    await salvaged(path)
    async with await Store.open(path) as store:
        await store.set_meta("salvage", b"\x00")
    async with await Store.open(path) as store:
        assert store.salvage is None


@pytest.mark.parametrize("byte_count", [0, PAGE_BYTES, 50_000, 1_000_000])
async def test_a_full_disk_leaves_nothing_unfinished(path: Path, byte_count: int) -> None:
    async with await Store.open(path) as store:
        await fill(store)
        with full_at(byte_count), pytest.raises(StorageError):
            await store.backup(path.with_name("copy.db"))
        assert {each.name for each in path.parent.iterdir()} == {path.name, log_of(path).name}
    with path.open("r+b") as file:
        file.write(b"rubbish")
    with full_at(byte_count), pytest.raises(StorageError):
        await salvage(path, [ANN], is_whole, "a test")
    assert list(path.parent.iterdir()) == [path]


async def test_the_file_of_a_running_node_is_left_alone(path: Path) -> None:
    with start("hold", path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StorageError, match="in use by another process") as refused:
            await salvage(path, [ANN], is_whole, "a test")
        assert refused.value.cause is StorageCause.LOCKED
        assert [each.name for each in path.parent.glob("*.damaged*")] == []
        holder.kill()


@given(st.data())
def test_no_bytes_stop_the_reading(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    kinds = st.sampled_from([b"\x02", b"\x0a", b"\x0d", b"\x05"])
    page = st.builds(lambda kind, rest: kind + rest, kinds, st.binary(min_size=20, max_size=600))
    content = b"".join(each.ljust(PAGE_BYTES, b"\x81") for each in data.draw(st.lists(page)))
    folder = tmp_path_factory.mktemp("pages")
    (folder / "log").write_bytes(data.draw(st.binary(max_size=100)))
    (folder / "file").write_bytes(content)
    file = os.open(folder / "file", os.O_RDONLY)
    try:
        for row in Pages(file, folder / "log").rows():
            assert isinstance(row.values, tuple)
    finally:
        os.close(file)


async def test_no_date_of_a_private_interaction_is_taken_for_a_reservation(path: Path) -> None:
    """The entries of their index and the rows of reservations have one form in the file."""
    async with await Store.open(path) as store:
        dates_ms = (0, 1, 4_000, 2**32 - 1, 2**32, MAX_DATE_MS - 1, 1 - MAX_DATE_MS)
        said = [Interaction(f"{n}", "listen", 1, 0) for n in range(len(dates_ms))]
        await store.commit(
            [PersistPrivate(ANN, each, at) for each, at in zip(said, dates_ms, strict=True)]
        )
        held = await store.load(0)
    _, found = await salvaged(path)
    assert held.sequences == found.sequences == ()
    assert found.private == held.private


async def test_no_reservation_is_taken_for_the_date_of_a_private_interaction(path: Path) -> None:
    async with await Store.open(path) as store:
        epochs = (0, 2**32 - 1, 1_700_000_000 << 20, MAX_EPOCH)
        await store.commit([ReserveSequence(ANN, each, 65) for each in epochs])
        held = await store.load(0)
    done, found = await salvaged(path)
    assert found.sequences == held.sequences
    assert len(found.sequences) == len(epochs)
    assert done.lost_private == 0


async def test_an_altered_entry_of_a_private_interaction_names_no_lost_record(path: Path) -> None:
    async with await Store.open(path) as store:
        said = [Interaction(f"private {n}", "listen", 1) for n in range(3)]
        await store.commit([PersistPrivate(ANN, each, 5) for each in said])
        held = await store.load(0)
    sound = path.read_bytes()  # noqa: ASYNC240
    entry = bytes([4, 12 + 2 * 32, 6, 1]) + ANN
    assert entry in sound
    path.write_bytes(sound.replace(entry, entry[:-1] + b"c", 1))  # noqa: ASYNC240
    done, found = await salvaged(path)
    assert (done.lost_records, done.lost_private) == (0, 0)
    assert found.private == held.private

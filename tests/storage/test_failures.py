"""What can go wrong outside: the file, its directory, the disk, another process."""

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tastemesh.errors import StorageCause, StorageError
from tastemesh.gossip.effects import Evict, EvictReason
from tastemesh.storage.store import COPIED, MIN_DISK_BYTES, Store
from tests.storage.children import NOBODY, start
from tests.storage.records import evict, persist, restored, stored


def overwrite(path: Path, offset: int, rubbish: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(rubbish)


def bytes_on_disk(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.iterdir())


def contents(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture
async def filled(path: Path) -> Path:
    """A closed store with 300 records."""
    async with await Store.open(path) as store:
        await store.commit([persist(n, size_bytes=2_000) for n in range(300)])
    return path


async def test_a_missing_directory_is_named(path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere/window\.db: No such file or directory"):
        await Store.open(path.parent / "nowhere" / "window.db")


async def test_a_directory_is_not_a_file(path: Path) -> None:
    with pytest.raises(StorageError, match="is not a file"):
        await Store.open(path.parent)


@pytest.mark.parametrize("rubbish", [b"taste\n" * 1_000, b"\x00" * 5_000])
async def test_another_kind_of_file_is_refused_and_left_alone(path: Path, rubbish: bytes) -> None:
    with path.open("wb") as file:
        file.write(rubbish)
    with pytest.raises(StorageError, match=r"window\.db: is not a database"):
        await Store.open(path)
    assert contents(path) == rubbish


@pytest.mark.parametrize(
    ("offset", "length"), [(16, 84), (4_096, 3 * 4_096), (100, 4_096), (20 * 4_096, 40 * 4_096)]
)
async def test_damage_shows_at_open(filled: Path, offset: int, length: int) -> None:
    overwrite(filled, offset, random.Random(offset).randbytes(length))
    with pytest.raises(StorageError, match=r"window\.db.*damaged.*put back a backup"):
        await Store.open(filled)


async def test_a_shortened_file_shows_at_open(filled: Path) -> None:
    os.truncate(filled, bytes_on_disk(filled) // 2)
    with pytest.raises(StorageError, match=r"window\.db.*damaged.*put back a backup"):
        await Store.open(filled)


async def test_an_id_that_changed_can_be_deleted_and_its_record_stored_again(path: Path) -> None:
    held = [persist(n) for n in range(3)]
    async with await Store.open(path) as store:
        await store.commit(held)
    whole, good = contents(path), held[1].record.id
    altered = bytes([good[0] ^ 1]) + good[1:]
    in_table = whole.index(good + held[1].record.author)
    overwrite(path, in_table, altered)
    async with await Store.open(path) as store:
        rows, following = await store.inspect(0, 2)
        assert [each.record_id for each in rows] == [held[0].record.id, altered]
        assert await store.inspect(following, 2) == (stored(held[2]), 0)
    overwrite(path, in_table, altered)
    async with await Store.open(path) as store:
        await store.commit([Evict((altered,), EvictReason.DAMAGED), held[1]])
        assert await store.load(0) == restored(held[0], held[2], held[1])
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_an_index_that_changed_is_made_anew(path: Path) -> None:
    held = [persist(n) for n in range(3)]
    async with await Store.open(path) as store:
        await store.commit(held)
    good = held[1].record.id
    places = [at for at in range(len(contents(path))) if contents(path).startswith(good, at)]
    (in_index,) = [
        at for at in places if not contents(path).startswith(held[1].record.author, at + 32)
    ][-1:]
    overwrite(path, in_index + 31, bytes([good[31] ^ 1]))
    async with await Store.open(path) as store:
        assert await store.inspect(0, 4) == (stored(*held), 0)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_damage_that_is_met_in_reading_is_known_until_all_can_be_read(filled: Path) -> None:
    async with await Store.open(filled) as store:
        whole = contents(filled)
        overwrite(filled, 4_096 * 20, b"\xa5" * 4_096 * 60)
        await store._db.execute_fetchall("PRAGMA shrink_memory")  # as if it were large
        with pytest.raises(StorageError):
            await store.load(0)
        assert store.damage is not None
        assert store.damage.cause is StorageCause.DAMAGED
        with pytest.raises(StorageError):
            await store.look_again()
        overwrite(filled, 0, whole)
        await store.look_again()
        assert store.damage is None
        assert (await store.load(0)).records == restored(
            *[persist(n, size_bytes=2_000) for n in range(300)]
        ).records


async def test_no_backup_is_made_of_what_is_damaged(filled: Path) -> None:
    copy = filled.with_name("copy.db")
    async with await Store.open(filled) as store:
        whole = contents(filled)
        overwrite(filled, 4_096 * 20, b"\xa5" * 4_096 * 60)
        await store._db.execute_fetchall("PRAGMA shrink_memory")  # as if it were large
        with pytest.raises(StorageError, match=r"window\.db is damaged.*a start keeps"):
            await store.backup(copy)
        assert store.damage is not None
        assert not list(filled.parent.glob("copy.db*"))
        overwrite(filled, 0, whole)
        await store.look_again()
        await store.backup(copy)
    async with await Store.open(copy) as store:
        assert await store.get_meta(COPIED) is not None


async def test_any_damage_is_a_storage_error_or_none(filled: Path) -> None:
    rng = random.Random(20261122)
    size = bytes_on_disk(filled)
    for number in range(60):
        folder = filled.parent / str(number)
        folder.mkdir()
        damaged = Path(shutil.copy(filled, folder))
        for _ in range(rng.randrange(1, 4)):
            overwrite(damaged, rng.randrange(size), rng.randbytes(rng.choice((1, 8, 600))))
        try:
            async with await Store.open(damaged) as store:
                await store.load(0)
                await store.commit([persist(n) for n in range(400)])
        except StorageError as error:
            assert "window.db" in str(error)


async def test_a_reached_bound_refuses_what_is_over_it(path: Path) -> None:
    async with await Store.open(path, disk_bytes=MIN_DISK_BYTES) as store:
        held = []
        with pytest.raises(StorageError, match=r"window\.db: disk bound reached: evict records"):
            for n in range(1_000):
                batch = [persist(4 * n + k, size_bytes=16_000) for k in range(4)]
                await store.commit(batch)
                held += batch
        assert 900 < len(held) < 1_100
        assert bytes_on_disk(path) <= MIN_DISK_BYTES
        assert await store.load(0) == restored(*held)

        # It goes on as soon as as much leaves in the same transaction, whatever the order.
        for n in range(200):
            arrivals = [persist(10_000 + 4 * n + k, size_bytes=16_000) for k in range(4)]
            await store.commit([*arrivals, evict(*held[:4])])
            held = held[4:] + arrivals
            assert bytes_on_disk(path) <= MIN_DISK_BYTES
        assert await store.load(0) == restored(*held)


async def test_what_the_system_refuses_to_write_can_be_tried_again(path: Path) -> None:
    with start("starve", path) as starved:
        output, _ = starved.communicate()
    error, before, after = output.splitlines()
    assert "window.db: could not be read or written by the system (SQLITE_IOERR_WRITE" in error
    assert (before, after) == ("True", "True")


@pytest.mark.parametrize("lost", ["window.db", "window.db-wal"])
async def test_nothing_is_written_into_a_file_without_a_name(path: Path, lost: str) -> None:
    async with await Store.open(path) as store:
        await store.commit([persist(1)])
        away = (path.parent / lost).rename(path.parent / "away")
        with pytest.raises(StorageError, match="deleted or replaced") as refused:
            await store.commit([persist(2)])
        assert refused.value.cause is StorageCause.GONE
        away.rename(path.parent / lost)
        await store.commit([persist(3)])
    async with await Store.open(path) as store:
        assert len((await store.load(0)).records) == 2


async def test_a_process_may_change_its_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    async with await Store.open(Path(path.name)) as store:
        monkeypatch.chdir("/")
        await store.commit([persist(1)])


async def test_a_second_process_is_refused_until_the_first_is_gone(path: Path) -> None:
    with start("hold", path) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StorageError, match=r"window\.db: is in use by another process: stop"):
            await Store.open(path, busy_timeout_ms=20)
        holder.stdin.write("\n")
        holder.stdin.flush()
        async with await Store.open(path) as store:  # waits for the other to close
            await store.commit([persist(1)])


async def test_a_killed_process_leaves_no_lock(path: Path) -> None:
    with start("hold", path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        holder.kill()
    async with await Store.open(path, busy_timeout_ms=20) as store:
        await store.commit([persist(1)])


async def test_a_second_store_in_this_process_is_refused(path: Path) -> None:
    async with await Store.open(path) as store:
        for _ in range(2):
            with pytest.raises(StorageError, match="is in use by another process"):
                await Store.open(path, busy_timeout_ms=20)
        with (
            closing(sqlite3.connect(path, timeout=0)) as db,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            db.execute("SELECT * FROM records")
        await store.commit([persist(1)])
        assert await store.load(0) == restored(persist(1))


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that any user can enter, unlike those below `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def open_as_nobody(path: Path) -> str:
    with start("open_as_nobody", path) as child:
        return child.communicate()[0]


def test_a_new_file_in_a_read_only_directory(reachable: Path) -> None:
    assert open_as_nobody(reachable / "window.db").endswith("window.db: Permission denied\n")


def test_a_read_only_file(reachable: Path) -> None:
    file = reachable / "window.db"
    reachable.chmod(0o755)
    file.touch(0o444)
    assert "window.db: no permission to read and write it" in open_as_nobody(file)


def test_a_file_whose_directory_takes_no_log(reachable: Path) -> None:
    file = reachable / "window.db"
    reachable.chmod(0o755)
    file.touch()
    file.chmod(0o666)
    reachable.chmod(0o555)
    assert "window.db: cannot be written: the file or its directory" in open_as_nobody(file)


def test_what_a_store_takes_is_known_while_its_folder_is_out_of_reach(reachable: Path) -> None:
    folder = reachable / "home"
    reachable.chmod(0o777)
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, NOBODY)
    with start("measure_as_nobody", folder / "window.db") as child:
        assert child.communicate()[0].splitlines() == ["True", "True None"]

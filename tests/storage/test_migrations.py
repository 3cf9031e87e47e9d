import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from tastemesh.errors import StorageError
from tastemesh.gossip.authorship import SHARED
from tastemesh.gossip.record import Interaction
from tastemesh.storage.files import log_of
from tastemesh.storage.migrations import (
    APPLICATION_ID,
    Migration,
    migrate,
    read_pragma,
    shipped_migrations,
)
from tastemesh.storage.store import WAL_BYTES, Store
from tests.storage.records import persist, restored

STEPS = (
    Migration(1, "CREATE TABLE shelf (book TEXT) STRICT;"),
    Migration(2, "INSERT INTO shelf VALUES ('one'); INSERT INTO shelf VALUES ('two');"),
)


def run(path: Path, *statements: str) -> Sequence[tuple[object, ...]]:
    """Execute with the bare library, as another program would; return the last one's rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(each).fetchall() for each in statements][-1]


def contents(path: Path) -> bytes:
    return path.read_bytes()


async def test_an_empty_file_is_brought_to_the_last_version(path: Path) -> None:
    run(path, "SELECT 1")
    assert contents(path) == b""
    async with await Store.open(path) as store:
        await store.commit([persist(1)])
    assert run(path, "PRAGMA user_version") == [(len(shipped_migrations()),)]
    assert run(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert run(path, "PRAGMA journal_mode") == [("wal",)]
    assert run(path, "PRAGMA auto_vacuum") == [(2,)]  # incremental


async def test_a_file_of_version_0_with_our_mark_only_is_brought_up(path: Path) -> None:
    run(path, f"PRAGMA application_id = {APPLICATION_ID}", "VACUUM")
    async with await Store.open(path) as store:
        await store.commit([persist(1)])
        assert await store.load(0) == restored(persist(1))


async def test_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    async with await Store.open(path):
        pass
    known = len(shipped_migrations())
    run(path, f"PRAGMA user_version = {known + 6}")
    before = contents(path)
    with pytest.raises(
        StorageError, match=rf"window\.db has schema version {known + 6}.*up to {known}: upgrade"
    ):
        await Store.open(path)
    assert contents(path) == before


async def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    run(path, "CREATE TABLE bookmarks (url TEXT)")
    before = contents(path)
    with pytest.raises(StorageError, match=r"window\.db is a database of another program"):
        await Store.open(path)
    assert contents(path) == before


async def test_only_what_is_missing_is_applied(path: Path) -> None:
    async with aiosqlite.connect(path, isolation_level=None) as db:
        await migrate(db, path, STEPS[:1])
        await db.execute_fetchall("INSERT INTO shelf VALUES ('zero')")
        await migrate(db, path, STEPS)
        await migrate(db, path, STEPS)
        assert await read_pragma(db, "user_version") == 2
    assert run(path, "SELECT book FROM shelf") == [("zero",), ("one",), ("two",)]


@pytest.mark.parametrize(
    "broken",
    [
        "INSERT INTO shelf VALUES ('three'); INSERT INTO cupboard VALUES ('four');",
        "INSERT INTO shelf VALUES ('three'); nonsense;",
        "DROP TABLE shelf; SELECT abs(-9223372036854775808);",
    ],
)
async def test_a_migration_that_fails_leaves_the_version_before_it(path: Path, broken: str) -> None:
    async with aiosqlite.connect(path, isolation_level=None) as db:
        with pytest.raises(
            StorageError, match=r"window\.db: migration to schema version 3 failed, it stays at 2"
        ):
            await migrate(db, path, (*STEPS, Migration(3, broken), Migration(4, "SELECT 1;")))
        assert await read_pragma(db, "user_version") == 2
        await migrate(db, path, (*STEPS, Migration(3, "INSERT INTO shelf VALUES ('three');")))
    assert run(path, "SELECT book FROM shelf") == [("one",), ("two",), ("three",)]


def test_shipped_migrations_are_numbered_without_gaps() -> None:
    shipped = shipped_migrations()
    assert [each.version for each in shipped] == list(range(1, len(shipped) + 1))
    assert all("COMMIT" not in each.sql.upper() for each in shipped)


# What released versions left behind, as text: the files that made it must never change.
VERSION_1 = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA application_id = 0x746d7368;
CREATE TABLE records (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    author BLOB NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
    created_ms INTEGER NOT NULL, first_seen_ms INTEGER NOT NULL,
    own INTEGER NOT NULL CHECK (own IN (0, 1)), statement_count INTEGER NOT NULL,
    envelope BLOB NOT NULL
) STRICT;
CREATE TABLE own_sequences (
    author BLOB NOT NULL, epoch INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (author, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE private_interactions (
    arrival INTEGER PRIMARY KEY, author BLOB NOT NULL, item TEXT NOT NULL, kind TEXT NOT NULL,
    weight_q INTEGER NOT NULL, ago_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO own_sequences VALUES (x'a1', 3, 129);
INSERT INTO private_interactions (author, item, kind, weight_q, ago_ms, wall_ms)
    VALUES (x'a1', 'kept', 'like', 5000, 7, 42);
INSERT INTO meta VALUES ('network', CAST('main' AS BLOB));
PRAGMA user_version = 1;
"""
VERSION_2 = (
    VERSION_1
    + """
CREATE TABLE proofs (
    author BLOB PRIMARY KEY CHECK (length(author) = 32), proof BLOB NOT NULL
) STRICT;
INSERT INTO proofs VALUES (zeroblob(32), x'00ff');
PRAGMA user_version = 2;
"""
)
VERSION_3 = (
    VERSION_2
    + """
CREATE INDEX private_by_author ON private_interactions (author);
PRAGMA user_version = 3;
"""
)
VERSION_4 = (
    VERSION_3
    + """
CREATE TABLE lineages (
    author BLOB PRIMARY KEY CHECK (length(author) = 32), checksum INTEGER NOT NULL,
    lineage BLOB NOT NULL
) STRICT;
PRAGMA user_version = 4;
"""
)
VERSION_5 = (
    VERSION_4
    + """
DROP INDEX private_by_author;
CREATE INDEX private_by_date ON private_interactions (author, wall_ms - ago_ms + 18014398509481984);
PRAGMA user_version = 5;
"""
)
VERSIONS = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5]
PROOFS = {1: (), **dict.fromkeys(range(2, 6), (b"\x00\xff",))}


@pytest.mark.parametrize(("version", "made"), list(enumerate(VERSIONS, start=1)))
async def test_what_every_earlier_version_wrote_is_read_and_goes_on(
    path: Path, version: int, made: str
) -> None:
    first = persist(1)
    record = first.record
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(made)
        row = (record.id, record.author, record.epoch, record.seq, record.created_ms)
        db.execute(
            "INSERT INTO records (id, author, epoch, seq, created_ms, first_seen_ms, own,"
            " statement_count, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, first.first_seen_ms, first.own, len(record.statements), record.envelope),
        )
    async with await Store.open(path) as store:
        await store.check_values()
        await store.commit([persist(2)])
        found = await store.load(0)
        assert found.records == restored(first, persist(2)).records
        assert found.sequences == ((b"\xa1", 3, 129),)
        assert found.private == ((b"\xa1", Interaction("kept", "like", 5_000, 7), 42),)
        assert found.proofs == PROOFS[version]
        assert await store.get_meta("network") == b"main"
    assert run(path, "PRAGMA user_version") == [(len(shipped_migrations()),)]
    fresh = path.with_name("fresh.db")
    async with await Store.open(fresh):
        pass
    assert schema(path) == schema(fresh)


async def test_only_the_last_epoch_of_an_older_version_counts_as_nobody_elses(path: Path) -> None:
    run(path, "SELECT 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(VERSION_5)
        db.execute("INSERT INTO own_sequences VALUES (x'a1', 0, 65), (x'a2', 2, 65)")
    async with await Store.open(path) as store:
        await store.check_values()
        found = (await store.load(0)).sequences
    assert found == ((b"\xa1", 0, SHARED), (b"\xa1", 3, 129), (b"\xa2", 2, 65))


async def test_a_database_that_has_come_to_its_bound_is_brought_up(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(VERSION_4)
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "INSERT INTO private_interactions (author, item, kind, weight_q, ago_ms, wall_ms) "
            "SELECT x'a2', printf('%0200d', i), 'like', 1, 0, i FROM n"
        )
        ((page_count,),) = db.execute("PRAGMA page_count")
    store = await Store.open(path, disk_bytes=page_count * 4_096 + WAL_BYTES)
    assert len(await store.private_of(b"\xa2")) == 100_000
    await store.close()  # what SQLite counts for itself finds no room
    assert not log_of(path).exists()


def schema(path: Path) -> dict[str, Sequence[tuple[object, ...]]]:
    """Tables and indexes with their columns, however they were written down."""
    # What SQLite counts for itself, some versions when they open a file, is none of it.
    ours = "name NOT LIKE 'sqlite_stat%'"
    names = run(path, f"SELECT name, type FROM sqlite_schema WHERE {ours} ORDER BY name")
    return {
        str(name): run(
            path, f"PRAGMA {'table_xinfo' if kind == 'table' else 'index_xinfo'}('{name}')"
        )
        for name, kind in names
    }


def test_every_earlier_version_is_tested() -> None:
    assert set(PROOFS) == set(range(1, len(shipped_migrations())))

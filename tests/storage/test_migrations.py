import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from tastemesh.errors import StorageError
from tastemesh.storage.migrations import (
    APPLICATION_ID,
    Migration,
    migrate,
    read_pragma,
    shipped_migrations,
)
from tastemesh.storage.store import Store
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

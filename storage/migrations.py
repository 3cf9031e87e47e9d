"""The schema's versions: numbered SQL files, each applied in one transaction with its recording.

`PRAGMA user_version` holds the number of the last one applied; SQLite keeps it in the file's header
and rolls it back with everything else, so a crash leaves a version whole or not there. A file that
has been released is never edited: what comes later goes into the next number.
"""

import sqlite3
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

import aiosqlite
import msgspec

from tastemesh.errors import StorageError

APPLICATION_ID = 0x746D7368  # "tmsh", as the first migration sets it


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema.

    Attributes:
        version: 1 and up, without gaps.
        sql: statements, without BEGIN or COMMIT.
    """

    version: int
    sql: str


@cache
def shipped_migrations() -> tuple[Migration, ...]:
    """Return the migrations of this version of tastemesh, in order.

    Raises:
        StorageError: the installation lacks a file, or has one that is not called `0001_name.sql`.
    """
    folder = files("tastemesh.storage").joinpath("migrations")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    for version, name in enumerate(names, start=1):
        if not name.startswith(f"{version:04}_"):
            raise StorageError(f"migration {name}; expected number {version:04}: reinstall")
    return tuple(
        Migration(version, folder.joinpath(name).read_text(encoding="utf-8"))
        for version, name in enumerate(names, start=1)
    )


async def read_pragma(db: aiosqlite.Connection, name: str) -> int:
    """Return the value of a pragma that is one integer."""
    ((value,),) = await db.execute_fetchall(f"PRAGMA {name}")
    return int(value)


async def check_origin(
    db: aiosqlite.Connection, path: Path, migrations: tuple[Migration, ...]
) -> None:
    """Refuse a database that is not ours or is newer than we are, before anything touches it.

    Raises:
        StorageError: it belongs to another program, or comes from a newer tastemesh.
    """
    ((table_count,),) = await db.execute_fetchall("SELECT count(*) FROM sqlite_schema")
    if table_count and await read_pragma(db, "application_id") != APPLICATION_ID:
        raise StorageError(f"{path} is a database of another program: choose another path")
    version = await read_pragma(db, "user_version")
    if version > len(migrations):
        raise StorageError(
            f"{path} has schema version {version}, and this tastemesh knows versions up to "
            f"{len(migrations)}: upgrade tastemesh, or put back a backup from before"
        )


async def migrate(db: aiosqlite.Connection, path: Path, migrations: tuple[Migration, ...]) -> None:
    """Bring the database to the last of `migrations`; those it has had are skipped.

    Raises:
        StorageError: one of them failed; the database is at the version before it.
    """
    version = await read_pragma(db, "user_version")
    for step in migrations[version:]:
        try:
            await db.executescript(
                f"BEGIN EXCLUSIVE;\n{step.sql}\nPRAGMA user_version = {step.version};\nCOMMIT;"
            )
        except BaseException as error:
            with suppress(sqlite3.Error):
                await db.rollback()
            if isinstance(error, sqlite3.Error):
                raise StorageError(
                    f"{path}: migration to schema version {step.version} failed, "
                    f"it stays at {step.version - 1}: {error}"
                ) from error
            raise

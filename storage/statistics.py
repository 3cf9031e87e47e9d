"""What is counted of a database: for `Store.statistics`, and for SQLite's own planner."""

import sqlite3
from contextlib import suppress

import aiosqlite
import msgspec

from tastemesh.storage.migrations import read_pragma


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """How much the database holds and takes.

    Attributes:
        record_count: records in the window.
        statement_count: statements in those.
        disk_bytes: what the files take now, write-ahead log included.
        disk_bound_bytes: what they may take.
        page_bytes: size of a page.
        page_count: pages in the database, free ones included.
        free_page_count: pages that `Store.vacuum_step` can give back.
        max_page_count: pages that the database may grow to.
    """

    record_count: int
    statement_count: int
    disk_bytes: int
    disk_bound_bytes: int
    page_bytes: int
    page_count: int
    free_page_count: int
    max_page_count: int


async def statistics_of(
    db: aiosqlite.Connection, disk_bytes: int, disk_bound_bytes: int
) -> Statistics:
    """Return how much a database holds and takes; reads the whole table."""
    ((record_count, statement_count),) = await db.execute_fetchall(
        "SELECT count(*), coalesce(sum(statement_count), 0) FROM records"
    )
    return Statistics(
        record_count=record_count,
        statement_count=statement_count,
        disk_bytes=disk_bytes,
        disk_bound_bytes=disk_bound_bytes,
        page_bytes=await read_pragma(db, "page_size"),
        page_count=await read_pragma(db, "page_count"),
        free_page_count=await read_pragma(db, "freelist_count"),
        max_page_count=await read_pragma(db, "max_page_count"),
    )


async def optimize(db: aiosqlite.Connection) -> None:
    """Have SQLite count what it plans queries by; where there is no room for that, another time."""
    with suppress(sqlite3.OperationalError):  # what else is wrong, the next statement meets
        await db.execute_fetchall("PRAGMA optimize")

"""Records looked up by their ids."""

from collections.abc import Sequence
from typing import Any

import aiosqlite

_AT_ONCE = 512  # ids per SELECT: far below SQLite's 32,766 parameters, and past any gain


async def look_up(
    db: aiosqlite.Connection, columns: str, record_ids: Sequence[bytes]
) -> list[tuple[Any, ...]]:
    """Return some columns of these records, in any order, without those not there.

    Args:
        db: the connection.
        columns: of ours, as SELECT takes them.
        record_ids: any number.
    """
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(record_ids), _AT_ONCE):
        wanted = record_ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(wanted))
        statement = f"SELECT {columns} FROM records WHERE id IN ({marks})"  # noqa: S608 (ours)
        found += map(tuple, await db.execute_fetchall(statement, wanted))
    return found

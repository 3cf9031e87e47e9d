"""Private interactions read back: all of an author's, or a page of them."""

import aiosqlite

from tastemesh.gossip.record import Interaction

Place = tuple[int, int]
"""Date in ms and number of an interaction."""

Numbered = tuple[Interaction, int, int]
"""What was done, the wall clock in ms when it was said, and its number."""

PRIVATE = "SELECT author, item, kind, weight_q, ago_ms, wall_ms FROM private_interactions"

_PAGE = "SELECT item, kind, weight_q, ago_ms, wall_ms, arrival FROM private_interactions"
# As the index has it (`migrations/0005_private_by_date.sql`): it is used for this very text only.
DATE_SHIFT_MS = 1 << 54
_DATE = f"wall_ms - ago_ms + {DATE_SHIFT_MS}"
# Two questions, since one of both would read all of a date: 10,000 may have been said at once.
_OF_DATE = f"""{_PAGE}
WHERE author = ? AND {_DATE} = ? AND arrival < ? ORDER BY arrival DESC LIMIT ?
"""
_EARLIER = f"""{_PAGE}
WHERE author = ? AND {_DATE} < ? ORDER BY {_DATE} DESC, arrival DESC LIMIT ?
"""


async def all_of(db: aiosqlite.Connection, author: bytes) -> list[tuple[Interaction, int]]:
    """Return an author's private interactions; see `Store.private_of`."""
    rows = await db.execute_fetchall(f"{PRIVATE} WHERE author = ? ORDER BY arrival", (author,))
    return [
        (Interaction(item, kind, weight_q, ago_ms), said_ms)
        for _, item, kind, weight_q, ago_ms, said_ms in rows
    ]


async def before(
    db: aiosqlite.Connection, author: bytes, place: Place, count: int
) -> list[Numbered]:
    """Return the next of an author's private interactions; see `Store.private_before`."""
    date_ms, arrival = place[0] + DATE_SHIFT_MS, place[1]
    rows = [*await db.execute_fetchall(_OF_DATE, (author, date_ms, arrival, count))]
    if len(rows) < count:
        rows += await db.execute_fetchall(_EARLIER, (author, date_ms, count - len(rows)))
    return [
        (Interaction(item, kind, weight_q, ago_ms), said_ms, number)
        for item, kind, weight_q, ago_ms, said_ms, number in rows
    ]

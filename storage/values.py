"""What no node writes: on a page that is sound, and yet not what was written.

SQLite's check looks at the form of pages, and a record's id at its bytes. Nothing covers the other
numbers, nor text, nor the names of tables and columns, which a database holds as text, too. Some
that a flipped bit makes would end every start, or refuse every commit: a weight of a million, an
epoch that no record can have, a number after which there is none, a column of another name, an item
that is no UTF-8. Nor does it follow the indexes: one that leads astray hides rows from those who
delete them, and an entry that cannot be read refuses every commit that passes by.
"""

from pathlib import Path

import aiosqlite

from tastemesh.gossip.record import WEIGHT_SCALE
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.storage.failures import damaged

MAX_ARRIVAL = 1 << 48  # rubbish above it would leave no number for what is still to come
MAX_UNTIL = 1 << 62  # likewise
MAX_DATE_MS = 253_402_300_800_000  # the end of 9999, where dates that can be written out end, too

_IMPOSSIBLE = f"""
SELECT 'the number of a record' WHERE {MAX_ARRIVAL} <= max(
    ifnull((SELECT max(arrival) FROM records), 0), ifnull((SELECT max(seq) FROM sqlite_sequence), 0)
)
UNION ALL SELECT 'a reserved number' WHERE EXISTS (
    SELECT * FROM own_sequences
    WHERE epoch NOT BETWEEN 0 AND {MAX_EPOCH} OR until NOT BETWEEN 1 AND {MAX_UNTIL - 1}
)
UNION ALL SELECT 'a private interaction' WHERE EXISTS (
    SELECT * FROM private_interactions
    WHERE weight_q NOT BETWEEN 1 AND {WEIGHT_SCALE}
        OR wall_ms - ago_ms NOT BETWEEN {1 - MAX_DATE_MS} AND {MAX_DATE_MS - 1}
)
"""  # noqa: S608 (numbers of ours)

_COLUMNS = {
    "records": "arrival, id, author, epoch, seq, created_ms, first_seen_ms, own, statement_count, "
    "envelope",
    "own_sequences": "author, epoch, until",
    "private_interactions": "arrival, author, item, kind, weight_q, ago_ms, wall_ms",
    "meta": "name, value",
    "proofs": "author, proof",
    "lineages": "author, checksum, lineage",
}
# The index of records is followed as they are inspected; here it is only read: 50 ms, and not a
# second, where there are 200,000.
_ENTRIES = """
SELECT count(*) FROM records INDEXED BY sqlite_autoindex_records_1 WHERE length(id) < 32
"""
_INDEXED = ("private_interactions", "proofs", "lineages")

_TEXT = "SELECT item, kind FROM private_interactions"
_TEXT_COUNT = 4_096  # rows at a time: a megabyte of the longest


async def check_values(db: aiosqlite.Connection, path: Path) -> None:
    """Refuse a database with a number, a text or a column that no node writes.

    Args:
        db: the connection.
        path: its file.

    Raises:
        StorageError: there is one, so the database is damaged.
        sqlite3.Error: likewise, of a column, a text or an index.
    """
    for table, columns in _COLUMNS.items():  # read, and not carried out
        marks = ", ".join(["NULL"] * len(columns.split()))
        statement = f"EXPLAIN INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 (ours)
        await db.execute_fetchall(statement)
    for (what,) in await db.execute_fetchall(_IMPOSSIBLE):
        raise damaged(path, f"{what} is not what was written")
    async with db.execute(_TEXT) as rows:
        while await rows.fetchmany(_TEXT_COUNT):
            pass
    await db.execute_fetchall(_ENTRIES)
    for table in _INDEXED:
        ((verdict, *_), *_) = await db.execute_fetchall(f"PRAGMA integrity_check({table})")
        if verdict != "ok":
            raise damaged(path, verdict)


def could_be_reserved(epoch: int, until: int) -> bool:
    """Tell whether a node could have reserved the sequence numbers below `until`."""
    return 0 <= epoch <= MAX_EPOCH and 0 < until < MAX_UNTIL


def could_be_said(weight_q: int, ago_ms: int, wall_ms: int) -> bool:
    """Tell whether a private interaction could have these numbers."""
    return 1 <= weight_q <= WEIGHT_SCALE and abs(wall_ms - ago_ms) < MAX_DATE_MS

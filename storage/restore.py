"""The window read back at start: five scans into the inputs that the core is fed first.

In parts, so that what is read and what is made of it is never in memory all at once. Reading goes
through SQLite's rowid order, so nothing is sorted, and nothing is decoded here: the core decodes
the envelopes, without checking the signatures that it checked on arrival.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain, starmap
from typing import TypeAlias

import aiosqlite

from tastemesh.gossip.inputs import Restored, Stored
from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.record import Interaction
from tastemesh.storage.private import PRIVATE

# Of older versions `own` has what others brought, too; but that was seen after its date.
SAID_HERE = "own AND first_seen_ms = created_ms"
_RECORDS = f"SELECT envelope, first_seen_ms, id, {SAID_HERE} FROM records ORDER BY arrival"  # noqa: S608 (ours)
_SEQUENCES = "SELECT author, epoch, until FROM own_sequences ORDER BY author, epoch"
AGAIN = """
SELECT envelope, first_seen_ms, id, arrival,
    (SELECT found.arrival FROM records AS found WHERE found.id = records.id)
FROM records WHERE arrival > ? ORDER BY arrival LIMIT ?
"""
"""Some records, each with its number and where the index leads to."""

_PART_COUNT = 512  # records: 2 MB where they have 64 statements, 8 MB at their largest

_LINEAGES = "SELECT author, checksum, lineage FROM lineages ORDER BY rowid"
_PROOFS = "SELECT proof FROM proofs ORDER BY rowid"

_Private: TypeAlias = tuple[bytes, Interaction, int]
"""Whose, what, and the wall clock when it was said, ms."""


async def restore(db: aiosqlite.Connection, wall_ms: int) -> AsyncIterator[Restored]:
    """Yield everything that the database holds for the core, a part at a time.

    Records and private interactions come in the order in which the core first had them, as what is
    said of who was first depends on it.

    Args:
        db: the connection; the caller keeps writers away.
        wall_ms: wall clock, handed on unchanged.
    """
    sequences = await db.execute_fetchall(_SEQUENCES)
    proofs = await db.execute_fetchall(_PROOFS)
    lineages = await db.execute_fetchall(_LINEAGES)
    yield Restored(
        records=(),
        sequences=tuple((author, epoch, until) for author, epoch, until in sequences),
        private=(),
        wall_ms=wall_ms,
        proofs=tuple(proof for (proof,) in proofs),
        is_last=False,
        lineages=tuple(starmap(StoredLineage, lineages)),
    )
    private = deque(
        (author, Interaction(item, kind, weight_q, ago_ms), said_ms)
        for author, item, kind, weight_q, ago_ms, said_ms in await db.execute_fetchall(
            f"{PRIVATE} ORDER BY arrival"
        )
    )
    async with db.execute(_RECORDS) as rows:
        while part := tuple(starmap(_stored, await rows.fetchmany(_PART_COUNT))):
            for records, said in _in_order(part, private):
                yield Restored(records, (), said, wall_ms, is_last=False)
    yield Restored(records=(), sequences=(), private=tuple(private), wall_ms=wall_ms)


def _stored(envelope: bytes, first_seen_ms: int, record_id: bytes, said_here: int) -> Stored:
    return Stored(envelope, first_seen_ms, record_id, bool(said_here))


def _in_order(
    records: tuple[Stored, ...], private: deque[_Private]
) -> Iterator[tuple[tuple[Stored, ...], tuple[_Private, ...]]]:
    """Yield some records as they arrived and, behind them, what was said in private next.

    Both have this node's wall clock of that moment. Of one millisecond, what was said in private
    comes first: nobody is credited with what ego may have had before. Where the clock was set back,
    each keeps its own order, and they are out of step by as much for as long.

    Args:
        records: in the order of arrival.
        private: in the order in which it was said; what came before the last record is taken out.
    """
    start = 0
    for at, record in enumerate(records):
        said = []
        while private and private[0][2] <= record.first_seen_ms:
            said.append(private.popleft())
        if said:
            yield records[start:at], tuple(said)
            start = at
    yield records[start:], ()


def joined(parts: Sequence[Restored]) -> Restored:
    """Return the parts of one window as one."""
    return Restored(
        records=tuple(chain.from_iterable(part.records for part in parts)),
        sequences=tuple(chain.from_iterable(part.sequences for part in parts)),
        private=tuple(chain.from_iterable(part.private for part in parts)),
        wall_ms=parts[-1].wall_ms,
        proofs=tuple(chain.from_iterable(part.proofs for part in parts)),
        lineages=tuple(chain.from_iterable(part.lineages for part in parts)),
    )

"""The window read back at start: four scans into the one input that the core is fed first.

Reading goes through SQLite's rowid order, so nothing is sorted, and nothing is decoded here: the
core decodes the envelopes, without checking the signatures that it checked on arrival.
"""

from itertools import starmap

import aiosqlite

from tastemesh.gossip.inputs import Restored, Stored
from tastemesh.gossip.record import Interaction

_RECORDS = "SELECT envelope, first_seen_ms FROM records ORDER BY arrival"
_SEQUENCES = "SELECT author, epoch, until FROM own_sequences ORDER BY author, epoch"
PRIVATE = "SELECT author, item, kind, weight_q, ago_ms, wall_ms FROM private_interactions"

_PROOFS = "SELECT proof FROM proofs ORDER BY rowid"


async def restore(db: aiosqlite.Connection, wall_ms: int) -> Restored:
    """Return everything that the database holds for the core.

    Args:
        db: the connection; the caller keeps writers away.
        wall_ms: wall clock, handed on unchanged.
    """
    records = await db.execute_fetchall(_RECORDS)
    sequences = await db.execute_fetchall(_SEQUENCES)
    private = await db.execute_fetchall(f"{PRIVATE} ORDER BY arrival")
    return Restored(
        records=tuple(starmap(Stored, records)),
        sequences=tuple((author, epoch, until) for author, epoch, until in sequences),
        private=tuple(
            (author, Interaction(item, kind, weight_q, ago_ms), said_ms)
            for author, item, kind, weight_q, ago_ms, said_ms in private
        ),
        wall_ms=wall_ms,
        proofs=tuple(proof for (proof,) in await db.execute_fetchall(_PROOFS)),
    )

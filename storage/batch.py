"""A batch of effects folded into the rows of one transaction.

The core's effects come in order, often one `Evict` behind every `Persist` once the window is full;
executed as they come, each would be a statement of its own. Folding them gives eight `executemany`
at most beside those for private interactions, which stay in order since they are few, and the same
result as one by one (tests/storage/test_batch.py holds that): evictions
first, then what is left to insert. Deleting first also means that a window at its disk bound reuses
the freed pages, and a record that came and went within the batch is never written.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import assert_never

import msgspec

from tastemesh.gossip.effects import (
    DropLineage,
    DropProof,
    Evict,
    EvictReason,
    Persist,
    PersistLineage,
    PersistPrivate,
    PersistProof,
    PurgePrivate,
    ReserveSequence,
    TrimPrivate,
)
from tastemesh.gossip.lineage import StoredLineage

StorageEffect = (
    Persist
    | PersistPrivate
    | PersistProof
    | DropProof
    | PersistLineage
    | DropLineage
    | PurgePrivate
    | TrimPrivate
    | ReserveSequence
    | Evict
)
"""The effects that a store carries out."""

STORED = (
    Persist,
    PersistPrivate,
    PersistProof,
    DropProof,
    PersistLineage,
    DropLineage,
    PurgePrivate,
    TrimPrivate,
    ReserveSequence,
    Evict,
)
"""The same for `isinstance`."""

_Value = bytes | str | int | None

_EVICT = "DELETE FROM records WHERE id = ?"
_PERSIST = """
INSERT INTO records
    (id, author, epoch, seq, created_ms, first_seen_ms, own, statement_count, envelope)
VALUES {}
ON CONFLICT (id) DO NOTHING
"""
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PERSIST_ONE = _PERSIST.format(_ROW)

# Records to a statement. SQLite lets go of the interpreter's lock once a statement, and a thread
# that is busy with signatures takes milliseconds to give it back: row by row, a commit would wait
# for it as often as it has rows.
_PERSIST_COUNT = 64
_PERSIST_MANY = _PERSIST.format(", ".join([_ROW] * _PERSIST_COUNT))
_PERSIST_PRIVATE = """
INSERT INTO private_interactions (author, item, kind, weight_q, ago_ms, wall_ms)
VALUES (?, ?, ?, ?, ?, ?)
"""
_PURGE_PRIVATE = "DELETE FROM private_interactions WHERE author = ? AND (item = ? OR ? IS NULL)"
_TRIM_PRIVATE = """
DELETE FROM private_interactions WHERE author = ? AND arrival NOT IN (
    SELECT arrival FROM private_interactions WHERE author = ?
    ORDER BY wall_ms - ago_ms DESC, arrival DESC LIMIT ?
)
"""  # not ?1 and ?2, at which Python 3.12 warns
_LET_OFF = "DELETE FROM proofs WHERE author = ?"
_PERSIST_PROOF = "INSERT OR REPLACE INTO proofs (author, proof) VALUES (?, ?)"
_FORGET_LINEAGE = "DELETE FROM lineages WHERE author = ?"
_PERSIST_LINEAGE = "INSERT OR REPLACE INTO lineages (author, checksum, lineage) VALUES (?, ?, ?)"
_RESERVE = """
INSERT INTO own_sequences (author, epoch, until) VALUES (?, ?, ?)
ON CONFLICT (author, epoch) DO UPDATE SET until = max(until, excluded.until)
"""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction writes.

    Attributes:
        evicted: ids to delete, before anything is inserted.
        records: what to insert where the id is not known yet, in order of arrival, by id.
        private: what becomes of interactions that stay on this node: statements with their rows,
            in order. These are a user's own and few.
        sequences: highest reservation by (author, epoch).
        let_off: authors whose proofs go.
        proofs: proof by author.
        forgotten: authors whose rotations go.
        lineages: rotations by author.
        forgets: whether something goes because its author took it back: it must leave no trace in
            the file.
        mends: whether a row goes because it was altered on the disk: the index may not find it.
    """

    evicted: dict[bytes, None]
    records: dict[bytes, Persist]
    private: list[tuple[str, list[tuple[_Value, ...]]]]
    sequences: dict[tuple[bytes, int], int]
    let_off: dict[bytes, None]
    proofs: dict[bytes, bytes]
    forgotten: dict[bytes, None]
    lineages: dict[bytes, StoredLineage]
    forgets: bool = False
    mends: bool = False

    @property
    def durable(self) -> bool:
        """Whether it holds what no other node could give back after power loss."""
        return bool(
            self.private
            or self.sequences
            or self.forgets
            or any(each.own for each in self.records.values())
        )

    def add_private(self, statement: str, row: tuple[_Value, ...]) -> None:
        """Add a change of private interactions behind those before it."""
        if not self.private or self.private[-1][0] != statement:
            self.private.append((statement, []))
        self.private[-1][1].append(row)

    def withhold(self, purged: PurgePrivate) -> None:
        """Take out what was to be inserted and is purged within the batch: it is never written.

        But for what a trim in between has counted.
        """
        for statement, rows in reversed(self.private):
            if statement == _TRIM_PRIVATE:
                break
            if statement == _PERSIST_PRIVATE:
                rows[:] = [
                    row
                    for row in rows
                    if row[0] != purged.author or purged.item not in (None, row[1])
                ]

    def statements(self) -> Iterator[tuple[str, list[tuple[_Value, ...]]]]:
        """Yield each SQL statement with its rows, in the order in which to execute them."""
        if self.evicted:
            yield _EVICT, [(record_id,) for record_id in self.evicted]
        if self.records:
            yield from _insertions([_row(each) for each in self.records.values()])
        yield from self.private
        if self.sequences:
            yield _RESERVE, [(*key, until) for key, until in self.sequences.items()]
        if self.let_off:
            yield _LET_OFF, [(author,) for author in self.let_off]
        if self.proofs:
            yield _PERSIST_PROOF, list(self.proofs.items())
        if self.forgotten:
            yield _FORGET_LINEAGE, [(author,) for author in self.forgotten]
        if self.lineages:
            lineages = self.lineages.values()
            yield (
                _PERSIST_LINEAGE,
                [(each.author, each.checksum, each.lineage) for each in lineages],
            )


def fold(changes: Sequence[StorageEffect]) -> Batch:
    """Return the batch that has the same result as `changes` one after the other."""
    batch = Batch(
        evicted={},
        records={},
        private=[],
        sequences={},
        let_off={},
        proofs={},
        forgotten={},
        lineages={},
    )
    forgets = mends = False
    for change in changes:
        match change:
            case Persist():
                batch.records.setdefault(change.record.id, change)
            case Evict(reason=EvictReason.SET_ASIDE):
                pass
            case Evict():
                for record_id in change.record_ids:
                    batch.records.pop(record_id, None)
                    batch.evicted[record_id] = None
                forgets |= change.reason is EvictReason.FORGOTTEN and bool(change.record_ids)
                mends |= change.reason is EvictReason.DAMAGED
            case PersistPrivate():
                batch.add_private(_PERSIST_PRIVATE, _private_row(change))
            case PurgePrivate():
                batch.withhold(change)
                batch.add_private(_PURGE_PRIVATE, (change.author, change.item, change.item))
                forgets = True
            case TrimPrivate():
                batch.add_private(_TRIM_PRIVATE, (change.author, change.author, change.keep))
            case PersistProof():
                batch.proofs.pop(change.let_off, None)
                batch.let_off[change.let_off] = None
                batch.let_off.pop(change.author, None)
                batch.proofs[change.author] = change.proof
            case DropProof():
                batch.proofs.pop(change.author, None)
                batch.let_off[change.author] = None
            case PersistLineage(known=known):
                batch.lineages.pop(change.let_off, None)
                batch.forgotten[change.let_off] = None
                batch.forgotten.pop(known.author, None)
                batch.lineages[known.author] = known
            case DropLineage():
                batch.lineages.pop(change.author, None)
                batch.forgotten[change.author] = None
            case ReserveSequence():
                key = (change.author, change.epoch)
                batch.sequences[key] = max(change.until, batch.sequences.get(key, change.until))
            case _:
                assert_never(change)
    batch.let_off.pop(b"", None)
    batch.forgotten.pop(b"", None)
    return msgspec.structs.replace(batch, forgets=forgets, mends=mends)


def _insertions(
    rows: list[tuple[_Value, ...]],
) -> Iterator[tuple[str, list[tuple[_Value, ...]]]]:
    """Yield the statements that insert these records."""
    whole = len(rows) - len(rows) % _PERSIST_COUNT
    if whole:
        starts = range(0, whole, _PERSIST_COUNT)
        yield (
            _PERSIST_MANY,
            [tuple(chain.from_iterable(rows[at : at + _PERSIST_COUNT])) for at in starts],
        )
    if whole < len(rows):
        yield _PERSIST_ONE, rows[whole:]


def _row(change: Persist) -> tuple[_Value, ...]:
    record = change.record
    return (
        record.id,
        record.author,
        record.epoch,
        record.seq,
        record.created_ms,
        change.first_seen_ms,
        int(change.own),
        len(record.statements),
        record.envelope,
    )


def _private_row(change: PersistPrivate) -> tuple[_Value, ...]:
    said = change.interaction
    return (change.author, said.item, said.kind, said.weight_q, said.ago_ms, change.wall_ms)

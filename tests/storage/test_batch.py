"""Folding a batch gives what its effects give one after the other."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
from tastemesh.gossip.record import Interaction, Record
from tastemesh.storage.batch import StorageEffect, fold
from tastemesh.storage.migrations import shipped_migrations

# Few values, so that effects of one batch meet.
ids = st.sampled_from([bytes([n]) * 32 for n in range(5)])
numbers = st.integers(0, 3)
records = st.builds(
    Record,
    id=ids,
    author=ids,
    epoch=numbers,
    seq=numbers,
    prev=st.just(b""),
    created_ms=numbers,
    statements=st.just(()),
    envelope=st.binary(max_size=4),
)
effects = st.one_of(
    st.builds(Persist, record=records, first_seen_ms=numbers, own=st.booleans()),
    st.builds(
        Evict, record_ids=st.lists(ids, max_size=3).map(tuple), reason=st.sampled_from(EvictReason)
    ),
    st.builds(ReserveSequence, author=ids, epoch=numbers, until=numbers),
    st.builds(
        PersistPrivate,
        author=ids,
        interaction=st.builds(
            Interaction, item=st.text("ab", max_size=1), kind=st.just("like"), weight_q=numbers
        ),
        wall_ms=numbers,
    ),
    st.builds(PurgePrivate, author=ids, item=st.one_of(st.none(), st.text("ab", max_size=1))),
    st.builds(TrimPrivate, author=ids, keep=st.integers(0, 3)),
    st.builds(PersistProof, author=ids, proof=st.binary(max_size=2), let_off=ids),
    st.builds(DropProof, author=ids),
    st.builds(
        PersistLineage,
        known=st.builds(StoredLineage, author=ids, checksum=numbers, lineage=st.just(b"x")),
        let_off=ids,
    ),
    st.builds(DropLineage, author=ids),
)
batches = st.lists(effects, max_size=12)


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as db:
        for step in shipped_migrations():
            db.executescript(step.sql)
        yield db


def write(db: sqlite3.Connection, changes: list[StorageEffect]) -> None:
    for statement, rows in fold(changes).statements():
        db.executemany(statement, rows)


def contents(db: sqlite3.Connection) -> list[list[tuple[Any, ...]]]:
    """All rows in order; arrival numbers themselves may differ, their order may not."""
    return [
        [row[1:] for row in db.execute("SELECT * FROM records ORDER BY arrival")],
        [row[1:] for row in db.execute("SELECT * FROM private_interactions ORDER BY arrival")],
        db.execute("SELECT * FROM own_sequences ORDER BY author, epoch").fetchall(),
        db.execute("SELECT author, proof FROM proofs ORDER BY author").fetchall(),
        db.execute("SELECT * FROM lineages ORDER BY author").fetchall(),
    ]


@given(before=batches, batch=batches)
def test_a_batch_is_its_effects_one_after_the_other(
    before: list[StorageEffect], batch: list[StorageEffect]
) -> None:
    with database() as together, database() as singly:
        write(together, before)
        write(together, batch)
        for effect in (*before, *batch):
            write(singly, [effect])
        assert contents(together) == contents(singly)


@given(batches)
def test_a_batch_takes_few_statements(batch: list[StorageEffect]) -> None:
    of_private = len(fold(batch).private)
    assert len(list(fold(batch).statements())) <= 8 + of_private
    others = [each for each in batch if not isinstance(each, PurgePrivate | TrimPrivate)]
    assert len(fold(others).private) <= 1


@given(batches)
def test_durable_is_what_no_other_node_has(batch: list[StorageEffect]) -> None:
    kept: dict[bytes, bool] = {}
    for effect in batch:
        if isinstance(effect, Persist):
            kept.setdefault(effect.record.id, effect.own)
        elif isinstance(effect, Evict) and effect.reason is not EvictReason.SET_ASIDE:
            for record_id in effect.record_ids:
                kept.pop(record_id, None)
    own = any(kept.values())
    local = any(
        isinstance(effect, PersistPrivate | PurgePrivate | TrimPrivate | ReserveSequence)
        for effect in batch
    )
    local |= any(
        isinstance(effect, Evict) and effect.record_ids and effect.reason is EvictReason.FORGOTTEN
        for effect in batch
    )
    assert fold(batch).durable == (own or local)

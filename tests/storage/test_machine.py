"""Any sequence of batches, restarts and crashes, against a dictionary."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tastemesh.gossip.effects import Evict, EvictReason, Persist, PersistPrivate, ReserveSequence
from tastemesh.gossip.inputs import Restored, Stored
from tastemesh.gossip.record import Interaction, Record
from tastemesh.gossip.statements import MAX_EPOCH
from tastemesh.storage.batch import StorageEffect
from tastemesh.storage.store import Store

# Few ids, so that batches meet; every other value from its whole range.
ids = st.sampled_from([bytes([n]) * 32 for n in range(12)])
int64s = st.integers(0, 2**63 - 1)
epochs = st.integers(0, MAX_EPOCH)
persists = st.builds(
    Persist,
    record=st.builds(
        Record,
        id=ids,
        author=st.binary(min_size=32, max_size=32),
        epoch=epochs,
        seq=int64s,
        prev=st.just(b""),
        created_ms=int64s,
        statements=st.just(()),
        envelope=st.binary(max_size=64) | st.binary(min_size=5_000, max_size=6_000),
    ),
    first_seen_ms=int64s,
    own=st.booleans(),
)
evicts = st.builds(
    Evict, record_ids=st.lists(ids, max_size=4).map(tuple), reason=st.sampled_from(EvictReason)
)
reservations = st.builds(ReserveSequence, author=ids, epoch=epochs, until=int64s)
privates = st.builds(
    PersistPrivate,
    author=ids,
    interaction=st.builds(
        Interaction,
        item=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        kind=st.text("abc-9", max_size=5),
        weight_q=st.integers(1, 10_000),
        ago_ms=int64s,
    ),
    wall_ms=int64s,
)
batches = st.lists(st.one_of(persists, persists, evicts, reservations, privates), max_size=8)


class Model:
    """What the store should hold, kept the plainest way: effect by effect."""

    def __init__(self) -> None:
        self.records: dict[bytes, Stored] = {}
        self.sequences: dict[tuple[bytes, int], int] = {}
        self.private: list[tuple[bytes, Interaction, int]] = []

    def apply(self, change: StorageEffect) -> None:
        match change:
            case Persist():
                record, seen_ms = change.record, change.first_seen_ms
                said_here = change.own and seen_ms == record.created_ms
                stored = Stored(record.envelope, seen_ms, record.id, said_here)
                self.records.setdefault(record.id, stored)
            case Evict() if change.reason is not EvictReason.SET_ASIDE:
                for record_id in change.record_ids:
                    self.records.pop(record_id, None)
            case ReserveSequence():
                key = (change.author, change.epoch)
                self.sequences[key] = max(change.until, self.sequences.get(key, 0))
            case PersistPrivate():
                self.private.append((change.author, change.interaction, change.wall_ms))

    def restored(self) -> Restored:
        return Restored(
            records=tuple(self.records.values()),
            sequences=tuple((*key, self.sequences[key]) for key in sorted(self.sequences)),
            private=tuple(self.private),
            wall_ms=0,
        )


class StoreMachine(RuleBasedStateMachine):
    """The store beside its model; each crash goes on from a copy of the files."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.life = 0
        self.model = Model()

    @property
    def path(self) -> Path:
        return Path(self.folder.name) / str(self.life) / "window.db"

    def _open(self) -> None:
        self.store = self.runner.run(Store.open(self.path))

    @initialize()
    def begin(self) -> None:
        self.path.parent.mkdir()
        self._open()

    @rule(batch=batches)
    def commit(self, batch: list[StorageEffect]) -> None:
        self.runner.run(self.store.commit(batch))
        for change in batch:
            self.model.apply(change)

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.store.close())
        self._open()

    @rule()
    def crash(self) -> None:
        """The files as they are now, without whatever closing would have done to them."""
        before = self.path.parent
        self.life += 1
        shutil.copytree(before, self.path.parent)
        self.runner.run(self.store.close())
        self._open()

    @rule()
    def move_to_a_backup(self) -> None:
        self.life += 1
        self.path.parent.mkdir()
        self.runner.run(self.store.backup(self.path))
        self.runner.run(self.store.close())
        self._open()

    @rule()
    def vacuum(self) -> None:
        self.runner.run(self.store.vacuum_step())
        assert self.runner.run(self.store.statistics()).free_page_count == 0

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        if hasattr(self, "store"):
            assert self.runner.run(self.store.load(0)) == self.model.restored()

    @rule(asked=st.lists(ids, max_size=6))
    def fetch(self, asked: list[bytes]) -> None:
        held = self.model.records
        expected = tuple(held[each].envelope for each in asked if each in held)
        assert self.runner.run(self.store.fetch(asked)) == expected

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)

"""A node in the simulator: the daemon's core, with a dictionary for a disk."""

from collections import Counter
from typing import Protocol

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.lineage import StoredLineage
from tastemesh.gossip.record import Interaction, Record
from tastemesh.node.core import Core
from tastemesh.sim.brokers import Broker
from tastemesh.sim.holdings import Holdings, Shelf

INTRUDERS = 1 << 24
"""The number of the first hostile station; nodes are numbered from 0."""


class MemoryStore:
    """What the daemon's SQLite file does, in memory: the storage effects and the way back.

    Args:
        shelf: where its records are counted, if anywhere.
    """

    __slots__ = ("_lineages", "_private", "_proofs", "_records", "_sequences", "_shelf")

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf
        # With the wall clock of its arrival: the record itself all nodes share.
        self._records: dict[bytes, tuple[Record, int]] = {}
        self._sequences: dict[tuple[bytes, int], int] = {}
        self._private: list[tuple[bytes, Interaction, int]] = []
        self._proofs: dict[bytes, bytes] = {}
        self._lineages: dict[bytes, StoredLineage] = {}

    def __len__(self) -> int:
        return len(self._records)

    def commit(self, change: Effect) -> None:
        """Carry out a storage effect; other effects are none of its business."""
        match change:
            case effects.Persist():  # the commonest by far
                record = change.record
                if record.id not in self._records:
                    self._records[record.id] = (record, change.first_seen_ms)
                    if self._shelf is not None:
                        self._shelf.put(record)
            case effects.Accepted() | effects.PeerSeen():  # as common, and nothing to a store
                pass
            case effects.Evict(reason=EvictReason.SET_ASIDE):
                pass
            case effects.Evict():
                for record_id in change.record_ids:
                    held = self._records.pop(record_id, None)
                    if held is not None and self._shelf is not None:
                        self._shelf.take(held[0])
            case effects.PersistPrivate():
                self._private.append((change.author, change.interaction, change.wall_ms))
            case effects.PurgePrivate():
                self._private = [
                    row
                    for row in self._private
                    if row[0] != change.author or change.item not in (None, row[1].item)
                ]
            case effects.TrimPrivate():
                own = sorted(
                    (row[2] - row[1].ago_ms, place)
                    for place, row in enumerate(self._private)
                    if row[0] == change.author
                )
                gone = {place for _, place in own[: max(0, len(own) - change.keep)]}
                self._private = [row for n, row in enumerate(self._private) if n not in gone]
            case effects.PersistProof():
                self._proofs.pop(change.let_off, None)
                self._proofs[change.author] = change.proof
            case effects.DropProof():
                self._proofs.pop(change.author, None)
            case effects.PersistLineage():
                self._lineages.pop(change.let_off, None)
                self._lineages[change.known.author] = change.known
            case effects.DropLineage():
                self._lineages.pop(change.author, None)
            case effects.ReserveSequence():
                self._sequences[change.author, change.epoch] = change.until

    def fetch(self, record_ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return the envelopes that are still there, in the order asked."""
        return tuple(self._records[i][0].envelope for i in record_ids if i in self._records)

    def load(self, wall_ms: int) -> inputs.Restored:
        """Return everything, as at the daemon's start."""
        return inputs.Restored(
            tuple(
                inputs.Stored(record.envelope, first_seen_ms, record.id)
                for record, first_seen_ms in self._records.values()
            ),
            tuple((author, epoch, until) for (author, epoch), until in self._sequences.items()),
            tuple(self._private),
            wall_ms,
            tuple(self._proofs.values()),
            lineages=tuple(self._lineages.values()),
        )


class Handler(Protocol):
    """Whatever takes inputs and orders effects: a core, or an intruder's program."""

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        """Take one input and return what is to be done, in order."""


class Station:
    """Whatever is connected to brokers.

    Args:
        name: for traces and reports.
        handler: what it does; None where it lives in another process (`tastemesh.sim.company`),
            and this one only knows that it is there.
        skew_ms: how far its wall clock is off.
        number: its place among the simulation's stations.
        brokers: those that it is connected to.
    """

    __slots__ = (
        "alive", "brokers", "connected", "filters", "handle", "life", "name", "number",
        "received_bytes", "sent_bytes", "skew_ms",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        handler: Handler | None,
        skew_ms: int,
        number: int,
        brokers: tuple[Broker, ...],
    ) -> None:
        self.name = name
        self.handle = handler.handle if handler else None
        self.skew_ms = skew_ms
        self.number = number
        self.brokers = brokers
        self.filters: tuple[str, ...] = ()
        self.alive = False  # until it starts
        self.connected = True
        self.life = 0  # how often it came back from a crash
        self.sent_bytes = 0
        self.received_bytes = 0

    def commit(self, change: Effect) -> None:
        """Carry out a storage effect: there is no store."""

    def fetch(self, record_ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return what the store has of these records: there is no store."""
        return ()


class Peer(Station):
    """One simulated node: a station with a core and a store.

    Args:
        name: for traces and reports.
        core: the peer itself.
        skew_ms: how far its wall clock is off.
        number: its place among the simulation's nodes.
        brokers: those that it is connected to.
        holdings: where its records are counted with those of others; None for nowhere.
    """

    __slots__ = ("_rejected_before", "core", "shelf", "store")

    def __init__(
        self,
        name: str,
        core: Core,
        skew_ms: int = 0,
        number: int = 0,
        brokers: tuple[Broker, ...] = (),
        holdings: Holdings | None = None,
    ) -> None:
        super().__init__(name, core, skew_ms, number, brokers)
        self.core = core
        self.shelf = Shelf(holdings or Holdings(), core.engine.authorship.authors)
        """How many records it holds."""
        self.store = MemoryStore(self.shelf)
        self._rejected_before: Counter[str] = Counter()

    @property
    def rejected(self) -> Counter[str]:
        """What it refused, by reason, in all its lives."""
        rejected = self.core.engine.rejected
        return self._rejected_before + rejected if self._rejected_before else rejected

    def come_back(self, core: Core) -> None:
        """Live again after a crash, as a fresh core with the same store."""
        self._rejected_before.update(self.core.engine.rejected)
        self.core, self.handle = core, core.handle
        self.life += 1

    def commit(self, change: Effect) -> None:
        """Carry out a storage effect."""
        self.store.commit(change)

    def fetch(self, record_ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return what the store has of these records."""
        return self.store.fetch(record_ids)

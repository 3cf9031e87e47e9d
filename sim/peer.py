"""A node in the simulator: the daemon's core, with a dictionary for a disk."""

from collections.abc import ItemsView

from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.record import Interaction
from tastemesh.node.core import Core


class MemoryStore:
    """What the daemon's SQLite file does, in memory: the storage effects and the way back."""

    def __init__(self) -> None:
        self._records: dict[bytes, inputs.Stored] = {}
        self._authors: dict[bytes, bytes] = {}
        self._sequences: dict[tuple[bytes, int], int] = {}
        self._private: list[tuple[bytes, Interaction, int]] = []
        self._proofs: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._records)

    @property
    def record_ids(self) -> tuple[bytes, ...]:
        """Ids of the records held, oldest arrival first."""
        return tuple(self._records)

    def authors(self) -> ItemsView[bytes, bytes]:
        """Return (record id, author) of the records held."""
        return self._authors.items()

    def commit(self, change: Effect) -> None:
        """Carry out a storage effect; other effects are none of its business."""
        match change:
            case effects.Persist():
                self._records.setdefault(
                    change.record.id, inputs.Stored(change.record.envelope, change.first_seen_ms)
                )
                self._authors[change.record.id] = change.record.author
            case effects.Evict():
                for record_id in change.record_ids:
                    self._records.pop(record_id, None)
                    self._authors.pop(record_id, None)
            case effects.PersistPrivate():
                self._private.append((change.author, change.interaction, change.wall_ms))
            case effects.PurgePrivate():
                self._private = [
                    row
                    for row in self._private
                    if row[0] != change.author or change.item not in (None, row[1].item)
                ]
            case effects.PersistProof():
                self._proofs.pop(change.let_off, None)
                self._proofs[change.author] = change.proof
            case effects.ReserveSequence():
                self._sequences[change.author, change.epoch] = change.until

    def fetch(self, record_ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return the envelopes that are still there, in the order asked."""
        return tuple(self._records[i].envelope for i in record_ids if i in self._records)

    def load(self, wall_ms: int) -> inputs.Restored:
        """Return everything, as at the daemon's start."""
        return inputs.Restored(
            tuple(self._records.values()),
            tuple((author, epoch, until) for (author, epoch), until in self._sequences.items()),
            tuple(self._private),
            wall_ms,
            tuple(self._proofs.values()),
        )


class Peer:
    """One simulated node.

    Args:
        name: for traces and reports.
        core: the peer itself.
        skew_ms: how far its wall clock is off.
        number: its place among the simulation's nodes.
    """

    def __init__(self, name: str, core: Core, skew_ms: int = 0, number: int = 0) -> None:
        self.name = name
        self.number = number
        self.core = core
        self.skew_ms = skew_ms
        self.store = MemoryStore()
        self.filters: tuple[str, ...] = ()
        self.alive = True
        self.connected = True
        self.life = 0  # how often it came back from a crash
        self.sent_bytes = 0
        self.received_bytes = 0

"""What a window is made of: entries, an author's shelf of them, and queues of what leaves next."""

import heapq
from enum import IntEnum

import msgspec

Slot = tuple[int, int]
"""(epoch, seq)."""

Key = tuple[int, Slot, bytes]
"""(clamped date in ms, slot, record id): records leave in this order."""


class Kind(IntEnum):
    """Which of its author's quotas a record counts for, with all that it says."""

    INTERACTIONS = 0  # and whatever is none of the others
    ENDORSEMENTS = 1  # of endorsements alone
    # With a forget or a rotation: whether one is in force must not depend on what it takes back.
    NOTICES = 2


class Entry(msgspec.Struct, gc=False):
    """One record; without the search for cycles, as there is no way round in it."""

    key: Key
    date_ms: int  # of the key, before it was set back
    created_ms: int
    author: bytes
    slot: Slot
    kind: Kind
    weight: int  # in the quota
    statements: int  # in the window, padding included
    reached: bool

    @property
    def lasts(self) -> bool:
        """Whether it is one of endorsements alone."""
        return self.kind is Kind.ENDORSEMENTS


class Shelf(msgspec.Struct):
    """One author's records, oldest key first."""

    keys: list[Key]
    slots: dict[Slot, bytes]
    weights: list[int]  # by kind
    left_out: bool = False  # for a quota, since room was last made by anything else


class Queue(msgspec.Struct):
    """Keys in the order in which they leave."""

    # A heap; a key that is no entry's, or of another queue, stays until it is at the top.
    heap: list[Key] = msgspec.field(default_factory=list)
    new: list[Key] = msgspec.field(default_factory=list)  # not on the heap before somebody asks

    def heaped(self) -> list[Key]:
        """Return the heap with all keys on it."""
        if len(self.new) > len(self.heap):  # as after a start
            self.heap += self.new
            heapq.heapify(self.heap)
        else:
            for key in self.new:
                heapq.heappush(self.heap, key)
        self.new.clear()
        return self.heap


class Side(msgspec.Struct):
    """The records of those whom trust reaches, or of all others."""

    count: int = 0  # statements
    left: int = 0  # records that have left for the other side since its queues were made
    # What ages with the window, and what lasts.
    queues: tuple[Queue, Queue] = msgspec.field(default_factory=lambda: (Queue(), Queue()))

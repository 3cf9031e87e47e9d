"""Which of all records leaves next, where a window is full or they grow old.

In a full window, authors whom trust does not reach lose their oldest, while together they hold more
than their share (1 - `Limits.reserved_share`); otherwise authors whom it does reach lose theirs. So
records stand in four queues: on the side of those whom trust reaches or of all others, and there
with what ages with the window or with what lasts (`Entry.lasts`).

A key that is out of date stays in its queue until it comes to its top, or until queues are made
anew as too many have gathered. Costs: O(log n) a record that comes or leaves.
"""

import heapq
from collections.abc import Mapping

import msgspec

from tastemesh.gossip.limits import Limits
from tastemesh.gossip.shelves import Entry, Key

_NEVER: Key = (1 << 63, (0, 0), b"")
# Where more than one record in so many changes sides, heaps are made anew: to take its key off one
# and put it on the other costs some times as much a record (guess).
_MOVED_SHARE = 16
# The same step by step: what they leave behind takes as long to pop as heaps to make (measured).
_LEFT_SHARE = 4


class _Queue(msgspec.Struct):
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


class _Side(msgspec.Struct):
    """The records of those whom trust reaches, or of all others."""

    count: int = 0  # statements
    left: int = 0  # records that have left for the other side since its queues were made
    # What ages with the window, and what lasts.
    queues: tuple[_Queue, _Queue] = msgspec.field(default_factory=lambda: (_Queue(), _Queue()))


class Departures:
    """The order in which a window's records leave.

    Args:
        entries: the window's, by record id; it puts them in before `add`, and takes them out before
            `remove`.
        limits: the local limits.
    """

    __slots__ = ("_entries", "_limits", "_sides")

    def __init__(self, entries: Mapping[bytes, Entry], limits: Limits) -> None:
        self._entries = entries
        self._limits = limits
        self._sides = _Side(), _Side()  # by whether trust reaches the author

    @property
    def statement_count(self) -> int:
        """Statements in all records."""
        others, reached = self._sides
        return others.count + reached.count

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        side = self._sides[entry.reached]
        side.count += entry.statements
        side.queues[entry.lasts].new.append(entry.key)

    def remove(self, entry: Entry) -> None:
        """Let go of an entry."""
        self._sides[entry.reached].count -= entry.statements
        self.shed_stale(entry.reached)

    def date_anew(self, entry: Entry) -> None:
        """Take in an entry's new key; `shed_stale` is for when all have theirs."""
        self._queue(entry).new.append(entry.key)

    def change_side(self, entry: Entry, is_reached: bool) -> None:
        """Take in whether trust reaches an entry's author; `settle` is for when all are told."""
        self._sides[not is_reached].count -= entry.statements
        entry.reached = is_reached
        self._sides[is_reached].count += entry.statements
        self._queue(entry).new.append(entry.key)

    def settle(self, moved_count: int, is_reached: bool) -> None:
        """Make queues anew where that costs less than what has changed sides.

        Args:
            moved_count: records that have come to a side.
            is_reached: which.
        """
        old = self._sides[not is_reached]
        old.left += moved_count
        if old.left > len(self._entries) // _LEFT_SHARE:
            self._rebuild(not is_reached)
        if moved_count > len(self._entries) // _MOVED_SHARE:
            self._rebuild(is_reached)

    def first(self, reached: bool, lasts: bool) -> Key | None:
        """Return the oldest key of a queue; None where it is empty."""
        queue, entries = self._sides[reached].queues[lasts], self._entries
        heap = queue.heaped() if queue.new else queue.heap
        while heap:
            key = heap[0]
            entry = entries.get(key[-1])
            if entry is not None and entry.key == key and entry.reached == reached:
                return key  # whether it lasts never changes
            heapq.heappop(heap)
        return None

    def next(self) -> Key:
        """Return the key of what leaves next for want of room; something must be held."""
        others, reached = self._sides
        return self._oldest(self._side_to_shrink(others.count, reached.count))

    def fits(self, entry: Entry) -> bool:
        """Tell whether a full window lets enough go before an entry, which is not in it yet."""
        counts = [side.count for side in self._sides]
        counts[entry.reached] += entry.statements
        leaving: list[Entry] = []
        fits = True
        while fits and sum(counts) > self._limits.window_statement_count:
            side = self._side_to_shrink(*counts)
            before = counts[side] - (entry.statements if side == entry.reached else 0)
            fits = before > 0 and (side != entry.reached or self._oldest(side) < entry.key)
            if fits:
                older = self._entries[self._oldest(side)[-1]]
                heapq.heappop(self._queue(older).heap)
                if leaving[-1:] != [older]:  # it stands twice after it has changed sides twice
                    leaving.append(older)
                    counts[side] -= older.statements
        for older in leaving:
            self._queue(older).new.append(older.key)
        return fits

    def shed_stale(self, reached: bool) -> None:
        """Rebuild heaps once they are a quarter longer than the window: 4 steps a key."""
        side = self._sides[reached]
        passing, lasting = side.queues
        count = len(passing.heap) + len(passing.new) + len(lasting.heap) + len(lasting.new)
        if count > len(self._entries) * 5 // 4 + 64:
            self._rebuild(reached)

    def _side_to_shrink(self, unreached: int, reached: int) -> bool:
        """Return which side must give way: False (not reached) while it is over its share."""
        share = (1.0 - self._limits.reserved_share) * self._limits.window_statement_count
        return not (unreached > share or (unreached and not reached))

    def _queue(self, entry: Entry) -> _Queue:
        return self._sides[entry.reached].queues[entry.lasts]

    def _oldest(self, reached: bool) -> Key:
        """Return the oldest key on one side, which must not be empty."""
        passing, lasting = self.first(reached, False), self.first(reached, True)
        if passing is None or lasting is None:
            return passing or lasting or _NEVER
        return min(passing, lasting)

    def _rebuild(self, reached: bool) -> None:
        """Make the heaps of one side anew from what it holds."""
        mine = [entry for entry in self._entries.values() if entry.reached == reached]
        passing = _Queue([entry.key for entry in mine if not entry.lasts])
        lasting = _Queue([entry.key for entry in mine if entry.lasts])
        side = self._sides[reached]
        side.queues, side.left = (passing, lasting), 0
        for queue in side.queues:
            heapq.heapify(queue.heap)

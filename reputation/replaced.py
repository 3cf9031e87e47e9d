"""Statements that a later one stands in place of, for as long as both are held.

Only the latest of what an author says of somebody counts. But it may leave first, taken back by its
author or voided with a stolen key, and then the one before it counts again: a graph is to follow
from what is held, and not from what once was.
"""

from collections.abc import Callable

Order = tuple[int, int, int]  # (epoch, seq, position)


class Replaced:
    """What was replaced, by the slot of the statement that counts.

    Args:
        limit: statements kept in all; beyond it those that come are not.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._of: dict[int, dict[Order, int]] = {}

    def add(self, slot: int, order: Order, units: int) -> None:
        """Keep a statement; of two with one order the lower."""
        before = self._of.get(slot, {}).get(order)
        if before is None:
            if self._count >= self._limit:
                return
            self._count += 1
        self._of.setdefault(slot, {})[order] = units if before is None else min(units, before)

    def drop_where(self, slot: int, wanted: Callable[[Order], bool]) -> int:
        """Let some go; return how many."""
        held = self._of.get(slot)
        if held is None:  # as nearly always
            return 0
        gone = [order for order in held if wanted(order)]
        for order in gone:
            self._take(slot, order)
        return len(gone)

    def pop_latest(self, slot: int) -> tuple[Order, int] | None:
        """Take out and return the latest, if there is any."""
        held = self._of.get(slot)
        if held is None:
            return None
        latest = max(held)
        return latest, self._take(slot, latest)

    def _take(self, slot: int, order: Order) -> int:
        units = self._of[slot].pop(order)
        self._count -= 1
        if not self._of[slot]:
            del self._of[slot]
        return units

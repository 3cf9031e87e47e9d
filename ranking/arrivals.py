"""Interactions that have just come and wait to be made rows of."""

from collections.abc import Sequence

import numpy as np

from tastemesh.errors import UsageError
from tastemesh.ranking.columns import NUMBER_MAX

_LEAST_WEIGHT = float(np.finfo(np.float32).tiny)  # a smaller one could be 0 in its column

Columns = tuple[list[bytes], list[str], list[float], list[int], list[int]]


class Arrivals:
    """Columns of plain values: users, items, weights, times and record numbers."""

    def __init__(self) -> None:
        self._columns: Columns = ([], [], [], [], [])

    def __len__(self) -> int:
        return len(self._columns[0])

    def append(
        self,
        user: bytes,
        items: Sequence[str],
        weights: float | Sequence[float],
        times_s: int | Sequence[int],
        record_no: int,
    ) -> None:
        """Add one record's interactions.

        Args:
            user: who holds the items.
            items: ids.
            weights: in (0, 1], one for all or one each.
            times_s: 0 to 2^31 - 1 seconds, one for all or one each.
            record_no: its number.

        Raises:
            UsageError: a value is out of range; nothing was added.
        """
        count = len(items)
        weight = [weights] * count if isinstance(weights, float | int) else weights
        time_s = [times_s] * count if isinstance(times_s, int) else times_s
        for name, values in (("weights", weight), ("times_s", time_s)):
            if len(values) != count:
                raise UsageError(f"{len(values)} {name}; expected one, or {count}")
        if not all(_LEAST_WEIGHT <= each <= 1 for each in weight):
            raise UsageError(f"weights {list(weight)[:8]}; expected above 0, to 1")
        if not all(0 <= each <= NUMBER_MAX for each in time_s):
            raise UsageError(f"times_s {list(time_s)[:8]}; expected 0 to 2^31 - 1")
        users, held, weighed, dated, recorded = self._columns
        users.extend([user] * count)
        held.extend(items)
        weighed.extend(weight)
        dated.extend(time_s)
        recorded.extend([record_no] * count)

    def taken(self) -> Columns:
        """Return the columns, and begin new ones."""
        columns, self._columns = self._columns, ([], [], [], [], [])
        return columns

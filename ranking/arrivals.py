"""Interactions that have just come and wait to be made rows of."""

from collections.abc import Sequence
from itertools import chain, repeat

import numpy as np

from tastemesh.errors import UsageError
from tastemesh.ranking.columns import NUMBER_MAX

_LEAST_WEIGHT = float(np.finfo(np.float32).tiny)  # a smaller one could be 0 in its column

_Record = tuple[bytes, Sequence[str], Sequence[float], Sequence[int], int]
Columns = tuple[list[bytes], list[str], list[float], list[int], list[int]]


class Arrivals:
    """Records' interactions as plain values, spread out to columns only when they are taken."""

    def __init__(self) -> None:
        self._records: list[_Record] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

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
        weight = (weights,) * count if isinstance(weights, float | int) else weights
        time_s = (times_s,) * count if isinstance(times_s, int) else times_s
        if len(weight) != count or len(time_s) != count:
            name, values = ("weights", weight) if len(weight) != count else ("times_s", time_s)
            raise UsageError(f"{len(values)} {name}; expected one, or {count}")
        if not count:
            return
        if not _LEAST_WEIGHT <= min(weight) <= max(weight) <= 1:
            raise UsageError(f"weights {list(weight)[:8]}; expected above 0, to 1")
        if not 0 <= min(time_s) <= max(time_s) <= NUMBER_MAX:
            raise UsageError(f"times_s {list(time_s)[:8]}; expected 0 to 2^31 - 1")
        self._records.append((user, items, weight, time_s, record_no))
        self._count += count

    def taken(self) -> Columns:
        """Return users, items, weights, times and record numbers in columns, and begin new ones."""
        users, items, weights, times_s, numbers = zip(*self._records, strict=True)
        counts = list(map(len, items))
        self._records, self._count = [], 0
        return (
            list(chain.from_iterable(map(repeat, users, counts))),
            list(chain.from_iterable(items)),
            list(chain.from_iterable(weights)),
            list(chain.from_iterable(times_s)),
            list(chain.from_iterable(map(repeat, numbers, counts))),
        )

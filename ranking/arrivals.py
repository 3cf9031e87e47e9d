"""Interactions that have just come and wait to be made rows of."""

from collections.abc import Sequence
from itertools import chain, repeat
from math import inf, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.columns import NUMBER_MAX

_LEAST_WEIGHT = float(np.finfo(np.float32).tiny)  # a smaller one could be 0 in its column

_Number = float | int
_Record = tuple[bytes, Sequence[str], float | Sequence[float], int | Sequence[int], int]


class Taken(NamedTuple):
    """Arrivals in columns: of n interactions in r records.

    Attributes:
        users: who holds them, r ids.
        numbers: of the records, r.
        counts: interactions in each record, r.
        items: n ids.
        weight: float32[n].
        time_s: int32[n].
    """

    users: tuple[bytes, ...]
    numbers: tuple[int, ...]
    counts: list[int]
    items: list[str]
    weight: NDArray[np.float32]
    time_s: NDArray[np.int32]


class Arrivals:
    """Records' interactions as plain values, spread out to columns only when they are taken."""

    __slots__ = ("_count", "_records")

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
    ) -> int:
        """Add one record's interactions; return how many interactions wait.

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
        lightest, heaviest = _extent("weights", weights, count)
        first_s, last_s = _extent("times_s", times_s, count)
        if not count:
            return self._count
        if not _LEAST_WEIGHT <= lightest <= heaviest <= 1:
            raise UsageError(f"weights {lightest} to {heaviest}; expected above 0, to 1")
        if not 0 <= first_s <= last_s <= NUMBER_MAX:
            raise UsageError(f"times_s {first_s} to {last_s}; expected 0 to 2^31 - 1")
        self._records.append((user, items, weights, times_s, record_no))
        self._count += count
        return self._count

    def taken(self) -> Taken:
        """Return what has come in columns, and begin new ones."""
        users, items, weights, times_s, numbers = zip(*self._records, strict=True)
        counts = list(map(len, items))
        self._records, self._count = [], 0
        return Taken(
            users,
            numbers,
            counts,
            list(chain.from_iterable(items)),
            _spread(weights, counts).astype(np.float32),
            _spread(times_s, counts).astype(np.int32),
        )


def _extent(name: str, values: float | Sequence[float], count: int) -> tuple[float, float]:
    """Return the least and the greatest of values that stand one for all or one each."""
    if isinstance(values, _Number):
        return values, values
    if len(values) != count:
        raise UsageError(f"{len(values)} {name}; expected one, or {count}")
    if not count:
        return 0.0, 0.0
    if not sum(values) <= inf:  # a sum shows a nan; min and max overlook one behind a number
        return nan, nan
    return min(values), max(values)


def _spread(values: Sequence[float | Sequence[float]], counts: list[int]) -> NDArray[np.float64]:
    """Return values that stand one for a record, or one for each interaction, as a column.

    In double precision, which holds each of them exactly.
    """
    if all(isinstance(each, _Number) for each in values):
        return np.repeat(np.array(values, dtype=np.float64), counts)
    each_its_own = (
        repeat(each, count) if isinstance(each, _Number) else each
        for each, count in zip(values, counts, strict=True)
    )
    return np.fromiter(chain.from_iterable(each_its_own), np.float64, sum(counts))

"""Who holds what, how strongly: the sparse matrix that the ranking multiplies with.

A user's interactions with one item are merged into one weight. It is the sum of their weights as of
the newest one, each aged to that moment, at most 1; from then on it ages as a whole:

    w(u, i) = 2^-((now - t_n)/h) * min(1, sum_k w_k 2^-((t_n - t_k)/h)),  t_n the newest time

So 0 < w <= 1 at any `now`, and time only scales the matrix. Capping the sum at `now` instead would
tie the cap to the clock, and every query to a pass over the matrix.

The arrays hold w relative to a reference time on a fixed grid, and `scale` brings them to `now`.
The same interactions in the same order give the same arrays bit for bit, whether they were merged
in one go or row by row (`merge`, `Weights.of` and `replace_rows`).
"""

from functools import cached_property

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.ranking import products
from tastemesh.ranking.patch import Patch, csr, transposed
from tastemesh.ranking.products import Sparse

# Half-lives between two reference times: weights stay within 2^16 of 1 above the reference, and
# float32 reaches 126 half-lives below it, where a weight is nothing anyway.
_REFERENCE_HALF_LIVES = 16

# numpy sorts by comparisons, 47 ms for 200,000 rows where two counting sorts take 4; but those cost
# 0.3 ms for a single row.
_COMPARISON_LIMIT = 2_000

# Rows that are merged at a time: of 200,000 at once, what is needed for a moment takes 15 MB, which
# the C library is slow to give back; in blocks, 3 MB, and no longer (measured).
_BLOCK_ROWS = 16_384


class Weights(msgspec.Struct, frozen=True, eq=False):
    """Weights at a reference time, in both directions, and their sums.

    Attributes:
        by_user: CSR [users, items], float32, sorted columns.
        by_item: its transpose, CSR [items, users].
        user_sums: float64[users].
        item_sums: float64[items].
    """

    by_user: Sparse
    by_item: Sparse
    user_sums: NDArray[np.float64]
    item_sums: NDArray[np.float64]

    @classmethod
    def of(cls, by_user: Sparse) -> "Weights":
        """Complete a matrix [users, items]."""
        by_item = transposed(by_user)
        return cls(by_user, by_item, _sums(by_user), _sums(by_item))


class HoldingMatrix:
    """The window as weights of users on items. Immutable; never change the arrays.

    Args:
        reference: the weights at a reference time.
        scale: what brings them to the time of the question.
        compiled: which kernel multiplies; None for numba's where it is installed.
    """

    def __init__(
        self, reference: Weights, scale: float = 1.0, *, compiled: bool | None = None
    ) -> None:
        self.reference = reference
        self.scale = scale
        self.compiled = compiled

    @property
    def shape(self) -> tuple[int, int]:
        """(users, items): sizes of the number spaces, unused numbers included."""
        return self.reference.by_user.shape

    @cached_property
    def volumes(self) -> NDArray[np.float64]:
        """W(u), the sum of u's weights; float64[users]."""
        return self.reference.user_sums * self.scale

    @cached_property
    def item_volumes(self) -> NDArray[np.float64]:
        """The sum of the weights that i is held with; float64[items]."""
        return self.reference.item_sums * self.scale

    def spread(self, mass: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sum_u w(u, i) mass(u) for every item.

        Args:
            mass: float64[users], or float64[users, n] for n questions at once.

        Returns:
            float64[items], or float64[items, n].
        """
        both = self.reference.by_user, self.reference.by_item
        return products.spread(*both, mass, compiled=self.compiled) * self.scale

    def gather(
        self, mass: NDArray[np.float64], wanted: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Return sum_i w(u, i) mass(i) for every user, or for some.

        Args:
            mass: float64[items].
            wanted: bool[users]; whose sums are needed, None for all. The others' are 0.

        Returns:
            float64[users].
        """
        both = self.reference.by_user, self.reference.by_item
        return products.gather(*both, mass, wanted, compiled=self.compiled) * self.scale

    def vote(
        self,
        shares: sp.csr_array[np.float64, tuple[int, int]],
        rate: NDArray[np.float64],
        exponent: float,
    ) -> NDArray[np.float64]:
        """Return (sum_c (sum_u shares(c, u) rate(u) w(u, i))^q)^(1/q) for every item.

        Args:
            shares: CSR [contacts, users].
            rate: float64[users].
            exponent: q, above 0.

        Returns:
            float64[items].
        """
        both = self.reference.by_user, self.reference.by_item
        return products.vote(*both, shares, rate, exponent, compiled=self.compiled) * self.scale

    def row(self, user: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the items that a user holds, rising, and their weights."""
        return self._line(self.reference.by_user, user)

    def holders(self, item: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the users that hold an item, rising, and their weights."""
        return self._line(self.reference.by_item, item)

    def _line(self, matrix: Sparse, line: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        span = slice(matrix.indptr[line], matrix.indptr[line + 1])
        return matrix.indices[span], matrix.data[span].astype(np.float64) * self.scale


def reference_time(newest_s: int, half_life_s: float) -> float:
    """Return the grid point at or before the newest interaction, in seconds."""
    cell = _REFERENCE_HALF_LIVES * half_life_s
    return float(np.floor(newest_s / cell) * cell)


def merge(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    weight: NDArray[np.float32],
    time_s: NDArray[np.int32],
    *,
    shape: tuple[int, int],
    half_life_s: float | None,
    reference_s: float,
) -> Sparse:
    """Merge interactions into weights at the reference time.

    Args:
        user: numbers in [0, shape[0]).
        item: numbers in [0, shape[1]).
        weight: in (0, 1].
        time_s: seconds.
        shape: (users, items).
        half_life_s: seconds in which a weight halves; None for no ageing.
        reference_s: the time that weights are given at; ignored without ageing.

    Returns:
        CSR [users, items] with sorted columns and one entry a pair.
    """
    order = pair_order(user, item, shape)
    indptr = np.zeros(shape[0] + 1, dtype=np.int32)
    data, indices = [], []
    for block in _blocks(user, order):
        line, column, total = _merged(
            user[block], item[block], weight[block], time_s[block], half_life_s, reference_s
        )
        indptr[1:] += np.bincount(line, minlength=shape[0]).astype(np.int32)
        indices.append(column)
        data.append(total)
    np.cumsum(indptr, out=indptr)
    return csr(np.concatenate(data), np.concatenate(indices), indptr, shape[1])


def _blocks(user: NDArray[np.int32], order: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """Cut an order by user into blocks of whole users: what is made of each is gone soon."""
    ends = np.cumsum(np.bincount(user)) if len(user) else np.zeros(1, dtype=np.int64)
    wanted = np.arange(_BLOCK_ROWS, len(order), _BLOCK_ROWS)
    cuts = ends[np.searchsorted(ends, wanted)]
    return np.split(order, np.unique(cuts))


def _merged(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    weight: NDArray[np.float32],
    time_s: NDArray[np.int32],
    half_life_s: float | None,
    reference_s: float,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return users, items and weights of pairs, from rows in their order."""
    is_first = np.ones(len(user), dtype=np.bool_)
    is_first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    first = np.flatnonzero(is_first)
    newest = time_s
    total = weight.astype(np.float64)
    if len(first) < len(user):
        newest = np.maximum.reduceat(time_s, first)
        if half_life_s is not None:
            pair = np.cumsum(is_first) - 1
            total *= np.exp2((time_s.astype(np.float64) - newest[pair]) / half_life_s)
        total = np.add.reduceat(total, first)
    np.minimum(total, 1.0, out=total)
    if half_life_s is not None:
        total *= np.exp2((newest.astype(np.float64) - reference_s) / half_life_s)
    return user[first], item[first], total.astype(np.float32)


def replace_rows(old: Weights, patch: Patch, fresh: Sparse) -> Weights:
    """Replace some users' rows, in both directions, by copying blocks.

    Args:
        old: as it was. It is left as it is.
        patch: where the new rows belong.
        fresh: CSR [users, items] in which only these rows have entries.

    Returns:
        The new weights, equal to `Weights.of` all of them bit for bit.
    """
    by_user = patch.by_user
    data = patch.along_items(old.by_item.data, fresh.data, by_user.data)
    by_item = csr(data, patch.by_item.indices, patch.by_item.indptr, fresh.shape[0])
    user_sums = _padded(old.user_sums, fresh.shape[0])
    user_sums[patch.rows] = _sums(fresh)[patch.rows]
    item_sums = _padded(old.item_sums, fresh.shape[1])
    item_sums[patch.items] = _sums(by_item[patch.items])
    return Weights(by_user, by_item, user_sums, item_sums)


def _sums(matrix: Sparse) -> NDArray[np.float64]:
    """Sum each line in the order of its entries, so that a line alone gives the same."""
    sums: NDArray[np.float64] = np.asarray(matrix @ np.ones(matrix.shape[1]))
    return sums


def _padded(sums: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.concatenate([sums, np.zeros(count - len(sums))])


def pair_order(
    user: NDArray[np.int32], item: NDArray[np.int32], shape: tuple[int, int]
) -> NDArray[np.integer]:
    """Return the stable order by user, then item, of numbers below `shape`."""
    if len(user) <= _COMPARISON_LIMIT:
        return np.lexsort((item, user))
    order = _counting_order(item, shape[1])
    return order[_counting_order(user[order], shape[0])]


def _counting_order(key: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return the stable order of small numbers, in linear time."""
    marks = np.ones(len(key), dtype=np.int8)
    ends = np.arange(len(key) + 1, dtype=np.int32)
    rows = sp.csr_array((marks, key, ends), shape=(len(key), count))
    order: NDArray[np.int32] = rows.tocsc().indices
    return order

"""Sparse products and the cutting of lists, in blocks that bound their memory."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from tastemesh.ranking.largest import kth_largest
from tastemesh.sim.interactions import Interactions

_BLOCK_CELLS = 1 << 22  # 16 MiB of float32: larger blocks were not faster (measured)
_BLOCK_PRODUCTS = 1 << 22  # multiplications a block: larger ones were not faster (measured)


def binary_matrix(train: Interactions) -> csr_array:
    """Return who holds what as ones: CSR float32, shape [users, items], columns in order.

    The systems compared use holding alone: with it they reach the accuracies that the literature
    gives for implicit feedback, and no scale of weights has to be guessed for a data set nobody has
    seen.
    """
    shape = (len(train.user_ids), len(train.item_ids))
    ones = np.ones(len(train), dtype=np.float32)
    matrix = csr_array((ones, (train.user, train.item)), shape=shape)
    matrix.sort_indices()
    return matrix


def row_sizes(matrix: csr_array) -> NDArray[np.int64]:
    """Return the number of stored entries of each row."""
    return np.diff(matrix.indptr).astype(np.int64)


def column_sizes(matrix: csr_array) -> NDArray[np.int64]:
    """Return the number of stored entries of each column."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)


def row_of_entry(matrix: csr_array) -> NDArray[np.intp]:
    """Return the row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def scaled(
    matrix: csr_array,
    rows: NDArray[np.floating] | None = None,
    columns: NDArray[np.floating] | None = None,
) -> csr_array:
    """Return the matrix with its rows and columns multiplied by the factors given, as float32."""
    data = matrix.data.astype(np.float64)
    if rows is not None:
        data = data * rows[row_of_entry(matrix)]
    if columns is not None:
        data = data * columns[matrix.indices]
    return csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def inverse(sizes: NDArray[np.integer], power: float = 1.0) -> NDArray[np.float64]:
    """Return sizes to the power of minus `power`, and 0 for 0."""
    return np.where(sizes > 0, np.maximum(sizes, 1).astype(np.float64) ** -power, 0.0)


def tie_lots(train: Interactions) -> NDArray[np.float64]:
    """Return a lot for each item, by which equal scores are ordered, least first.

    It depends on the number of items only, so that no method gains from the order in which a file
    names its items. Items that an attack added draw theirs from another stream: the others are
    ordered as without them.
    """
    count = len(train.item_ids) - train.added_item_count
    added = np.random.default_rng([count, 1]).uniform(-0.5, count - 0.5, train.added_item_count)
    return np.concatenate([np.random.default_rng(count).permutation(count), added])


def strongest_products(
    left: csr_array,
    right: csr_array,
    k: int,
    adjust: Callable[[csr_array, NDArray[np.intp]], None],
    rows: NDArray[np.int32] | None = None,
) -> csr_array:
    """Return the k largest entries of each row of ``left @ right``, block by block.

    Args:
        left: shape [rows, inner].
        right: shape [inner, columns].
        k: entries kept in a row; entries of 0 or below are dropped.
        adjust: called with a block of the product and the row of the whole that each of its rows
            is, to rescale its data in place.
        rows: the rows to compute, one at least; None: all.

    Returns:
        CSR float32, shape [rows, columns].
    """
    chosen = np.arange(left.shape[0]) if rows is None else rows.astype(np.intp)
    costs = left[chosen].astype(np.bool_).astype(np.float64) @ row_sizes(right)
    parts: list[csr_array] = []
    for start, stop in _even_blocks(costs):
        block = csr_array(left[chosen[start:stop]] @ right)
        adjust(block, chosen[start:stop])
        parts.append(largest(block, k))
    stacked: csr_array = vstack(parts, format="csr")
    return stacked


def _even_blocks(costs: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Part rows into runs of at most `_BLOCK_PRODUCTS`; a row that costs more stands alone."""
    reached = np.cumsum(costs)
    start = 0
    while start < len(costs):
        before = reached[start - 1] if start else 0.0
        stop = int(np.searchsorted(reached, before + _BLOCK_PRODUCTS, side="right"))
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def largest(matrix: csr_array, k: int) -> csr_array:
    """Keep the k largest positive entries of each row; of equal ones those stored first."""
    keep = matrix.data > 0
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        if stop - start > k:
            values = matrix.data[start:stop]
            (kth,) = kth_largest(values[None], k)
            above = values > kth
            ties = np.flatnonzero(values == kth)[: k - int(above.sum())]
            above[ties] = True
            keep[start:stop] &= above
    kept_before = np.r_[0, np.cumsum(keep)]
    return csr_array(
        (matrix.data[keep], matrix.indices[keep], kept_before[matrix.indptr]), shape=matrix.shape
    )


def users_at_once(item_count: int) -> int:
    """Return for how many users `rank_by_scores` asks for scores at a time, 1 or more."""
    return max(1, _BLOCK_CELLS // max(1, item_count))


def rank_by_scores(
    score: Callable[[NDArray[np.int32]], NDArray[np.float32]],
    owned: csr_array,
    users: NDArray[np.int32],
    k: int,
    lots: NDArray[np.float64],
    above: float = 0.0,
) -> NDArray[np.int32]:
    """Return the k items with the highest scores that a user does not own and that anybody holds.

    Args:
        score: gives a fresh array of shape [users, items] for a block of users.
        owned: shape [users, items].
        users: rows of `owned`, shape [n].
        k: length of a list.
        lots: of each item, from `tie_lots`.
        above: items that do not score more are left out.

    Returns:
        int32, shape [n, k], -1 where a list ends early.
    """
    nobody = np.flatnonzero(column_sizes(owned) == 0)
    size = users_at_once(owned.shape[1])
    ranked = np.full((len(users), k), -1, dtype=np.int32)
    for start in range(0, len(users), size):
        block = users[start : start + size]
        scores = score(block)
        own = owned[block]
        scores[row_of_entry(own), own.indices] = -np.inf
        scores[:, nobody] = -np.inf
        scores[~(scores > above)] = -np.inf
        ranked[start : start + size] = _heads(scores, k, lots)
    return ranked


def _heads(scores: NDArray[np.float32], k: int, lots: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the columns of each row's k largest values above minus infinity, largest first."""
    least = kth_largest(scores, k)[:, None]
    rows, columns = np.nonzero((scores >= least) & (scores > -np.inf))
    order = np.lexsort((lots[columns], -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    shown = place < k
    heads = np.full((len(scores), k), -1, dtype=np.int32)
    heads[rows[shown], place[shown]] = columns[shown]
    return heads

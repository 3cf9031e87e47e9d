"""Sparse products: mass from users to items and back.

Two kernels give the same sums to rounding. scipy's multiplies everything. The compiled one
(numba, extra `fast`) passes over what has no mass and users whose result is not wanted, so that a
question costs what the trusted part of the window costs; and it multiplies float32 by float64
without a copy of the matrix.
"""

import importlib.util

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Sparse = sp.csr_array[np.float32, tuple[int, int]]

_HAS_NUMBA = importlib.util.find_spec("numba") is not None


def is_compiled(wanted: bool | None) -> bool:
    """Tell whether the compiled kernel multiplies; `wanted` None: where numba is installed."""
    return _HAS_NUMBA if wanted is None else wanted


def entries(indptr: NDArray[np.int32], lines: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the places of some lines' entries, line by line.

    Args:
        indptr: of a sparse matrix.
        lines: numbers of the lines.
    """
    starts, counts = indptr[lines], indptr[lines + 1] - indptr[lines]
    shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    places: NDArray[np.intp] = np.arange(len(shift)) + shift
    return places


def bisected(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    lines: NDArray[np.integer],
    columns: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Return where each entry is, or would be.

    Args:
        indptr: of a sparse matrix with sorted columns.
        indices: its columns.
        lines: integer[n].
        columns: integer[n]; one for each line.
    """
    low: NDArray[np.int64] = indptr[lines].astype(np.int64)
    high = indptr[lines + 1].astype(np.int64)
    while True:
        is_open = np.flatnonzero(low < high)
        if not len(is_open):
            return low
        middle = (low[is_open] + high[is_open]) >> 1
        is_before = indices[middle] < columns[is_open]
        low[is_open] = np.where(is_before, middle + 1, low[is_open])
        high[is_open] = np.where(is_before, high[is_open], middle)


def places(
    matrix: Sparse,
    lines: NDArray[np.int32],
    columns: NDArray[np.int32],
    *,
    compiled: bool | None = None,
) -> NDArray[np.int64]:
    """Return the place of each entry, -1 where there is none.

    Args:
        matrix: CSR with sorted columns.
        lines: int32[n].
        columns: int32[n]; one for each line.
        compiled: which kernel; None for numba's where it is installed.
    """
    if is_compiled(compiled):
        from tastemesh.ranking.product_kernel import places as compiled_places

        return compiled_places(matrix, lines, columns)
    found = bisected(matrix.indptr, matrix.indices, lines, columns)
    within = np.flatnonzero(found < matrix.indptr[lines + 1])
    within = within[matrix.indices[found[within]] == columns[within]]
    result = np.full(len(lines), -1, np.int64)
    result[within] = found[within]
    return result


def spread(
    by_user: Sparse, by_item: Sparse, mass: NDArray[np.float64], *, compiled: bool | None = None
) -> NDArray[np.float64]:
    """Return sum_u w(u, i) mass(u) for every item.

    Args:
        by_user: CSR [users, items].
        by_item: its transpose.
        mass: float64[users], or float64[users, n] for n questions at once.
        compiled: which kernel; None for numba's where it is installed.

    Returns:
        float64[items], or float64[items, n].
    """
    if is_compiled(compiled):
        from tastemesh.ranking.product_kernel import scatter, scatter_many

        return scatter(by_user, mass) if mass.ndim == 1 else scatter_many(by_user, mass)
    result: NDArray[np.float64] = np.asarray(by_item @ mass)
    return result


def gather(
    by_user: Sparse,
    by_item: Sparse,
    mass: NDArray[np.float64],
    wanted: NDArray[np.bool_] | None = None,
    *,
    compiled: bool | None = None,
) -> NDArray[np.float64]:
    """Return sum_i w(u, i) mass(i) for every user, or for some.

    Args:
        by_user: CSR [users, items].
        by_item: its transpose.
        mass: float64[items].
        wanted: bool[users]; whose sums are needed, None for all. The others' are 0.
        compiled: which kernel; None for numba's where it is installed.

    Returns:
        float64[users].
    """
    if is_compiled(compiled):
        from tastemesh.ranking.product_kernel import gather_rows, scatter

        if wanted is not None:
            return gather_rows(by_user, mass, wanted)
        return scatter(by_item, mass)
    result: NDArray[np.float64] = np.asarray(by_user @ mass)
    if wanted is not None:
        result[~wanted] = 0.0
    return result


def cut(
    by_user: Sparse,
    users: NDArray[np.int32],
    asked: NDArray[np.int32],
    *,
    compiled: bool | None = None,
) -> tuple[Sparse, NDArray[np.int32], NDArray[np.int32]]:
    """Return some users' rows, the items renumbered that are in them or asked for.

    Args:
        by_user: CSR [users, items].
        users: int32[m]; rising.
        asked: items whose new numbers are wanted.
        compiled: which kernel; None for numba's where it is installed.

    Returns:
        CSR [m, n]; the item behind each of its columns, int32[n]; and the new number of each item
        asked for.
    """
    if is_compiled(compiled):
        from tastemesh.ranking.product_kernel import cut_rows

        return cut_rows(by_user, users, asked)
    rows = by_user[users]
    items = np.union1d(rows.indices, asked)
    columns = np.searchsorted(items, rows.indices).astype(np.int32)
    small: Sparse = sp.csr_array((rows.data, columns, rows.indptr), shape=(len(users), len(items)))
    return small, items.astype(np.int32), np.searchsorted(items, asked).astype(np.int32)


def vote(
    by_user: Sparse,
    by_item: Sparse,
    shares: sp.csr_array[np.float64, tuple[int, int]],
    rate: NDArray[np.float64],
    exponent: float,
    *,
    compiled: bool | None = None,
) -> NDArray[np.float64]:
    """Return (sum_c (sum_u shares(c, u) rate(u) w(u, i))^q)^(1/q) for every item.

    Args:
        by_user: CSR [users, items].
        by_item: its transpose.
        shares: CSR [contacts, users].
        rate: float64[users].
        exponent: q, above 0.
        compiled: which kernel; None for numba's where it is installed.

    Returns:
        float64[items].
    """
    if is_compiled(compiled):
        from tastemesh.ranking.product_kernel import vote as compiled_vote

        return compiled_vote(by_user, shares, rate, exponent)
    parts = np.asarray(by_item @ (shares.toarray() * rate).T)
    if exponent == 1.0:
        total: NDArray[np.float64] = parts.sum(axis=1)
        return total
    result: NDArray[np.float64] = (parts**exponent).sum(axis=1) ** (1.0 / exponent)
    return result

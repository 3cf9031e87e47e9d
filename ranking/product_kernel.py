"""The products of `tastemesh.ranking.products`, compiled by numba (extra `fast`).

Compiling takes some seconds once per machine, and once per process where no folder for numba's
cache is writable. Sums are in float64 and in the order of the arrays, so they repeat bit for bit.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.products import Sparse


def scatter(matrix: Sparse, mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mass @ matrix, passing over lines without mass."""
    result = np.zeros(matrix.shape[1])
    _scatter_into(matrix.indptr, matrix.indices, matrix.data, mass, result)
    return result


def scatter_many(matrix: Sparse, mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mass.T @ matrix, transposed, for mass of several; each what `scatter` gives."""
    result = np.zeros((matrix.shape[1], mass.shape[1]))
    lines = np.ascontiguousarray(mass)
    scatter_many_into(matrix.indptr, matrix.indices, matrix.data, lines, result)
    return result


def gather_rows(
    matrix: Sparse, mass: NDArray[np.float64], wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return matrix @ mass for the wanted lines, 0 for the others."""
    result = np.zeros(matrix.shape[0])
    _gather_into(matrix.indptr, matrix.indices, matrix.data, mass, wanted, result)
    return result


def cut_rows(
    matrix: Sparse, users: NDArray[np.int32], asked: NDArray[np.int32]
) -> tuple[Sparse, NDArray[np.int32], NDArray[np.int32]]:
    """Return some rows with their items renumbered; see `products.cut`."""
    ends, columns, weights, items, places = cut_arrays(matrix, users, asked)
    small: Sparse = sp.csr_array((weights, columns, ends), shape=(len(users), len(items)))
    return small, items, places


def cut_arrays(
    matrix: Sparse, users: NDArray[np.int32], asked: NDArray[np.int32]
) -> tuple[
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.int32],
]:
    """Return `indptr`, `indices` and `data` of what `cut_rows` does, its items and the places.

    A matrix object costs as much as cutting a hundred rows (measured), and a kernel wants none.
    """
    ends = np.zeros(len(users) + 1, np.int32)
    np.cumsum(matrix.indptr[users + 1] - matrix.indptr[users], out=ends[1:])
    count = int(ends[-1])
    columns, weights = np.empty(count, np.int32), np.empty(count, np.float32)
    items, places = np.empty(count + len(asked), np.int32), np.empty(len(asked), np.int32)
    # One mark an item of the window. Zeroed memory comes from the system as it is touched, so the
    # cost follows what the rows touch; a mark is the new number and 1.
    marks = np.zeros(matrix.shape[1], np.int32)
    found = _cut_into(
        matrix.indptr,
        matrix.indices,
        matrix.data,
        users,
        asked,
        marks,
        columns,
        weights,
        items,
        places,
    )
    return ends, columns, weights, items[:found].copy(), places


def places(
    matrix: Sparse, lines: NDArray[np.int32], columns: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the place of each entry, -1 where there is none."""
    result = np.full(len(lines), -1, np.int64)
    _find_into(matrix.indptr, matrix.indices, lines, columns, result)
    return result


def vote(
    matrix: Sparse,
    shares: sp.csr_array[np.float64, tuple[int, int]],
    rate: NDArray[np.float64],
    exponent: float,
) -> NDArray[np.float64]:
    """Combine what each contact brought; see `products.vote`."""
    result = np.zeros(matrix.shape[1])
    _vote_into(
        matrix.indptr,
        matrix.indices,
        matrix.data,
        shares.indptr,
        shares.indices,
        shares.data * rate[shares.indices],
        exponent,
        result,
    )
    if exponent != 1.0:
        result **= 1.0 / exponent
    return result


def _cut(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    users: NDArray[np.int32],
    asked: NDArray[np.int32],
    marks: NDArray[np.int32],
    columns: NDArray[np.int32],
    weights: NDArray[np.float32],
    items: NDArray[np.int32],
    places: NDArray[np.int32],
) -> int:
    found = 0
    at = 0
    for user in users:
        for entry in range(np.uint32(indptr[user]), np.uint32(indptr[user + 1])):
            item = np.uint32(indices[entry])
            if marks[item] == 0:
                items[found] = item
                found += 1
                marks[item] = found
            columns[at] = marks[item] - 1
            weights[at] = data[entry]
            at += 1
    for number in range(len(asked)):
        item = asked[number]
        if marks[item] == 0:
            items[found] = item
            found += 1
            marks[item] = found
        places[number] = marks[item] - 1
    return found


def _find(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    lines: NDArray[np.int32],
    columns: NDArray[np.int32],
    result: NDArray[np.int64],
) -> None:
    for number in range(len(lines)):
        low, stop = indptr[lines[number]], indptr[lines[number] + 1]
        high = stop
        while low < high:
            middle = (low + high) // 2
            if indices[middle] < columns[number]:
                low = middle + 1
            else:
                high = middle
        if low < stop and indices[low] == columns[number]:
            result[number] = low


def _vote(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    share_indptr: NDArray[np.int32],
    share_users: NDArray[np.int32],
    rates: NDArray[np.float64],
    exponent: float,
    result: NDArray[np.float64],
) -> None:
    brought = np.zeros(len(result))
    touched = np.empty(len(result), np.int32)
    for contact in range(len(share_indptr) - 1):
        count = 0
        for share in range(share_indptr[contact], share_indptr[contact + 1]):
            user = share_users[share]
            for entry in range(indptr[user], indptr[user + 1]):
                amount = rates[share] * data[entry]
                if amount > 0.0:
                    item = indices[entry]
                    if brought[item] == 0.0:
                        touched[count] = item
                        count += 1
                    brought[item] += amount
        for number in range(count):
            item = touched[number]
            if exponent == 1.0:
                result[item] += brought[item]
            elif exponent == 0.5:
                result[item] += np.sqrt(brought[item])
            else:
                result[item] += brought[item] ** exponent
            brought[item] = 0.0


def _scatter(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    mass: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    for line in range(len(mass)):
        amount = mass[line]
        if amount != 0.0:
            for entry in range(indptr[line], indptr[line + 1]):
                result[indices[entry]] += amount * data[entry]


def _scatter_many(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    mass: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    for line in range(len(mass)):
        amounts = mass[line]
        if amounts.any():
            for entry in range(indptr[line], indptr[line + 1]):
                sums, weight = result[indices[entry]], data[entry]
                for number in range(len(amounts)):
                    sums[number] += amounts[number] * weight


def _gather(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    mass: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    result: NDArray[np.float64],
) -> None:
    for line in range(len(wanted)):
        if wanted[line]:
            total = 0.0
            for entry in range(indptr[line], indptr[line + 1]):
                total += mass[indices[entry]] * data[entry]
            result[line] = total


_scatter_into = compiled(_scatter)
scatter_many_into = compiled(_scatter_many)
_gather_into = compiled(_gather)
_cut_into = compiled(_cut)
_find_into = compiled(_find)
_vote_into = compiled(_vote)

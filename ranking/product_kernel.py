"""The products of `tastemesh.ranking.products`, compiled by numba (extra `fast`).

Compiling takes a second or two once per machine, and once per process where no folder for numba's
cache is writable. Sums are in float64 and in the order of the arrays, so they repeat bit for bit.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.products import Sparse


def scatter(matrix: Sparse, mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mass @ matrix, passing over lines without mass."""
    result = np.zeros(matrix.shape[1])
    _scatter_into(matrix.indptr, matrix.indices, matrix.data, mass, result)
    return result


def gather_rows(
    matrix: Sparse, mass: NDArray[np.float64], wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return matrix @ mass for the wanted lines, 0 for the others."""
    result = np.zeros(matrix.shape[0])
    _gather_into(matrix.indptr, matrix.indices, matrix.data, mass, wanted, result)
    return result


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


try:
    _scatter_into = numba.njit(cache=True, nogil=True)(_scatter)
    _gather_into = numba.njit(cache=True, nogil=True)(_gather)
except RuntimeError:  # no writable folder for the cache, as in a locked-down service
    _scatter_into = numba.njit(nogil=True)(_scatter)
    _gather_into = numba.njit(nogil=True)(_gather)

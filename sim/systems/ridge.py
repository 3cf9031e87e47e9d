"""The inverse of a regularised Gram matrix, on which linear item models stand."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpftrf, dpftri, dtfttr, dtrttf
from scipy.sparse import csr_array

MAX_BYTES = 4 << 30  # 18,918 rows; guess at what a small machine can spare
_BYTES_A_CELL = 12  # the inverse in double precision beside its packed half
_BLOCK_ROWS = 256


def inverse_bytes(size: int) -> int:
    """Return the memory that the inverse of so many rows takes while it is made."""
    return size * size * _BYTES_A_CELL


def ridge_inverse(side: csr_array, strength: float) -> NDArray[np.float64]:
    """Return the inverse of ``side @ side.T + strength * I``, by Cholesky.

    Args:
        side: shape [n, any].
        strength: above 0.

    Returns:
        float64, shape [n, n].
    """
    size = side.shape[0]
    other = side.T.tocsr()
    gram = np.empty((size, size), order="F")
    for start in range(0, size, _BLOCK_ROWS):
        rows = side[start : start + _BLOCK_ROWS]
        gram[:, start : start + _BLOCK_ROWS] = (rows @ other).toarray().T
    gram[np.diag_indices(size)] += strength
    # In packed halves, as the process dies in the threaded Cholesky of a full matrix of 16,000 rows
    # (OpenBLAS 0.3.30, two threads); for 6,000 it costs half as much time again (measured).
    halves, failed = dtrttf(gram, uplo="L")
    del gram
    for step in (dpftrf, dpftri):
        halves, failed = step(size, halves, uplo="L", overwrite_a=1)
        assert failed == 0  # positive definite, as the strength is above 0
    inverse, failed = dtfttr(size, halves, uplo="L")
    del halves
    for at in range(size):  # the other triangle, in place
        inverse[at, at + 1 :] = inverse[at + 1 :, at]
    return np.asarray(inverse.T, dtype=np.float64)  # symmetric, and this way round row by row

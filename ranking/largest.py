"""The k-th largest of many numbers, however many of them are equal.

Scores are mostly equal: few items have one. numpy's `partition` is lost where the place that is
sought lies beyond a long run of equal numbers: of 200,000 of which 500 are above 0, the tenth
takes it 0.16 s, and 1 ms sought from the other end (numpy 2.4 on a processor with AVX-512,
measured). So it is sought from the end that has no such run, or the run is the answer. The
compiled kernel reads the numbers once, in 0.11 ms.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiling import is_compiled

Float = TypeVar("Float", np.float32, np.float64)
_HEAP_MAX = 256  # a heap of more takes as long as numpy: 64 rows of 20,000, measured


def kth_largest(rows: NDArray[Float], k: int, *, compiled: bool | None = None) -> NDArray[Float]:
    """Return the k-th largest number of each row; of a shorter row its least.

    Args:
        rows: shape [n, m], m at least 1, nan nowhere.
        k: at least 1.
        compiled: which kernel; None for numba's where it is installed and ready.

    Returns:
        Shape [n].

    >>> kth_largest(np.array([[3.0, 1.0, 2.0], [5.0, 5.0, 0.0]]), 2)
    array([2., 5.])
    """
    k = min(k, rows.shape[1])
    if k <= _HEAP_MAX and is_compiled(compiled):
        from tastemesh.ranking.largest_kernel import kth_largest as compiled_kth_largest

        return compiled_kth_largest(np.ascontiguousarray(rows), k)
    found: NDArray[Float] = rows.max(axis=1)
    others = np.flatnonzero(np.count_nonzero(rows == found[:, None], axis=1) < k)
    if len(others):
        found[others] = -np.partition(-rows[others], k - 1, axis=1)[:, k - 1]
    return found

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
    if mass.ndim == 1 and (_HAS_NUMBA if compiled is None else compiled):
        from tastemesh.ranking.product_kernel import scatter

        return scatter(by_user, mass)
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
    if _HAS_NUMBA if compiled is None else compiled:
        from tastemesh.ranking.product_kernel import gather_rows, scatter

        if wanted is not None:
            return gather_rows(by_user, mass, wanted)
        return scatter(by_item, mass)
    result: NDArray[np.float64] = np.asarray(by_user @ mass)
    if wanted is not None:
        result[~wanted] = 0.0
    return result

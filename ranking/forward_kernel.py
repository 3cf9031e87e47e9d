"""`tastemesh.ranking.forward`, compiled by numba (extra `fast`): no sorting of whole rows."""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.products import Sparse


def spread_forward(
    by_user: Sparse,
    taken_s: NDArray[np.int32],
    at_items: NDArray[np.float64],
    voices: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what users pass on; see `tastemesh.ranking.forward.spread_forward`."""
    result = np.zeros(by_user.shape[1])
    longest = int(np.diff(by_user.indptr).max(initial=0))
    _spread_into(
        by_user.indptr,
        by_user.indices,
        by_user.data,
        taken_s,
        at_items,
        voices,
        np.empty(longest, np.int32),
        np.empty(longest),
        result,
    )
    return result


def _spread(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    taken_s: NDArray[np.int32],
    at_items: NDArray[np.float64],
    voices: NDArray[np.float64],
    times_s: NDArray[np.int32],
    sums: NDArray[np.float64],
    result: NDArray[np.float64],
) -> None:
    for user in range(len(voices)):
        if voices[user] == 0.0:
            continue
        count = 0
        for entry in range(indptr[user], indptr[user + 1]):
            came = at_items[indices[entry]] * data[entry]
            if came != 0.0:  # put where it belongs in time, behind what came at the same
                place = count
                while place > 0 and times_s[place - 1] > taken_s[entry]:
                    times_s[place], sums[place] = times_s[place - 1], sums[place - 1]
                    place -= 1
                times_s[place], sums[place] = taken_s[entry], came
                count += 1
        if count == 0:
            continue
        for nth in range(1, count):
            sums[nth] += sums[nth - 1]
        for entry in range(indptr[user], indptr[user + 1]):
            low, high = 0, count
            while low < high:
                middle = (low + high) // 2
                if times_s[middle] <= taken_s[entry]:
                    low = middle + 1
                else:
                    high = middle
            if low > 0:
                result[indices[entry]] += voices[user] * data[entry] * sums[low - 1]


_spread_into = compiled(_spread)

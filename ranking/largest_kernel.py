"""`tastemesh.ranking.largest` in one reading of the numbers (numba, extra `fast`)."""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.ranking.largest import Float


def _find_kth_largest(rows: NDArray[Float], k: int) -> NDArray[Float]:
    """Return the k-th largest number of each row, 1 <= k <= its length.

    The k largest met so far are a heap, its least first: most numbers cost one comparison.
    """
    found = np.empty(len(rows), rows.dtype)
    heap = np.empty(k, rows.dtype)
    for number in range(len(rows)):
        row = rows[number]
        heap[:] = row[:k]
        for place in range(k // 2 - 1, -1, -1):
            _settle(heap, place)
        least = heap[0]
        for at in range(k, len(row)):
            if row[at] > least:
                heap[0] = row[at]
                _settle(heap, 0)
                least = heap[0]
        found[number] = least
    return found


def _sift(heap: NDArray[Float], place: int) -> None:
    """Let the number at a place sink until both below it are larger."""
    value = heap[place]
    while True:
        below = 2 * place + 1
        if below >= len(heap):
            break
        if below + 1 < len(heap) and heap[below + 1] < heap[below]:
            below += 1
        if value <= heap[below]:
            break
        heap[place] = heap[below]
        place = below
    heap[place] = value


_settle = compiled(_sift)
kth_largest = compiled(_find_kth_largest)

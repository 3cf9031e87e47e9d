"""`tastemesh.ranking.view.View.last_records`, compiled by numba (extra `fast`)."""

import numba
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.columns import Interactions

_BLOCK_ROWS = 4_096  # rows that are looked through at a time; what is noted of them stays at hand


def last_records(
    rows: Interactions,
    items: NDArray[np.int32],
    users: NDArray[np.int32],
    shape: tuple[int, int],
) -> NDArray[np.int32]:
    """Return the last record in which each user names an item, -1 for none.

    Args:
        rows: in the order of arrival; dead ones have the weight 0.
        items: int32[n]; numbers.
        users: int32[n]; the number of the user that goes with each.
        shape: (users, items).
    """
    last = np.full(len(items), -1, np.int32)
    _last_into(rows.user, rows.item, rows.weight, rows.record, items, users, *shape, last)
    return last


def _last(
    row_users: NDArray[np.int32],
    row_items: NDArray[np.int32],
    weights: NDArray[np.float32],
    records: NDArray[np.int32],
    items: NDArray[np.int32],
    users: NDArray[np.int32],
    user_count: int,
    item_count: int,
    last: NDArray[np.int32],
) -> None:
    # Of equal pairs the first stands for all. A table of hashes, at most half full, leads to it.
    size = 2
    while size < 2 * len(items):
        size *= 2
    table = np.full(size, -1, np.int32)
    stands = np.empty(len(items), np.int32)
    is_wanted, is_asked = np.zeros(item_count, np.bool_), np.zeros(user_count, np.bool_)
    for pair in range(len(items)):
        is_wanted[items[pair]] = is_asked[users[pair]] = True
        at = _home(items[pair], users[pair], size)
        while table[at] >= 0 and (
            items[table[at]] != items[pair] or users[table[at]] != users[pair]
        ):
            at = (at + 1) % size
        if table[at] < 0:
            table[at] = pair
        stands[pair] = table[at]
    found = np.empty(_BLOCK_ROWS + 1, np.int64)
    for start in range(0, len(row_items), _BLOCK_ROWS):
        count = 0
        for row in range(start, min(start + _BLOCK_ROWS, len(row_items))):
            found[count] = row
            count += is_wanted[row_items[row]]  # no branch: it would often be mispredicted
        for row in found[:count]:
            if is_asked[row_users[row]] and weights[row] > 0.0:
                at = _home(row_items[row], row_users[row], size)
                while table[at] >= 0:
                    pair = table[at]
                    if items[pair] == row_items[row] and users[pair] == row_users[row]:
                        last[pair] = records[row]
                        break
                    at = (at + 1) % size
    for pair in range(len(items)):
        last[pair] = last[stands[pair]]


def _hash(item: int, user: int, size: int) -> int:
    """Spread pairs over a table, by the golden ratio's part of 2^32 (Knuth, TAOCP 3, 6.4)."""
    return ((item * 40_503 + user * 2_654_435_769) >> 16) % size


try:
    _home = numba.njit(cache=True, nogil=True)(_hash)
    _last_into = numba.njit(cache=True, nogil=True)(_last)
except RuntimeError:  # no writable folder for the cache, as in a locked-down service
    _home = numba.njit(nogil=True)(_hash)
    _last_into = numba.njit(nogil=True)(_last)

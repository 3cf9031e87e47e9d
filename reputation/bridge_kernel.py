"""Who stands between, compiled by numba (extra `fast`): see `introducers.bridge_ratio`.

The pairs of one walk are laid out by the later identity, then counted one identity at a time in one
array: no sorting. The counts are integers, so they are numpy's, whatever the order.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled


def _count(walk: NDArray[np.int32], node: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    first = 0
    ends = np.zeros(count + 1, np.int64)
    for hit in range(len(node)):
        if walk[hit] != walk[first]:
            first = hit
        ends[node[hit] + 1] += hit - first
    for each in range(count):
        ends[each + 1] += ends[each]
    passed = np.empty(ends[count], np.int32)
    used = ends[:count].copy()
    first = 0
    for hit in range(len(node)):
        if walk[hit] != walk[first]:
            first = hit
        at = used[node[hit]]
        for earlier in range(first, hit):
            passed[at] = node[earlier]
            at += 1
        used[node[hit]] = at
    most = np.zeros(count, np.int64)
    times = np.zeros(count, np.int32)
    for each in range(count):
        for place in range(ends[each], ends[each + 1]):
            times[passed[place]] += 1
            if times[passed[place]] > most[each]:
                most[each] = times[passed[place]]
        for place in range(ends[each], ends[each + 1]):
            times[passed[place]] = 0
    return most


most_passed = compiled(_count)

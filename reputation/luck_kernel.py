"""Who held what first, summed up by numba (extra `fast`); see `tastemesh.reputation.luck`.

One pass, in the order of the entries: numpy's sums, to the bit.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiled import compiled
from tastemesh.reputation.adoption import Arrivals


def tallied(
    arrivals: Arrivals,
    taken: NDArray[np.int64],
    heard: NDArray[np.bool_],
    surprises: NDArray[np.float64],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int]:
    """Sum up what each user held before ego's last item."""
    sums = np.zeros((3, len(heard)))
    last = int(taken.max(initial=-1))
    count: int = _tally(
        arrivals.ends,
        arrivals.item,
        arrivals.record,
        taken,
        last,
        heard,
        surprises,
        mean,
        spread,
        sums,
    )
    return sums[0], sums[1], sums[2], count


def _tally_into(
    ends: NDArray[np.int32],
    items: NDArray[np.int32],
    records: NDArray[np.int32],
    taken: NDArray[np.int64],
    last: int,
    heard: NDArray[np.bool_],
    surprises: NDArray[np.float64],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> int:
    count = 0
    for user in range(len(heard)):
        if not heard[user]:
            continue
        expected, variance, found = 0.0, 0.0, 0.0
        has_any = False
        for entry in range(ends[user], ends[user + 1]):
            if records[entry] < last:
                item = items[entry]
                has_any = True
                expected += mean[item]
                variance += spread[item]
                if records[entry] < taken[item]:
                    found += surprises[item]
        sums[0, user], sums[1, user], sums[2, user] = expected, variance, found
        count += has_any
    return count


_tally = compiled(_tally_into)

"""Luck: who could be early with ego's items without knowing anything of its taste.

Where nobody is endorsed, adoption has to find whom to follow among strangers, and whoever makes
many identities that hold popular items has some that happen to be early. So each is measured
against a null: an ego that draws as many items by popularity alone.

    z(v) = (A(v) - E A(v)) / sqrt(Var A(v) + 1)
    A(v) = sum of surprise(i) over ego's items that v held first
    E A(v) = sum over what v held before ego's last item, of p(i) surprise(i)
    p(i) = 1 - exp(-n_ego holders(i) / holders of all items)

An identity passes if z exceeds a threshold that rises with the number of candidates, as in any test
of many hypotheses: at which `LUCKY_COUNT` of them would pass by luck alone if z were normal. It is
nearly so for who holds many items, and of those luck lets in no more the more they are. It is not
for who holds one rare item: one hit has a z of nearly surprise(i), and six or so passes at any
number of identities that a window has room for.

Simulated, with 600 honest people of 60 items each out of 3,000 and an ego that draws by popularity
alone, those who pass by luck, over four draws, are

    strangers with one rare item each       0    1,000    10,000    50,000
    of these pass                           0        7       162     1,385
    of the honest pass                     25        7        <1        <1

So what luck brings in does grow with the number of such identities, and they drown out the others.
The upper tail itself, by Chernoff's bound, would hold it at `LUCKY_COUNT` for certain, and makes
things worse: it lets so few pass that nobody, or a handful, is left to follow. 1,000 such strangers
with one more item in common then have it in 53 to 87 % of unanchored top tens instead of 10 to
20 %. Loosened until as many of the honest pass as now (160), it holds no better, 50 % of top tens
for 5,000 strangers instead of 30, and 57 instead of 60 for 20,000. So z it is, and the list of who
endorses nobody is marked.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.compiling import is_compiled
from tastemesh.reputation.adoption import Arrivals

Tally = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int]

# Identities that luck lets through as far as z is normal. 10 of MovieLens's 610 is z > 2.1, near
# the filter of 2 at which a prototype kept 1,000 early spammers out at 3 % of accuracy.
LUCKY_COUNT = 10.0


def threshold(candidate_count: int, lucky_count: float = LUCKY_COUNT) -> float:
    """Return the z that as many candidates exceed by luck where it is normal.

    Args:
        candidate_count: at least 0.
        lucky_count: above 0.

    >>> round(threshold(610), 2), round(threshold(10_000), 2)
    (2.13, 3.09)
    """
    return NormalDist().inv_cdf(1.0 - min(0.5, lucky_count / max(candidate_count, 1)))


def skilled(
    arrivals: Arrivals,
    egos: Sequence[int],
    surprises: NDArray[np.float64],
    holders: NDArray[np.int64],
    heard: NDArray[np.bool_],
    *,
    compiled: bool | None = None,
) -> NDArray[np.bool_]:
    """Tell whose early holdings luck does not explain.

    Args:
        arrivals: who held what, since when.
        egos: ego's user numbers, public and private; -1 is skipped.
        surprises: float64[items]; see `tastemesh.reputation.adoption.surprise`.
        holders: int64[items]; how many of those heard hold each.
        heard: bool[users]; the candidates: whom ego wants to hear.
        compiled: which kernel; None for numba's where it is installed and not postponed.

    Returns:
        bool[users].
    """
    taken = arrivals.taken_up(egos, len(surprises))
    own_count = np.count_nonzero(taken >= 0)
    chance = -np.expm1(-own_count * holders / max(int(holders.sum()), 1))
    mean, spread = chance * surprises, chance * (1.0 - chance) * np.square(surprises)
    if is_compiled(compiled):
        from tastemesh.reputation.luck_kernel import tallied as tally
    else:
        tally = _tallied
    expected, variance, found, count = tally(arrivals, taken, heard, surprises, mean, spread)
    z = (found - expected) / np.sqrt(variance + 1.0)
    is_skilled: NDArray[np.bool_] = z > threshold(count)
    return is_skilled


def _tallied(
    arrivals: Arrivals,
    taken: NDArray[np.int64],
    heard: NDArray[np.bool_],
    surprises: NDArray[np.float64],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> Tally:
    """Sum up what each user held before ego's last item.

    Args:
        arrivals: who held what, since when.
        taken: int64[items]; before which record each must have been held to be first, -1 for none.
        heard: bool[users].
        surprises: float64[items].
        mean: float64[items]; of the surprise, if ego drew by popularity.
        spread: float64[items]; its variance.

    Returns:
        float64[users] for the means, the variances and what was held first; and how many users held
        anything.
    """
    user = arrivals.user
    early = np.flatnonzero((arrivals.record < taken.max(initial=-1)) & heard[user])
    user, item = user[early], arrivals.item[early]
    first = np.where(arrivals.record[early] < taken[item], surprises[item], 0.0)
    expected, variance, found = (
        np.bincount(user, values, len(heard)).astype(np.float64)
        for values in (mean[item], spread[item], first)
    )
    return expected, variance, found, int(np.count_nonzero(np.bincount(user)))

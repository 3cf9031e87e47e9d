"""Open evidence: what everybody of standing in the window does.

It never introduces an item. It only lifts, by a bounded factor, what trust has already found:

    score(j) = s(j) (1 + (C - 1) o(j)),  0 <= o(j) <= 1

So identities without trust gain nothing for an item that trust does not reach, and at most the
factor C for one that it does; and they cannot push an honest item below s.

o is a three-step walk from ego's taste over everybody, damped at each end, as in P3alpha (Cooper et
al., WWW 2014) and RP3beta (Paudel et al., TiiS 2017):

    o(j) = V(j)^-b sum_v c(v) w(v, j) W(v)^-a sum_i own(i) w(v, i) / V(i)^a,
    V(i) = max(1, sum_v c(v) w(v, i))

divided by its maximum over the candidates. c(v) in [0, 1] is v's standing (`tastemesh.reputation`):
identities whose standing sums to x add at most x to the sum of any o(j), as own sums to 1 and
w(v, j) W(v)^-a and V^-1 are at most 1; and those without standing change nothing.

Deviation: a and b act on volumes and not on each transition probability, which is the same for
equal weights and needs two sparse products instead of a pass of powers; V is weighted, where
RP3beta counts holders; and no item keeps only its k nearest neighbours.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters


def open_walk(
    matrix: HoldingMatrix,
    profile: NDArray[np.float64],
    parameters: SalsaParameters,
    standing: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Walk from ego's taste over everybody of standing.

    Args:
        matrix: who holds what.
        profile: float64[items]; ego's taste.
        parameters: the exponents.
        standing: float64[users] in [0, 1]; c. Default: 1 for everybody, as where nothing is known.

    Returns:
        float64[items], at least 0; o before it is divided by its maximum.
    """
    exponent = parameters.open_exponent
    volumes = matrix.item_volumes if standing is None else matrix.spread(standing)
    volumes = np.maximum(volumes, 1.0)
    at_own = np.zeros(len(profile))
    own = np.flatnonzero(profile)
    at_own[own] = profile[own] * volumes[own] ** -exponent
    at_users = matrix.gather(at_own, None if standing is None else standing > 0)
    at_users *= power(matrix.volumes, -exponent)
    if standing is not None:
        at_users *= standing
    at_items = matrix.spread(at_users)
    at_items *= volumes**-parameters.open_popularity_exponent
    return at_items


def lifted(
    scores: NDArray[np.float64], evidence: NDArray[np.float64], gain: float
) -> NDArray[np.float64]:
    """Lift what trust has found by open evidence.

    Args:
        scores: float64[items]; s, 0 for what trust has not found.
        evidence: float64[items], at least 0.
        gain: C, at least 1.

    Returns:
        float64[items], from s to C s.
    """
    largest = evidence.max(initial=0.0, where=scores > 0)
    if not largest > 0:
        return scores
    result: NDArray[np.float64] = scores * (
        1.0 + (gain - 1.0) * np.minimum(evidence / largest, 1.0)
    )
    return result


def power(base: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return base^exponent, and 0 where the base is 0."""
    result = np.zeros(len(base))
    return np.power(base, exponent, out=result, where=base > 0)

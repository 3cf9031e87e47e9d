"""Open evidence: what everybody of standing in the window does.

It never introduces an item. It only lifts, by a bounded factor, what trust has already found:

    score(j) = s(j) (1 + (C - 1) o(j)),  0 <= o(j) <= 1

So identities without trust gain nothing for an item that trust does not reach, and at most the
factor C for one that it does; and they cannot push an honest item below s.

o(j) is what a linear model expects of ego, divided by its maximum over the candidates. From ego's
own items and nothing else it predicts who holds j, by ridge regression over the identities, each
counted with c(v) W(v)^-a, c(v) in [0, 1] its standing (`tastemesh.reputation`):

    o(j) = V(j)^-b max(0, sum_v c(v) W(v)^-a w(v, j) sum_i x(i) w(v, i) k(v, i, j))
    x    = (G + lambda)^-1 own,   G(i, i') = sum_v c(v) W(v)^-a w(v, i) w(v, i')
    V(j) = max(1, sum_v c(v) w(v, j))

That is EASE (Steck, WWW 2019) cut down to what one ego asks: the same regression with ego's items
as its only features, so that what is solved is as wide as ego's list and not as the catalogue.
Without x it would be the walk of RP3beta (Paudel et al., TiiS 2017), whose discounts it keeps; x
makes items that the same people hold count for little more than one of them.

k is 1 where v took up j no earlier than i, and `open_backward` otherwise: someone who is behind the
others wants what they took up next. Identities without standing change nothing.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.ranking.forward import spread_forward
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters

# Own items that the regression asks about: with taste halving every 20 items, 64 are nine tenths of
# it. 32, 64 and 128 differ by less than the error on MovieLens and on Last.fm tags (measured).
FEATURE_LIMIT = 64

# Terms of both signs that cancel leave rounding, which is no evidence.
ROUNDING = 1e-9


def open_walk(
    matrix: HoldingMatrix,
    profile: NDArray[np.float64],
    parameters: SalsaParameters,
    standing: NDArray[np.float64] | None = None,
    taken_s: NDArray[np.int32] | None = None,
) -> NDArray[np.float64]:
    """Predict what ego takes up from what everybody of standing holds beside ego's items.

    Args:
        matrix: who holds what.
        profile: float64[items]; ego's taste.
        parameters: exponents, doubt and direction.
        standing: float64[users] in [0, 1]; c, ego's own rows at 0. Default: 1 for everybody, as
            where nothing is known.
        taken_s: int32; when each entry of `matrix.reference.by_user` was taken up, in seconds.
            Default: all at one time.

    Returns:
        float64[items], at least 0; o before it is divided by its maximum.
    """
    own, taste = features(np.flatnonzero(profile).astype(np.int32), profile[profile != 0.0])
    heard = np.ones(matrix.shape[0]) if standing is None else standing
    voices = heard * power(matrix.volumes, -parameters.open_exponent)
    shared: sp.csr_array = matrix.reference.by_user[:, own].astype(np.float64) * matrix.scale
    gram = (shared.T.multiply(voices) @ shared).toarray()
    gram[np.diag_indices_from(gram)] += parameters.open_doubt
    at_own = np.zeros(len(profile))
    at_own[own] = np.linalg.solve(gram, taste)
    at_users = matrix.gather(at_own, heard > 0) * voices
    at_items = matrix.spread(at_users)
    if taken_s is not None and parameters.open_backward < 1.0:
        onward = spread_forward(
            matrix.reference.by_user, taken_s, at_own, voices, compiled=matrix.compiled
        )
        at_items *= parameters.open_backward
        at_items += (1.0 - parameters.open_backward) * onward * matrix.scale**2
    at_items[at_items <= ROUNDING * np.abs(at_users).max(initial=0.0)] = 0.0
    volumes = np.maximum(matrix.spread(heard), 1.0)
    at_items *= volumes**-parameters.open_popularity_exponent
    return at_items


def features(
    own: NDArray[np.int32], taste: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the own items that say most, and how much each says.

    Args:
        own: numbers, rising.
        taste: float64[len(own)]; above 0.

    Returns:
        At most `FEATURE_LIMIT` of them, rising; of equals the lower numbers.
    """
    if len(own) <= FEATURE_LIMIT:
        return own, taste
    strongest = np.sort(np.argsort(-taste, kind="stable")[:FEATURE_LIMIT])
    return own[strongest], taste[strongest]


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

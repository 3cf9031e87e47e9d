"""What to show to a user whom trust does not help yet. Nothing here is anchored: mark it.

An ego that has endorsed nobody has two signals, and each alone is open to attack: taste similarity
to identities that copied its history, adoption to identities that happened to be early with what is
popular. An item is therefore only as good as the weaker of the two says:

    score(j) = min(u(j), 3 e(j))

u and e are the ranking's votes with trust in proportion to cosine similarity squared, and to what
the caller derives from adoption (`tastemesh.reputation`), each divided by its maximum. The first is
lifted by open evidence, and the further ego is behind the others the more that listens only to what
they took up after what they share with ego: as much of it as ego is behind. Measured on two
validation parts of MovieLens, split by each user's time: NDCG@10 .137 and .138 without regard to
order, .167 and .165 with it, .170 and .164 with it for everybody alike; on Last.fm tags split by
one moment, where hardly anybody is behind, order is worth nothing. Below thirty holders that
evidence makes less of an item's being rare: where most are held by a handful, how few says little
(ADR 12).

Of what they know nothing of, what many distinct authors hold comes behind: whoever is followed may
hold little, and a list of one item was worth less than that (FilmTrust, where every sixth list was
shorter than ten: those lists' NDCG@10 was .16, that of what many hold .39).
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.ranking.contacts import POOL, ContactTrust
from tastemesh.ranking.evidence import open_walk
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.products import entries
from tastemesh.ranking.salsa import others_heard, rank

# Measured on MovieLens; eta below 1, because with trust in proportion to likeness an item that few
# hold should not send all it has to them. Gains of open evidence of 5, 10 and 20 differ by less
# than the error; the least lets strangers move the least.
EXPLORATION = SalsaParameters(
    rho=1.0, kappa=0.001, eta=0.6, theta=0.3, popularity_exponent=0.3, open_gain=5.0
)
_ADOPTION_RHO = 0.99
_FEW = 30.0  # up to so many holders popularity is discounted by another exponent, ADR 12
_FEW_EXPONENT = 0.2
_ADOPTION_GAIN = 3.0  # measured: 1, 3 and 10 differ little; below, adoption alone decides


def similarity_trust(matrix: HoldingMatrix, egos: Sequence[int]) -> NDArray[np.float64]:
    """Return trust in proportion to cosine similarity squared. Whoever copies ego has it.

    Args:
        matrix: who holds what.
        egos: ego's user numbers, public and private; -1 is skipped.

    Returns:
        float64[users] summing to 1, or to 0 where nobody shares anything with ego.
    """
    own = np.zeros(matrix.shape[1])
    for ego in egos:
        if ego >= 0:
            items, weights = matrix.row(ego)
            own[items] = np.maximum(own[items], weights)
    squares = matrix.reference.by_user.power(2) @ np.full(matrix.shape[1], matrix.scale**2)
    shared = np.square(matrix.gather(own))
    alike: NDArray[np.float64] = np.zeros_like(shared)
    np.divide(shared, squares, out=alike, where=squares > 0)
    alike[[ego for ego in egos if ego >= 0]] = 0.0
    total = float(alike.sum())
    if total > 0:
        alike /= total
    return alike


def heard_holders(matrix: HoldingMatrix, heard: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many of those heard hold each item.

    Args:
        matrix: who holds what.
        heard: float64[users]; 0 for whom ego does not hear, 1 for others.

    Returns:
        float64[items].
    """
    weights = matrix.reference
    silent = entries(weights.by_user.indptr, np.flatnonzero(heard == 0.0))
    unheard = np.bincount(weights.by_user.indices[silent], minlength=matrix.shape[1])
    return (np.diff(weights.by_item.indptr) - unheard).astype(np.float64)


def explore(
    matrix: HoldingMatrix,
    adoption: NDArray[np.float64],
    egos: Sequence[int],
    profile: NDArray[np.float64],
    standing: NDArray[np.float64] | None = None,
    taken_s: NDArray[np.int32] | None = None,
    behind: float = 0.0,
) -> NDArray[np.float64]:
    """Score items for an ego that endorses nobody.

    Args:
        matrix: who holds what.
        adoption: float64[users], at least 0; how far ego follows each user, luck filtered out.
        egos: ego's user numbers, public and private; -1 is skipped.
        profile: float64[items]; ego's taste, summing to 1 or 0.
        standing: float64[users]; 0 for whom ego does not want to hear, 1 for others. Default: 1.
        taken_s: as for `tastemesh.ranking.salsa.rank`.
        behind: how much of what the others did came after ego's last, 0 to 1.

    Returns:
        float64[items], at least 0; for `tastemesh.ranking.slate.cut` as `unverified`.
    """
    heard = np.ones(matrix.shape[0]) if standing is None else standing
    timely = msgspec.structs.replace(EXPLORATION, open_backward=1.0 - behind)
    evidence = _evidence(matrix, heard, egos, profile, timely, taken_s)
    alike = _votes(matrix, similarity_trust(matrix, egos), heard, egos, profile, timely, evidence)
    early = msgspec.structs.replace(EXPLORATION, rho=_ADOPTION_RHO, open_gain=1.0)
    followed = _votes(matrix, adoption, heard, egos, profile, early)
    scores = np.minimum(alike, _ADOPTION_GAIN * followed)
    return _filled(scores, matrix, heard, egos)


def explore_beside(
    matrix: HoldingMatrix,
    egos: Sequence[int],
    profile: NDArray[np.float64],
    standing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Score what everybody holds beside some items, for an ego that endorses nobody.

    Whom ego has followed says nothing about items that it may not hold, so anybody is heard.

    Args:
        matrix: who holds what.
        egos: as for `explore`.
        profile: float64[items]; the items, summing to 1 or less.
        standing: as for `explore`.

    Returns:
        As `explore`.
    """
    evidence = _evidence(matrix, standing, egos, profile, EXPLORATION, None)
    return _filled(evidence, matrix, standing, egos)


def _evidence(
    matrix: HoldingMatrix,
    heard: NDArray[np.float64],
    egos: Sequence[int],
    profile: NDArray[np.float64],
    parameters: SalsaParameters,
    taken_s: NDArray[np.int32] | None,
) -> NDArray[np.float64]:
    """Return open evidence, popularity discounted less where few hold an item."""
    others = others_heard(heard, egos, len(heard))
    plain = msgspec.structs.replace(parameters, open_popularity_exponent=0.0)
    volumes = np.maximum(matrix.spread(others), 1.0)
    discount = np.maximum(volumes, _FEW) ** -parameters.open_popularity_exponent
    discount *= np.minimum(volumes, _FEW) ** -_FEW_EXPONENT
    result: NDArray[np.float64] = open_walk(matrix, profile, plain, others, taken_s) * discount
    return result


def _filled(
    scores: NDArray[np.float64],
    matrix: HoldingMatrix,
    heard: NDArray[np.float64],
    egos: Sequence[int],
) -> NDArray[np.float64]:
    """Score what is unknown by how many hold it, below everything that is known."""
    holders = heard_holders(matrix, heard)
    for ego in egos:
        if ego >= 0:
            holders[matrix.row(ego)[0]] = 0.0
    is_known = scores > 0
    if not is_known.any():
        return holders
    least = float(scores[is_known].min())
    return np.where(is_known, scores, least * holders / (holders.max() + 1.0))


def _votes(
    matrix: HoldingMatrix,
    trust: NDArray[np.float64],
    heard: NDArray[np.float64],
    egos: Sequence[int],
    profile: NDArray[np.float64],
    parameters: SalsaParameters,
    evidence: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the items' scores under some trust in those heard, divided by their maximum."""
    trust = trust * heard
    total = trust.sum()
    shares = sp.csr_array((trust / total if total > 0 else trust)[None, :])
    pool = ContactTrust((POOL,), shares)
    scores = rank(matrix, pool, egos, parameters, profile=profile, evidence=evidence).items
    largest = scores.max(initial=0.0)
    return scores / largest if largest > 0 else scores

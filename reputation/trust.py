"""Trust: endorsement mass, tilted by bounded adoption, by the contact through which it came.

    tau_c(v) ~ m_c(v) d(v) (1 + (M - 1) min(1, adoption(v) / a_ref))

m_c is the mass of the walks that left ego through contact c, d in [1 - beta, 1] what is left of it
for dependence on single introducers. Only endorsements make trust: m enters linearly, and the rest
is a factor between 1 - beta and M. So before it is normalised, the trust of any set of identities
is at most M times its endorsement mass, however it splits (`tests/reputation/test_trust.py`).

a_ref is the adoption below which `REFERENCE_SHARE` of the mass lies of those whom ego follows at
all. It is a quantile of mass and not of identities: else identities of little mass, but many, could
move it.
"""

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.contacts import Shares
from tastemesh.reputation.introducers import connectivity_decay
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.walks import WalkMass


class TrustParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How endorsements become trust.

    "measured" is ndcg@10 on three earlier cutoffs of Last.fm's tags (friends as endorsements), and
    exposure@10 to an attacker with one edge from an honest identity, two steps from ego, who copies
    the histories around him; docs/adr/0009-trust-defaults.md has the table.

    Attributes:
        walks: of the walks. Stopping with .15 instead of .3 reaches more of the honest (ndcg +.003
            to +.005, measured); what lies behind one edge can have (1 - alpha)/alpha = 5.7 times
            the mass of who stands at its end instead of 2.3 times, which beta and the combination
            of contacts more than make up for.
        beta: connectivity decay, 0 (none) to 1. .8 costs .001 to .002 of ndcg, within the error,
            and takes exposure two steps away from .018 to .004 (measured).
        multiplier: M, the most by which adoption lifts trust; 1 (not at all) to 100. 1, 2, 3 and 5
            differ by less than the error (measured), so 2: rejections still cost those who carried
            the item, and the bound stays small.
        reference_share: share of the mass of those followed that lies below a_ref, 0 to 1; .5 and
            .9 do not differ (measured).
        reference_mass: m_ref of `tastemesh.reputation.standing`, above 0, at most 1: 3 of 10,000
            walks. .0001 to .001 differ by less than the error (measured).
    """

    walks: WalkParameters = WalkParameters(alpha=0.15, walk_count=10_000)
    beta: float = 0.8
    multiplier: float = 2.0
    reference_share: float = 0.9
    reference_mass: float = 0.0003

    def __post_init__(self) -> None:
        for name, low, high in (
            ("beta", 0.0, 1.0),
            ("multiplier", 1.0, 100.0),
            ("reference_share", 0.0, 1.0),
            ("reference_mass", 1e-9, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} {value}; expected {low:g} to {high:g}")


def endorsed_mass(walks: WalkMass, beta: float) -> Shares:
    """Return m_c(v) d(v): CSR float64, shape [contacts, identities].

    Args:
        walks: the counted walks from ego.
        beta: connectivity decay, 0 to 1.
    """
    if beta == 0.0:
        return walks.contact_mass
    return scaled_columns(walks.contact_mass, connectivity_decay(walks, beta=beta))


def tilted(mass: Shares, adoption: NDArray[np.float64], parameters: TrustParameters) -> Shares:
    """Tilt endorsement mass by adoption.

    Args:
        mass: CSR [contacts, identities]; `endorsed_mass`.
        adoption: float64[identities], at least 0.
        parameters: multiplier and reference.

    Returns:
        CSR [contacts, identities]; trust before it is normalised, from mass to M times mass.
    """
    total = np.bincount(mass.indices, mass.data, mass.shape[1]).astype(np.float64)
    reference = _reference(adoption, total, parameters.reference_share)
    if reference == 0.0:
        return mass
    lift = 1.0 + (parameters.multiplier - 1.0) * np.minimum(1.0, adoption / reference)
    return scaled_columns(mass, lift)


def scaled_columns(matrix: Shares, factors: NDArray[np.float64]) -> Shares:
    """Return a sparse matrix with each column multiplied by a factor."""
    arrays = (matrix.data * factors[matrix.indices], matrix.indices, matrix.indptr)
    result: Shares = sp.csr_array(arrays, shape=matrix.shape)
    return result


def _reference(adoption: NDArray[np.float64], mass: NDArray[np.float64], share: float) -> float:
    """Return a_ref, 0 where ego follows nobody who has mass."""
    followed = np.flatnonzero((adoption > 0) & (mass > 0))
    if not len(followed):
        return 0.0
    order = followed[np.argsort(adoption[followed], kind="stable")]
    reached = np.cumsum(mass[order])
    at = int(np.searchsorted(reached, share * reached[-1]))
    return float(adoption[order[min(at, len(order) - 1)]])

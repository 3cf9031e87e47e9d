"""Trust-anchored personalised SALSA, exact, by sparse products.

SALSA (Lempel and Moran 2001) walks between hubs and authorities, here users and items; GraphJet
(Sharma et al., PVLDB 2016) restarts it at the asking user. Here trust anchors every step:

    start      ego has rho of the mass, the others (1 - rho) tau
    to items   a(i) = ego's mass * profile(i) + sum_v h(v) w(v, i) / W(v)^theta
    to users   h'(v) = tau(v) sum_i a(i) w(v, i) / (kappa + D(i)),  D(i) = sum_v w(v, i) tau(v)
    return     what no user takes goes back to the start
    decay      round r is scaled to a mass of (1 - alpha)^r

H is the users' mass summed over the rounds, and an item's score what H gives it:

    s_c(i) = sum_v H(v) tau_c(v)/tau(v) w(v, i) / W(v)^theta    for each contact c
    score(i) = (sum_c s_c(i)^q)^(1/q) / (kappa + D(i))^p

Every round's mass at a user is tau times something, so whoever has no trust has no say, and tau's
split by contact carries over to the scores. `tastemesh.ranking.influence` has the bound.

Nothing is iterated to convergence: the rounds are few and exact, so there is no residual.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.contacts import ContactTrust
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters


class Scores(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a ranking found, over the number spaces of its matrix.

    Attributes:
        items: float64[items]; at least 0. Ego's own items have scores too.
        hub_mass: float64[users]; H, mass at each user summed over the rounds.
        outflow: float64[users]; W^-theta, 0 where a user holds nothing.
        trust: the trust that was used, ego's own rows at 0.
    """

    items: NDArray[np.float64]
    hub_mass: NDArray[np.float64]
    outflow: NDArray[np.float64]
    trust: ContactTrust


def rank(
    matrix: HoldingMatrix,
    trust: ContactTrust,
    egos: Sequence[int],
    parameters: SalsaParameters = SalsaParameters(),  # noqa: B008 - frozen
    *,
    profile: NDArray[np.float64] | None = None,
) -> Scores:
    """Score every item for ego.

    Args:
        matrix: who holds what.
        trust: ego's trust by contact; for at most as many users as the matrix has.
        egos: ego's user numbers, public and private; -1 is skipped. Trust in them is ignored.
        parameters: how mass moves.
        profile: float64[items], at least 0; how much of ego's mass goes to each item, scaled to a
            sum of 1. Default: ego's own weights.

    Returns:
        The scores, and what explains them.

    Raises:
        UsageError: sizes do not fit.
    """
    user_count, item_count = matrix.shape
    if trust.shares.shape[1] > user_count:
        raise UsageError(f"trust in {trust.shares.shape[1]} users; expected at most {user_count}")
    trust = trust.without(egos, user_count)
    own = own_profile(matrix, egos) if profile is None else profile
    if own.shape != (item_count,):
        raise UsageError(f"profile of shape {own.shape}; expected ({item_count},)")
    tau = trust.tau
    held = matrix.spread(tau)
    outflow = _outflow(matrix.volumes, parameters.theta)
    hub_mass = _propagate(matrix, tau, held, outflow, own, parameters)
    items = _combine(matrix, trust, hub_mass, outflow, parameters)
    if parameters.popularity_exponent:
        items /= (parameters.kappa + held) ** parameters.popularity_exponent
    return Scores(items=items, hub_mass=hub_mass, outflow=outflow, trust=trust)


def own_profile(matrix: HoldingMatrix, egos: Sequence[int]) -> NDArray[np.float64]:
    """Return ego's own weights, merged over its user numbers.

    Args:
        matrix: who holds what.
        egos: user numbers; -1 is skipped.

    Returns:
        float64[items] in [0, 1].
    """
    profile = np.zeros(matrix.shape[1])
    for ego in egos:
        if ego >= 0:
            items, weights = matrix.row(ego)
            profile[items] += weights
    return np.minimum(profile, 1.0, out=profile)


def _outflow(volumes: NDArray[np.float64], theta: float) -> NDArray[np.float64]:
    """Return W^-theta, 0 where a user holds nothing."""
    outflow = np.zeros(len(volumes))
    return np.power(volumes, -theta, out=outflow, where=volumes > 0)


def _propagate(
    matrix: HoldingMatrix,
    tau: NDArray[np.float64],
    held: NDArray[np.float64],
    outflow: NDArray[np.float64],
    own: NDArray[np.float64],
    parameters: SalsaParameters,
) -> NDArray[np.float64]:
    """Return H, the users' mass summed over the rounds."""
    own_total = own.sum()
    rho = parameters.rho if own_total > 0 else 0.0
    own = own / own_total if own_total > 0 else own
    start = (1.0 - rho) * tau
    ego_mass, mass = rho, start
    total = mass.copy()
    for number in range(1, parameters.rounds):
        at_items = matrix.spread(mass * outflow)
        at_items += ego_mass * own
        given = at_items.sum()
        if not given > 0:
            break
        taken = tau * matrix.gather(at_items / (parameters.kappa + held))
        returned = given - taken.sum()
        scale = (1.0 - parameters.alpha) ** number / given
        ego_mass = scale * returned * rho
        mass = scale * (taken + returned * start)
        total += mass
    return total


def _combine(
    matrix: HoldingMatrix,
    trust: ContactTrust,
    hub_mass: NDArray[np.float64],
    outflow: NDArray[np.float64],
    parameters: SalsaParameters,
) -> NDArray[np.float64]:
    """Return the items' scores, contacts combined."""
    exponent = parameters.contact_exponent
    if exponent == 1.0:
        return matrix.spread(hub_mass * outflow)
    tau = trust.tau
    rate = np.divide(hub_mass * outflow, tau, out=np.zeros_like(tau), where=tau > 0)
    combined = np.zeros(matrix.shape[1])
    for row in range(len(trust.contacts)):
        share = np.zeros(len(tau))
        span = slice(trust.shares.indptr[row], trust.shares.indptr[row + 1])
        share[trust.shares.indices[span]] = trust.shares.data[span]
        combined += matrix.spread(share * rate) ** exponent
    return combined ** (1.0 / exponent)

"""Trust-anchored personalised SALSA, exact, by sparse products.

SALSA (Lempel and Moran, 2001) walks between hubs and authorities, here users and items; GraphJet
(Sharma et al., PVLDB 2016) restarts it at the asking user. Here trust anchors every step. `own` is
ego's profile, tau its trust, w(v, i) the weight with which v holds i, W(v) the sum of v's weights:

    start      ego has rho of the mass, the others (1 - rho) tau
    to items   a(i) = ego's mass * own(i) + sum_v h(v) w(v, i) / W(v)
    to users   v takes a(i) tau(v) w(v, i) / (kappa + D(i))^eta,  D(i) = sum_v tau(v) w(v, i)
    return     what no user takes goes back to the start
    decay      round r counts (1 - alpha)^r

H is the users' mass summed over the rounds. It votes for items, each contact c of ego apart:

    s_c(j)   = sum_v H(v) tau_c(v)/tau(v) w(v, j) / W(v)^theta
    score(j) = (sum_c s_c(j)^q)^(1/q) (1 + D(j)/kappa)^-p (1 + (C - 1) o(j))

with o the open evidence (`tastemesh.ranking.evidence`). Mass reaches a user in proportion to tau
only, so who has no trust has no say. `tastemesh.ranking.influence` has the bound.

Deviation: SALSA takes eta = theta = 1, kappa = 0, and scores items by their own mass.

The rounds are few and exact. Nothing is iterated to convergence, so there is no residual.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.contacts import ContactTrust
from tastemesh.ranking.evidence import lifted, open_walk, power
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.profile import own_profile


class Scores(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a ranking found, over the number spaces of its matrix.

    Attributes:
        items: float64[items]; at least 0. Ego's own items and those of its taste have 0.
        hub_mass: float64[users]; H, mass at each user summed over the rounds.
        votes: float64[users]; what a holding of weight 1 brings, H(v) / W(v)^theta.
        trust: the trust that was used, ego's own rows at 0.
        passed: float64[items]; mass that each item passed on, summed over the rounds as H is.
        held: float64[items]; D, the trust that holds each item.
        started: mass that was handed out in proportion to trust, summed as H is.
        parameters: what it was made with.
    """

    items: NDArray[np.float64]
    hub_mass: NDArray[np.float64]
    votes: NDArray[np.float64]
    trust: ContactTrust
    passed: NDArray[np.float64]
    held: NDArray[np.float64]
    started: float
    parameters: SalsaParameters


def rank(
    matrix: HoldingMatrix,
    trust: ContactTrust,
    egos: Sequence[int],
    parameters: SalsaParameters = SalsaParameters(),  # noqa: B008 - frozen
    *,
    profile: NDArray[np.float64] | None = None,
    has_profile: bool | None = None,
    evidence: NDArray[np.float64] | None = None,
    standing: NDArray[np.float64] | None = None,
    taken_s: NDArray[np.int32] | None = None,
) -> Scores:
    """Score every item for ego.

    Args:
        matrix: who holds what.
        trust: ego's trust by contact; for at most as many users as the matrix has.
        egos: ego's user numbers, public and private; -1 is skipped. Trust in them is ignored.
        parameters: how mass moves and votes.
        profile: float64[items]; ego's taste, summing to 1, or to less where not all is known of it.
            `tastemesh.ranking.profile.recent_profile` makes the one to use; default: the weights.
        has_profile: whether ego has any taste, though it be for what the matrix has not. Default:
            whether `profile` has.
        evidence: float64[items], at least 0; open evidence of another kind, an item-item model's
            say. Default: `tastemesh.ranking.evidence.open_walk`.
        standing: float64[users] in [0, 1]; how much each is heard in that evidence. Default: 1 for
            everybody, which lets anybody reorder what trust has found, within the bound.
        taken_s: int32; when each entry of `matrix.reference.by_user` was taken up, in seconds.
            Default: all at one time, whatever `open_backward` says.

    Returns:
        The scores, and what explains them.

    Raises:
        UsageError: sizes do not fit.
    """
    user_count, item_count = matrix.shape
    if trust.shares.shape[1] > user_count:
        raise UsageError(f"trust in {trust.shares.shape[1]} users; expected at most {user_count}")
    if standing is not None and standing.shape != (user_count,):
        raise UsageError(f"standing of shape {standing.shape}; expected ({user_count},)")
    if profile is None:
        profile = own_profile(matrix, egos)
    if profile.shape != (item_count,):
        raise UsageError(f"profile of shape {profile.shape}; expected ({item_count},)")
    trust = trust.without(egos, user_count)
    tau = trust.tau
    held = matrix.spread(tau)
    rho = parameters.rho if (profile.any() if has_profile is None else has_profile) else 0.0
    hub_mass, passed, started = _propagate(matrix, tau, held, profile, parameters, rho)
    votes = hub_mass * power(matrix.volumes, -parameters.theta)
    items = _votes_by_item(matrix, trust, votes, parameters)
    items[profile > 0.0] = 0.0
    for ego in egos:
        if ego >= 0:
            items[matrix.row(ego)[0]] = 0.0
    if parameters.popularity_exponent:
        items *= (1.0 + held / parameters.kappa) ** -parameters.popularity_exponent
    if parameters.open_gain > 1.0:
        if evidence is None:
            others = others_heard(standing, egos, user_count)
            evidence = open_walk(matrix, profile, parameters, others, taken_s)
        items = lifted(items, evidence, parameters.open_gain)
    return Scores(
        items=items,
        hub_mass=hub_mass,
        votes=votes,
        trust=trust,
        passed=passed,
        held=held,
        started=started,
        parameters=parameters,
    )


def others_heard(
    standing: NDArray[np.float64] | None, egos: Sequence[int], user_count: int
) -> NDArray[np.float64]:
    """Return everybody's standing but ego's, which tells it nothing new.

    Args:
        standing: float64[users] in [0, 1]; None for 1 for everybody.
        egos: ego's user numbers, public and private; -1 is skipped.
        user_count: n.
    """
    others = np.ones(user_count) if standing is None else standing.copy()
    others[[ego for ego in egos if ego >= 0]] = 0.0
    return others


def _propagate(
    matrix: HoldingMatrix,
    tau: NDArray[np.float64],
    held: NDArray[np.float64],
    profile: NDArray[np.float64],
    parameters: SalsaParameters,
    rho: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return `Scores.hub_mass`, `Scores.passed` and `Scores.started`."""
    start = (1.0 - rho) * tau
    ego_mass, mass = rho, start
    total = start.copy()
    passed = np.zeros(len(held))
    started = 1.0 - rho
    outflow = power(matrix.volumes, -1.0)
    rate = (parameters.kappa + held) ** -parameters.eta
    for number in range(1, parameters.rounds):
        at_items = ego_mass * profile
        if mass.any():
            at_items += matrix.spread(mass * outflow)
        taken = tau * matrix.gather(at_items * rate, tau > 0)
        returned = ego_mass + mass.sum() - taken.sum()
        ego_mass = returned * rho
        mass = taken + returned * start
        weight = (1.0 - parameters.alpha) ** number
        total += weight * mass
        passed += weight * at_items
        started += weight * returned * (1.0 - rho)
    return total, passed, started


def _votes_by_item(
    matrix: HoldingMatrix,
    trust: ContactTrust,
    votes: NDArray[np.float64],
    parameters: SalsaParameters,
) -> NDArray[np.float64]:
    """Return the items' votes, contacts capped and combined."""
    if parameters.contact_exponent == 1.0 and parameters.contact_share_max == 1.0:
        return matrix.spread(votes)
    if parameters.contact_share_max == 1.0:
        tau = trust.tau
        rate = np.divide(votes, tau, out=np.zeros_like(tau), where=tau > 0)
        return matrix.vote(trust.shares, rate, parameters.contact_exponent)
    parts = matrix.spread(trust.split(votes).T)
    return combined(parts.T, parameters)


def combined(parts: NDArray[np.float64], parameters: SalsaParameters) -> NDArray[np.float64]:
    """Combine what each contact brought.

    Where one contact brings more than its share allows, it counts for as much as makes it exactly
    that share: m/(1 - m) times the others together.

    Args:
        parts: float64[contacts, items]; s_c.
        parameters: exponent and cap.

    Returns:
        float64[items]; at most n^(1/q - 1) sum_c s_c, n the contacts that brought something.
    """
    most = parameters.contact_share_max
    if most < 1.0:
        largest = parts.max(axis=0, initial=0.0)
        others = parts.sum(axis=0) - largest
        parts = np.minimum(parts, most / (1.0 - most) * others)
    if parameters.contact_exponent == 1.0:
        total: NDArray[np.float64] = parts.sum(axis=0)
        return total
    exponent = parameters.contact_exponent
    result: NDArray[np.float64] = (parts**exponent).sum(axis=0) ** (1.0 / exponent)
    return result

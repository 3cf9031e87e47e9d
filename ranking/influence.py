r"""What identities can get out of a ranking, by the trust they have; proofs in docs/theory.md.

Let A be any identities, epsilon the sum of ego's trust in them, however many they are and whatever
they and their holdings look like. Write R for the rounds, n for the contacts that lead to A, and

    c = epsilon / (kappa + epsilon)^eta

Theorem 1 (no gain from identities). The mass of A over all rounds is at most

    H(A) <= (1 - rho) epsilon + sum_{r=1}^{R-1} (1 - alpha)^r (c + (1 - c)(1 - rho) epsilon)

and an item that only A holds scores at most C n^(1/q - 1) H(A). In a given graph, a(i) being what
item i passes on over the rounds and b what is handed out in proportion to trust,

    H(A) <= b epsilon + sum_i a(i) min(epsilon, D(i)) / (kappa + D(i))^eta

which is less by far, as most items that ego holds are held by more trust than A has. That is as
things are held now. Whatever A holds next, where at most two rounds are made,

    H(A) <= b' epsilon + sum_i a(i) epsilon / (kappa + max(epsilon, D(i)))^eta
            + (1 - alpha) (1 - rho) epsilon c

with b' what would be handed out if nothing were taken.

Proof idea. Of the mass that leaves an item, A captures x/(kappa + D)^eta with x <= D and
x <= epsilon, because weights are at most 1; that is at most c. What is returned reaches A in
proportion to trust, (1 - rho) epsilon of it. A vote carries w/W^theta <= 1 of a user's mass, as
w <= min(1, W). The popularity discount is at most 1, open evidence at most C, and a sum of n powers
at most n^(1/q - 1) times the sum (power means).

Theorem 2 (no burial), for eta = 1. Whatever A does, an item that ego's other trust found keeps at
least

    (kappa/(kappa + epsilon))^(R - 1 + p) / C

of the score that it has if A has no trust at all (and the others have what they have), as long as
no contact is capped.

Both hold for any graph; `tests/ranking/test_influence.py` tries them on arbitrary ones.
"""

from math import fsum

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.salsa import Scores

_BISECTIONS = 53  # to 10^-16: where kappa is least, the bound rises a million times as fast
_ROUNDING = 1e-9  # a sum of trust may exceed 1 by this much


def hub_bound(epsilon: float, parameters: SalsaParameters, *, has_profile: bool = True) -> float:
    """Return the most mass that identities can gather over all rounds.

    Args:
        epsilon: ego's trust in all of them, 0 to 1.
        parameters: of the ranking.
        has_profile: whether ego holds anything; if not, all mass starts at trust (rho = 0).

    Returns:
        At least 0; the whole mass of all rounds is at most 1/alpha.

    Raises:
        UsageError: epsilon is out of range.
    """
    epsilon = _checked(epsilon)
    started = (1.0 - parameters.rho if has_profile else 1.0) * epsilon
    captured = epsilon / (parameters.kappa + epsilon) ** parameters.eta
    each_round = captured + (1.0 - captured) * started
    decay = 1.0 - parameters.alpha
    bound: float = started + each_round * fsum(
        decay**number for number in range(1, parameters.rounds)
    )
    return bound


def sybil_bound(
    epsilon: float,
    parameters: SalsaParameters,
    *,
    contacts: int = 1,
    has_profile: bool = True,
) -> float:
    """Return the most that an item can score which only certain identities hold.

    Args:
        epsilon: ego's trust in all of them, 0 to 1.
        parameters: of the ranking.
        contacts: how many of ego's contacts lead to them, at least 1.
        has_profile: whether ego holds anything.

    Returns:
        At least 0, comparable with `Scores.items`.

    Raises:
        UsageError: a value is out of range.

    >>> sybil_bound(0.0, SalsaParameters())
    0.0
    """
    return _gain(parameters, contacts) * hub_bound(epsilon, parameters, has_profile=has_profile)


def sybil_bound_here(epsilon: float, scores: Scores, *, contacts: int = 1) -> float:
    """Return the same for the graph that was ranked, whichever of its identities are hostile.

    Args:
        epsilon: ego's trust in all of them, 0 to 1.
        scores: of the ranking.
        contacts: how many of ego's contacts lead to them, at least 1.

    Returns:
        At most what `sybil_bound` gives.

    Raises:
        UsageError: a value is out of range.
    """
    epsilon = _checked(epsilon)
    parameters = scores.parameters
    taken = np.minimum(scores.held, epsilon) / (parameters.kappa + scores.held) ** parameters.eta
    mass = scores.started * epsilon + float(scores.passed @ taken)
    return _gain(parameters, contacts) * mass


def sybil_bound_by_contact(shares: NDArray[np.float64], scores: Scores) -> float:
    """Return the same where it is known how much of that trust came through which contact.

    Of what an item passes on, identities that contact c trusts with e_c capture at most
    min(e_c, D(i))/(kappa + D(i))^eta for it; so uneven contacts combine to less than equal ones.

    Args:
        shares: float64[contacts]; ego's trust in the identities by contact, 0 to 1 in all.
        scores: of the ranking.

    Returns:
        At most what `sybil_bound_here` gives for as many contacts as have a share.

    Raises:
        UsageError: a value is out of range.
    """
    shares = shares[shares > 0]
    if not len(shares):
        return 0.0
    parameters = scores.parameters
    every = sybil_bound_here(float(shares.sum()), scores, contacts=len(shares))
    held = scores.held
    rate = scores.passed / (parameters.kappa + held) ** parameters.eta
    parts = np.array(
        [scores.started * share + float(rate @ np.minimum(held, share)) for share in shares]
    )
    exponent = parameters.contact_exponent
    apart = parameters.open_gain * float(np.sum(parts**exponent) ** (1.0 / exponent))
    return min(every, apart)


def sybil_bound_next(
    epsilon: float, scores: Scores, *, contacts: int = 1, has_profile: bool = True
) -> float:
    """Return the same for whatever these identities hold next, the others holding what they do.

    Args:
        epsilon: ego's trust in all of them, 0 to 1, now and then.
        scores: of the ranking now.
        contacts: how many of ego's contacts may lead to them, at least 1.
        has_profile: whether ego holds anything.

    Returns:
        At most what `sybil_bound` gives.

    Raises:
        UsageError: a value is out of range.
    """
    return _next(epsilon, _Rates(scores), scores.parameters, contacts, has_profile)


class _Rates:
    """sum_i a(i) (kappa + max(epsilon, D(i)))^-eta, for one epsilon after the other.

    Items stand in the order of the trust that holds them: a bisection asks fifty times, which takes
    57 ms over 86,000 items, and 8 where each time a place is looked up (measured).
    """

    def __init__(self, scores: Scores) -> None:
        found = np.flatnonzero(scores.passed)
        found = found[np.argsort(scores.held[found])]
        passed, self._held = scores.passed[found], scores.held[found]
        self._kappa, self._eta = scores.parameters.kappa, scores.parameters.eta
        self._below = np.zeros(len(found) + 1)  # what passes items of less trust than each place's
        passed.cumsum(out=self._below[1:])
        rates = passed * (self._kappa + self._held) ** -self._eta
        self._above = np.zeros(len(found) + 1)
        rates[::-1].cumsum(out=self._above[-2::-1])

    def at(self, epsilon: float) -> float:
        place = int(self._held.searchsorted(epsilon))
        alike: float = self._below[place] * (self._kappa + epsilon) ** -self._eta
        return alike + float(self._above[place])


def _next(
    epsilon: float, rates: _Rates, parameters: SalsaParameters, contacts: int, has_profile: bool
) -> float:
    epsilon = _checked(epsilon)
    mass = hub_bound(epsilon, parameters, has_profile=has_profile)
    if parameters.rounds <= 2:
        decay = 1.0 - parameters.alpha
        started = (1.0 - parameters.rho if has_profile else 1.0) * epsilon
        taken = epsilon * rates.at(epsilon)
        if parameters.rounds == 2:
            captured = epsilon / (parameters.kappa + epsilon) ** parameters.eta
            started *= 1.0 + decay + decay * captured
        mass = min(mass, started + taken)
    return _gain(parameters, contacts) * mass


def trust_needed(
    score: float, scores: Scores, *, contacts: int = 1, has_profile: bool = True
) -> float:
    """Return the least trust with which identities could give an item of theirs a score.

    As long as ego's trust in all hostile identities together is less, no item that only they hold
    has this score, say that of the last item on a list, whatever they hold.

    Args:
        score: at least 0.
        scores: of the ranking now.
        contacts: how many of ego's contacts may lead to them, at least 1.
        has_profile: whether ego holds anything.

    Returns:
        In [0, 1]; 1 where even all trust would not do.
    """
    low, high = 0.0, 1.0
    rates = _Rates(scores)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        bound = _next(middle, rates, scores.parameters, contacts, has_profile)
        low, high = (middle, high) if bound < score else (low, middle)
    return low


def share_kept(epsilon: float, parameters: SalsaParameters) -> float:
    """Return how much of any score identities must leave (theorem 2).

    Args:
        epsilon: ego's trust in all of them, 0 to 1.
        parameters: of the ranking.

    Returns:
        In [0, 1]; 0 where the theorem does not apply (eta below 1, contacts capped).

    Raises:
        UsageError: epsilon is out of range.
    """
    epsilon = _checked(epsilon)
    if parameters.eta < 1.0 or parameters.contact_share_max < 1.0:
        return 0.0
    left = parameters.kappa / (parameters.kappa + epsilon)
    power = parameters.rounds - 1 + parameters.popularity_exponent
    kept: float = left**power / parameters.open_gain
    return kept


def _gain(parameters: SalsaParameters, contacts: int) -> float:
    """Return by how much a score can exceed the mass behind it."""
    if contacts < 1:
        raise UsageError(f"contacts {contacts}; expected at least 1")
    if contacts == 1 and parameters.contact_share_max < 1.0:
        return 0.0  # one contact alone exceeds any share
    spread: float = contacts ** (1.0 / parameters.contact_exponent - 1.0)
    return parameters.open_gain * spread


def _checked(epsilon: float) -> float:
    if not 0.0 <= epsilon <= 1.0 + _ROUNDING:
        raise UsageError(f"epsilon {epsilon}; expected 0 to 1")
    return min(epsilon, 1.0)

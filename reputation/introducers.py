"""Connectivity decay, smooth: how many independent introducers an identity has.

MeritRank's beta (BRAINS 2022, arXiv 2207.09950) cuts an identity's score to 1 - beta where nearly
all walks to it pass one other identity. Its threshold (99 to 100 %) is a cliff: with a second
attack edge to a second identity of his the attacker is below it and keeps everything (meritrank
research, 5.2: 1 of 20 such attacks was caught).

Deviation: the decay here is continuous. Two concentrations of the walks that reach v:

    H(v) = sum of s_k^2, s_k the share of v's hits that left ego through its contact k;
    r(v) = largest share of the walks to v that had passed one and the same identity,
           contact or not, ego and v excepted (MeritRank's own ratio).

    effective introducers N(v) = 1 / max(H(v), r(v)^2)
    d(v) = 1 - beta + beta (1 - 1/N(v)) = 1 - beta max(H(v), r(v)^2)

r^2 is what the sum of squared shares comes to when everything that does not pass the most used
identity is taken as perfectly spread: a lower bound for any way to name introducers. H sees an
attacker who splits himself over many identities behind few contacts. r sees the one bridge that
many contacts lead to, which H takes for many introducers. Measured on Last.fm's friends and
Bitcoin OTC (39 attacks by 20 Sybils over 1 to 5 attack edges; mass-weighted mean d at beta .8):
Sybils .20 to .36 by H alone and .20 to .23 by both, everybody else .01 to .02 lower by both.

What holds (`tests/reputation/test_introducers.py`):

- 1 - beta <= d <= 1: it lifts nobody, and with the fixed divisor of `tastemesh.reputation.walks`
  and v's own walks as the only input, what one identity loses no other gains;
- whoever the published rule cuts at threshold t has d <= 1 - beta t^2 here;
- behind m equal and independent introducers, d = 1 - beta/m;
- hits straight from ego depend on nobody: d = 1 for a contact that is reached in no other way.

Few hits need no extra rule: an identity that one introduced walk met has N = 1.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.compiling import is_compiled
from tastemesh.reputation.walks import WalkMass

# Web3Recommend (arXiv 2307.01411): .8 takes 4/5 of a one-entry attacker's mass and leaves the list
# of results as similar to the one without decay as a second run of the walks does.
BETA = 0.8


def connectivity_decay(walks: WalkMass, *, beta: float = BETA) -> NDArray[np.float64]:
    """d(v): the factor for v's mass.

    Args:
        walks: the counted walks from ego; n identities.
        beta: what dependence on one introducer costs, 0 (no decay) to 1.

    Returns:
        float64[n] in [1 - beta, 1]; 1 where no walk came.

    Raises:
        UsageError: beta is outside [0, 1].
    """
    if not 0.0 <= beta <= 1.0:
        raise UsageError(f"beta {beta}; expected 0 to 1")
    return 1.0 - beta * _dependence(walks)


def contact_concentration(walks: WalkMass) -> NDArray[np.float64]:
    """H(v): the sum of squared shares of v's hits by contact; direct hits count to no contact.

    Args:
        walks: the counted walks from ego; n identities.

    Returns:
        float64[n] in [0, 1]; 0 where no walk came, or all came straight from ego.
    """
    pairs = walks.contact_hits.tocoo()
    contact, node = pairs.coords
    introduced = walks.contacts[contact] != node
    squares = np.bincount(
        node[introduced],
        weights=np.square(pairs.data[introduced], dtype=np.float64),
        minlength=len(walks.hits),
    )
    return squares / np.square(np.maximum(walks.hits, 1), dtype=np.float64)


def bridge_ratio(walks: WalkMass, *, compiled: bool | None = None) -> NDArray[np.float64]:
    """r(v): the largest share of the walks to v that had passed one and the same identity.

    Expected work per walk is up to ((1 - alpha)/alpha)^2 pairs: 5.4 at alpha .3, 81 at .1.

    Args:
        walks: the counted walks from ego; n identities.
        compiled: the numba kernel (True), numpy (False), or whichever is there (None).

    Returns:
        float64[n] in [0, 1]; 0 where no walk came, or none passed anybody.
    """
    count = len(walks.hits)
    walk, node = walks.trace.walk, walks.trace.node
    if not len(walk):  # as at the start of a new node, which is to load no compiler for it
        return np.zeros(count)
    if (np.diff(walk) < 0).any():
        by_walk = np.argsort(walk, kind="stable")
        walk, node = walk[by_walk], node[by_walk]
    if is_compiled(compiled):
        from tastemesh.reputation.bridge_kernel import most_passed

        most = most_passed(walk, node, count)
    else:
        most = _most_passed(walk, node, count)
    return most / np.maximum(walks.hits, 1)


def _most_passed(walk: NDArray[np.int32], node: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return, for each identity, how many walks to it had passed the one that most did.

    Args:
        walk: int32[h], never falling; the walk of each hit.
        node: int32[h]; the identity hit.
        count: identities.
    """
    wide = node.astype(np.int64)
    pairs: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    for distance in range(1, len(node)):
        later = np.flatnonzero(walk[distance:] == walk[:-distance]) + distance
        if not len(later):
            break
        pairs.append(wide[later] * count + wide[later - distance])
    keys, passed = np.unique(np.concatenate(pairs), return_counts=True)
    most = np.zeros(count, np.int64)
    np.maximum.at(most, keys // max(count, 1), passed)
    return most


def _dependence(walks: WalkMass) -> NDArray[np.float64]:
    return np.maximum(contact_concentration(walks), np.square(bridge_ratio(walks)))

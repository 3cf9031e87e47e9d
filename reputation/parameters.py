"""Parameters of the MeritRank walks, with where each default comes from.

Symbols are MeritRank's (Nasrulin, Ishmaev, Pouwelse, BRAINS 2022, arXiv 2207.09950): alpha is the
probability to *stop*. meritrank-python and meritrank-rust call the probability to go on `alpha`.
"""

import math

import msgspec

from tastemesh.errors import UsageError

# A walk this improbable is cut: it takes at most this much of any mass.
_CUT_PROBABILITY = 1e-9


class WalkParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How walks are made.

    Attributes:
        alpha: probability to stop before each step, 0.01 to 0.99; transitivity decay. An identity
            at distance d is reached by (1 - alpha)^d at most, and identities behind one attacker
            together by (1 - alpha)/alpha of his own mass at most. 0.3 bounds that by 2.33 at no
            loss of hit rate (Web3Recommend, arXiv 2307.01411: .52 to .55 from .1 to .6).
        walk_count: walks from ego, 1 to 1,000,000. 10,000 as in meritrank-python: a mass of .01
            has a standard error of .001.
    """

    alpha: float = 0.3
    walk_count: int = 10_000

    def __post_init__(self) -> None:
        if not 0.01 <= self.alpha <= 0.99:
            raise UsageError(f"alpha {self.alpha}; expected 0.01 to 0.99")
        if not 1 <= self.walk_count <= 1_000_000:
            raise UsageError(f"walk_count {self.walk_count}; expected 1 to 1,000,000")

    @property
    def step_limit(self) -> int:
        """Steps after which a walk is cut: fewer than one walk in 10^9 gets there.

        >>> WalkParameters(alpha=0.3).step_limit
        59
        """
        return math.ceil(math.log(_CUT_PROBABILITY) / math.log1p(-self.alpha))

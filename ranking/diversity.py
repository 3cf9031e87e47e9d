"""A list that does not say the same thing ten times, at a stated price.

Greedy, after maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the next entry is
the item with the largest

    s(i) (1 - strength max_j cos(i, j)),   j the entries above it

cos(i, j) compares who holds i with who holds j, each holder counted by its standing; so identities
without standing cannot make honest items look alike.

The product, where the paper subtracts, keeps the Sybil bound: of the k best items one is always
left to choose, at s(k) (1 - strength) or more. Hence nothing is listed that scores below
(1 - strength) times the k-th best, whatever it resembles.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.holdings import HoldingMatrix

STRENGTH_MAX = 0.9  # at 1, anything at all could be listed

# Candidates for each place. 2, 4, 8 and 32 make the same lists (measured on Last.fm tags), and
# their likeness is a matrix of so many rows.
POOL_FACTOR = 2

_DIGITS = 9  # as in `tastemesh.ranking.slate`: the order of additions moves the 15th


class Variety(msgspec.Struct, frozen=True, eq=False):
    """How much entries that the same people hold get in each other's way.

    Attributes:
        matrix: who holds what.
        heard: float64[users] in [0, 1]; how much each holder counts.
        strength: 0 (not at all) to .9.
    """

    matrix: HoldingMatrix
    heard: NDArray[np.float64]
    strength: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= STRENGTH_MAX:
            raise UsageError(f"diversity {self.strength}; expected 0 to {STRENGTH_MAX}")

    def chosen(self, items: list[int], scores: NDArray[np.float64], k: int) -> list[int]:
        """Return up to k of the items, in the order in which they are to be listed.

        Args:
            items: numbers, best first; ties as they are to be settled.
            scores: float64[items of the matrix]; above 0 for these.
            k: length of the list.
        """
        alike = self.likeness(np.array(items, np.int32))
        worth = scores[items]
        nearest = np.zeros(len(items))
        listed: list[int] = []
        for _ in range(min(k, len(items))):
            left = np.round(worth * (1.0 - self.strength * nearest) / worth[0], _DIGITS)
            left[listed] = -1.0
            best = int(np.argmax(left))  # of equals the first
            listed.append(best)
            nearest = np.maximum(nearest, alike[best])
        return [items[at] for at in listed]

    def likeness(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the cosine of who holds the items, float64[n, n]; 0 where nobody heard does."""
        held = self.matrix.reference.by_item[items].astype(np.float64)
        held = held.multiply(np.sqrt(self.heard)).tocsr()
        common = (held @ held.T).toarray()
        size = np.sqrt(np.diagonal(common))
        size = np.where(size > 0, size, 1.0)
        alike: NDArray[np.float64] = np.minimum(common / size / size[:, None], 1.0)
        return alike

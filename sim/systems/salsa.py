"""Plain personalised SALSA, as GraphJet has it, computed exactly.

Sharma et al., "GraphJet" (PVLDB 9(13), 2016), section 5.1, after Lempel and Moran's SALSA (2001):
walks from the user alternate between users and items along uniformly chosen edges and return to the
user with a fixed probability after each round; an item scores its expected visits. Deviation: the
expectation itself instead of a sample of walks, which is what 100,000 walks and more tend to,
without their noise.
"""

import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import (
    binary_matrix,
    column_sizes,
    inverse,
    rank_by_scores,
    row_sizes,
    scaled,
    tie_lots,
)
from tastemesh.sim.systems.system import Parameters

_USERS_AT_ONCE = 64  # 128 and more were half as fast again (measured)
_TOLERANCE = 1e-5  # mass that may still be misplaced when the series is closed; top 20 unchanged
_MAX_ROUNDS = 200  # reached by no restart above 0.06


class Salsa:
    """Scores items by the visits of random walks with restarts at the user."""

    name = "salsa"

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return nine restarts, from GraphJet's own scale to almost a single round."""
        return [{"restart": restart} for restart in (0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Lay out the half-steps, transposed so that a block of users is one dense product."""
        self._restart = float(parameters["restart"])
        self._owned = binary_matrix(train)
        self._lots = tie_lots(train)
        self._to_item = scaled(self._owned, rows=inverse(row_sizes(self._owned))).T.tocsr()
        self._to_user = scaled(self._owned, columns=inverse(column_sizes(self._owned)))

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]; none that no walk reaches."""
        return rank_by_scores(self._score, self._owned, users, k, self._lots)

    def _score(self, block: NDArray[np.int32]) -> NDArray[np.float32]:
        parts = [
            self._visits(block[start : start + _USERS_AT_ONCE])
            for start in range(0, len(block), _USERS_AT_ONCE)
        ]
        return np.concatenate(parts)

    def _visits(self, block: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the expected visits up to a factor, shape [block, items]."""
        at_user = np.zeros((self._owned.shape[0], len(block)), dtype=np.float32)
        at_user[block, np.arange(len(block))] = 1.0
        visits = np.zeros((self._owned.shape[1], len(block)), dtype=np.float32)
        alive, before = 1.0, visits
        for _ in range(_MAX_ROUNDS):
            at_item = self._to_item @ at_user
            moved = float(np.abs(at_item - before).sum(axis=0).max())
            later = alive / self._restart  # the mass of this round and of all that follow
            if moved * later < _TOLERANCE or later < _TOLERANCE:
                visits += later * at_item
                break
            visits += alive * at_item
            alive *= 1.0 - self._restart
            before = at_item
            at_user = self._to_user @ at_item
        return np.ascontiguousarray(visits.T)

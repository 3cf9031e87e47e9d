"""What most people hold: the least that a personal ranking has to beat."""

import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import binary_matrix, column_sizes, rank_by_scores, tie_lots
from tastemesh.sim.systems.system import Parameters


class Popularity:
    """Items by the number of users who hold them. Nothing to tune."""

    name = "popularity"

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return the one setting there is."""
        return [{}]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Count the holders of each item."""
        self._owned = binary_matrix(train)
        self._lots = tie_lots(train)
        self._holders = column_sizes(self._owned).astype(np.float32)

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return the most popular items that each user does not own, shape [n, k]."""
        return rank_by_scores(
            lambda block: np.tile(self._holders, (len(block), 1)), self._owned, users, k, self._lots
        )

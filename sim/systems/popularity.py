"""What most people hold: the least that a personal ranking has to beat."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.ranking.largest import kth_largest
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import (
    binary_matrix,
    column_sizes,
    rank_by_scores,
    row_sizes,
    tie_lots,
)
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
        # Who owns n items finds k others among the first n + k, some dozens of a large catalogue.
        enough = k + int(row_sizes(self._owned)[users].max(initial=0))
        likely = np.flatnonzero(self._holders >= kth_largest(self._holders[None], enough))
        holders = self._holders[likely]
        ranked = rank_by_scores(
            lambda block: np.tile(holders, (len(block), 1)),
            csr_array(self._owned[:, likely]),
            users,
            k,
            self._lots[likely],
        )
        return np.where(ranked >= 0, likely[ranked], -1).astype(np.int32)

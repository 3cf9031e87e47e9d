"""What the people that a user endorses hold: the least that a social ranking has to beat."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import (
    binary_matrix,
    column_sizes,
    inverse,
    rank_by_scores,
    scaled,
)
from tastemesh.sim.systems.system import Parameters


class Friends:
    """Items by the endorsed people who hold them; nothing for a user who endorses nobody."""

    name = "friends"

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return exponents of the discount on items that many hold."""
        return [{"discount": discount} for discount in (0.0, 0.25, 0.5, 0.75)]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Keep who holds what and who endorses whom; distrust is left out."""
        self._owned = binary_matrix(train)
        discount = inverse(column_sizes(self._owned), float(parameters["discount"]))
        self._items = scaled(self._owned, columns=discount)
        user_count = self._owned.shape[0]
        self._friends = csr_array((user_count, user_count), dtype=np.float32)
        if endorsements is not None:
            inside = (
                (endorsements.weight > 0)
                & (endorsements.source < user_count)
                & (endorsements.subject < user_count)
            )
            pairs = (endorsements.source[inside], endorsements.subject[inside])
            self._friends = csr_array(
                (endorsements.weight[inside], pairs), shape=(user_count, user_count)
            )

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]; none that no endorsed person holds."""
        return rank_by_scores(self._score, self._owned, users, k)

    def _score(self, block: NDArray[np.int32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = (self._friends[block] @ self._items).toarray()
        return scores.astype(np.float32, copy=False)

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
    tie_lots,
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
        self._lots = tie_lots(train)
        discount = inverse(column_sizes(self._owned), float(parameters["discount"]))
        self._items = scaled(self._owned, columns=discount)
        count = len(train.user_ids)
        weight, source, subject = _NOBODY if endorsements is None else _vouched(endorsements, count)
        self._friends = csr_array((weight, (source, subject)), shape=(count, count))

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]; none that no endorsed person holds."""
        return rank_by_scores(self._score, self._owned, users, k, self._lots)

    def _score(self, block: NDArray[np.int32]) -> NDArray[np.float32]:
        return csr_array(self._friends[block] @ self._items).toarray().astype(np.float32)


_NOBODY = (np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32))


def _vouched(
    endorsements: Endorsements, user_count: int
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
    """Return weight, source and subject of the positive endorsements among the users."""
    inside = (
        (endorsements.weight > 0)
        & (endorsements.source < user_count)
        & (endorsements.subject < user_count)
    )
    return endorsements.weight[inside], endorsements.source[inside], endorsements.subject[inside]

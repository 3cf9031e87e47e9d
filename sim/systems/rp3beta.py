"""RP3beta: three-step random walks with popular items discounted.

Paudel, Christoffel, Newell, Bernstein: "Updatable, Accurate, Diverse, and Scalable Recommendations
for Interactive Applications" (ACM TiiS 7(1), 2016), sections 3 and 4. With alpha 1 and beta 0 it is
P3, one round of SALSA.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import (
    binary_matrix,
    column_sizes,
    inverse,
    rank_by_scores,
    row_of_entry,
    row_sizes,
    scaled,
    strongest_products,
    tie_lots,
)
from tastemesh.sim.systems.system import Parameters


class RP3Beta:
    """Scores items by walks user -> item -> user -> item, over popularity to the power of beta."""

    name = "rp3beta"

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return nine settings that span the best ones of three public data sets (measured)."""
        return [
            {"alpha": alpha, "beta": beta, "k": 500}
            for alpha in (1.0, 0.7, 0.4)
            for beta in (0.3, 0.15, 0.6)
        ]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Compute each item's k strongest successors on a walk item -> user -> item."""
        alpha, beta = float(parameters["alpha"]), float(parameters["beta"])
        owned = binary_matrix(train)
        item_size = column_sizes(owned)
        to_item = scaled(
            owned,
            rows=inverse(row_sizes(owned), alpha),
            columns=inverse(item_size, beta),
        )
        to_user = scaled(owned.T.tocsr(), rows=inverse(item_size, alpha))

        def without_self(block: csr_array, items: NDArray[np.intp]) -> None:
            block.data[items[row_of_entry(block)] == block.indices] = 0.0

        self._owned = owned
        self._lots = tie_lots(train)
        self._steps = strongest_products(to_user, to_item, int(parameters["k"]), without_self)

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]; none that no such walk reaches."""
        return rank_by_scores(
            lambda block: np.asarray((self._owned[block] @ self._steps).toarray()),
            self._owned,
            users,
            k,
            self._lots,
        )

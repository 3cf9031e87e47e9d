"""User-kNN and item-kNN with cosine similarity (Sarwar et al. 2001; Deshpande and Karypis 2004).

Similarity of two sets is ``common / (sqrt(size * size) + shrink)``; the shrink term tells a
similarity that rests on little from one that rests on much (Bell and Koren 2007). Each keeps its k
nearest.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import (
    binary_matrix,
    column_sizes,
    largest,
    rank_by_scores,
    row_of_entry,
    row_sizes,
    strongest_products,
    tie_lots,
)
from tastemesh.sim.systems.system import Parameters

_ITEM_NEIGHBOURS = 200  # the most that a setting of the grid keeps


class UserKNN:
    """Scores an item by the similarities of those of a user's k nearest who hold it."""

    name = "userknn"

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return nine settings; the first is a customary one."""
        return [{"k": k, "shrink": shrink} for k in (100, 50, 200) for shrink in (0.0, 10.0, 50.0)]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Keep the data; neighbours are looked for when a list is asked for."""
        self._k = int(parameters["k"])
        self._shrink = float(parameters["shrink"])
        self._owned = binary_matrix(train)
        self._lots = tie_lots(train)
        self._holders = self._owned.T.tocsr()
        self._sizes = row_sizes(self._owned)

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]; none that no neighbour holds."""

        def score(block: NDArray[np.int32]) -> NDArray[np.float32]:
            near = strongest_products(self._owned, self._holders, self._k, self._cosine, block)
            return np.asarray((near @ self._owned).toarray(), dtype=np.float32)

        return rank_by_scores(score, self._owned, users, k, self._lots)

    def _cosine(self, common: csr_array, users: NDArray[np.intp]) -> None:
        _to_cosine(common, users, self._sizes, self._shrink)


class ItemKNN:
    """Scores an item by its similarities to those of its k nearest that a user holds."""

    name = "itemknn"

    def __init__(self) -> None:
        self._near: tuple[Interactions, float, int, csr_array] | None = None  # the last ones found

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return nine settings; the first is a customary one."""
        return [{"k": k, "shrink": shrink} for k in (200, 50, 100) for shrink in (10.0, 0.0, 50.0)]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Find each item's nearest.

        A candidate keeps its own k nearest, not a held item its k: the former was better by up to a
        third, for it does not let an item that one user holds crowd out the rest (measured).
        """
        self._owned = binary_matrix(train)
        self._lots = tie_lots(train)
        near = largest(self._nearest(train, parameters), int(parameters["k"]))
        self._votes = near.T.tocsr()  # by item held, as the candidates' neighbours were kept

    def _nearest(self, train: Interactions, parameters: Parameters) -> csr_array:
        """Return each item's nearest, as many as asked for or more.

        The first k of more are the same, so all settings of one shrink term have the same product.
        """
        count, shrink = max(int(parameters["k"]), _ITEM_NEIGHBOURS), float(parameters["shrink"])
        last = self._near
        if last is not None and last[0] is train and last[1] == shrink and last[2] >= count:
            return last[3]
        sizes = column_sizes(self._owned)
        near = strongest_products(
            self._owned.T.tocsr(),
            self._owned,
            count,
            lambda common, items: _to_cosine(common, items, sizes, shrink),
        )
        self._near = (train, shrink, count, near)
        return near

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]; none that is near nothing of hers."""
        return rank_by_scores(
            lambda block: np.asarray((self._owned[block] @ self._votes).toarray()),
            self._owned,
            users,
            k,
            self._lots,
        )


def _to_cosine(
    common: csr_array, rows: NDArray[np.intp], sizes: NDArray[np.int64], shrink: float
) -> None:
    """Turn numbers of common members into cosines in place, and likeness to oneself into 0."""
    row = rows[row_of_entry(common)]
    root = np.sqrt(sizes[row] * sizes[common.indices].astype(np.float64))
    common.data[:] = np.where(row == common.indices, 0.0, common.data / (root + shrink))

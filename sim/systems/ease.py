"""EASE: a linear item-to-item model in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019), section 3.

With ``P = (A'A + lambda I)^-1`` the weights are ``B[i, j] = -P[i, j] / P[j, j]``, 0 on the
diagonal. Where there are fewer users than items the same weights follow from ``K = (AA' + lambda
I)^-1`` by Woodbury's identity, ``lambda P = I - A'KA``, so that what is inverted has the size of
the smaller side.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tastemesh.errors import UsageError
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.matrices import (
    binary_matrix,
    column_sizes,
    rank_by_scores,
    row_sizes,
    tie_lots,
)
from tastemesh.sim.systems.ridge import MAX_BYTES, inverse_bytes, ridge_inverse
from tastemesh.sim.systems.system import Parameters

_BLOCK_ROWS = 256


class Ease:
    """Scores items by a ridge regression of each item on all others."""

    name = "ease"

    def grid(self, endorsed: bool) -> list[Parameters]:
        """Return nine strengths of the ridge around those best on three data sets (measured)."""
        return [
            {"lambda": strength}
            for strength in (200.0, 20.0, 50.0, 100.0, 400.0, 800.0, 1500.0, 3000.0, 6000.0)
        ]

    def fit(
        self, train: Interactions, endorsements: Endorsements | None, parameters: Parameters
    ) -> None:
        """Invert the Gram matrix of the smaller side.

        Raises:
            UsageError: that matrix would not fit in 4 GiB.
        """
        strength = float(parameters["lambda"])
        owned = binary_matrix(train)
        self._lots = tie_lots(train)
        self._owned = owned
        # Whom and what the training part does not know has weight 0: of CiaoDVD's items, split by
        # one moment, a third.
        self._known = np.flatnonzero(column_sizes(owned))
        side = owned[np.flatnonzero(row_sizes(owned))][:, self._known]
        self._by_item = side.shape[1] <= side.shape[0]
        needed = inverse_bytes(min(side.shape))
        if needed > MAX_BYTES:
            raise UsageError(
                f"ease: {side.shape[0]:,} users and {side.shape[1]:,} items would need "
                f"{needed / 2**30:.1f} GiB for its inverse; expected at most "
                f"{MAX_BYTES / 2**30:.0f}"
            )
        self._holders = side.T.tocsr()
        inverse = ridge_inverse(self._holders if self._by_item else side, strength)
        if self._by_item:
            self._scale = (-1.0 / inverse.diagonal()).astype(np.float32)
        else:
            self._scale = (1.0 / (1.0 - _self_influence(self._holders, inverse))).astype(np.float32)
        self._inverse = inverse.astype(np.float32)

    def rank(self, users: NDArray[np.int32], k: int) -> NDArray[np.int32]:
        """Return each user's best items, shape [n, k]."""
        return rank_by_scores(self._score, self._owned, users, k, self._lots, above=-np.inf)

    def _score(self, block: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return scores that are right for items a user does not own (the diagonal is left in)."""
        rows = self._owned[block][:, self._known]
        scores = np.zeros((len(block), self._owned.shape[1]), np.float32)
        if self._by_item:
            scores[:, self._known] = (rows @ self._inverse) * self._scale
        else:
            through = (rows @ self._holders).toarray() @ self._inverse
            scores[:, self._known] = (self._holders @ through.T).T * self._scale
        return scores


def _self_influence(holders: csr_array, inverse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``a' K a`` for the column a of each item."""
    influence = np.zeros(holders.shape[0])
    for start in range(0, holders.shape[0], _BLOCK_ROWS):
        rows = holders[start : start + _BLOCK_ROWS]
        influence[start : start + _BLOCK_ROWS] = rows.multiply(rows @ inverse).sum(axis=1)
    return influence

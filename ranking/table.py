"""The window's matrix with what it was made with, and what goes with its entries."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.columns import Interactions
from tastemesh.ranking.firsts import Firsts
from tastemesh.ranking.holdings import Weights, merge, replace_rows
from tastemesh.ranking.patch import Patch
from tastemesh.ranking.products import Sparse


class Table(msgspec.Struct, frozen=True, eq=False):
    """The weights at one moment.

    Attributes:
        weights: who holds what.
        half_life_s: seconds in which a weight halves; None for no ageing.
        reference_s: the time that weights are given at.
        firsts: since when; None until somebody asked for it.
    """

    weights: Weights
    half_life_s: float | None
    reference_s: float
    firsts: Firsts | None = None

    @classmethod
    def of(
        cls,
        rows: Interactions,
        shape: tuple[int, int],
        half_life_s: float | None,
        reference_s: float,
    ) -> "Table":
        """Make it of all interactions.

        Args:
            rows: in the order of arrival.
            shape: (users, items).
            half_life_s: as the attribute.
            reference_s: as the attribute.
        """
        weights = Weights.of(_merged(rows, shape, half_life_s, reference_s))
        return cls(weights, half_life_s, reference_s)

    def is_made_with(self, half_life_s: float | None, reference_s: float) -> bool:
        """Tell whether the weights are what these two make of the interactions."""
        return (self.half_life_s, self.reference_s) == (half_life_s, reference_s)

    def replaced(
        self, users: NDArray[np.int32], rows: Interactions, shape: tuple[int, int]
    ) -> "Table":
        """Return what making it anew would, where only some users' rows have changed.

        Args:
            users: numbers of them, rising.
            rows: their interactions, in the order of arrival.
            shape: (users, items), at least as many as now.
        """
        fresh = _merged(rows, shape, self.half_life_s, self.reference_s)
        patch = Patch.of(self.weights.by_user, self.weights.by_item, users, fresh)
        return Table(
            replace_rows(self.weights, patch, fresh),
            self.half_life_s,
            self.reference_s,
            None if self.firsts is None else self.firsts.replaced(patch, rows),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        matrices = (self.weights.by_user, self.weights.by_item)
        arrays = [part for m in matrices for part in (m.data, m.indices, m.indptr)]
        sums = (self.weights.user_sums, self.weights.item_sums)
        firsts = () if self.firsts is None else msgspec.structs.astuple(self.firsts)
        return int(sum(array.nbytes for array in (*arrays, *sums, *firsts)))


def _merged(
    rows: Interactions, shape: tuple[int, int], half_life_s: float | None, reference_s: float
) -> Sparse:
    return merge(
        rows.user,
        rows.item,
        rows.weight,
        rows.time_s,
        shape=shape,
        half_life_s=half_life_s,
        reference_s=reference_s,
    )

"""The endorsement graph as compressed rows: what the walks read."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.gossip.record import WEIGHT_SCALE


class EndorsementArrays(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The positive endorsements as read-only compressed rows; n identities, e edges.

    Weights are counted in the wire's steps of 1/10,000, so every sum is exact, and a row's sampling
    does not depend on the rows before it.

    Attributes:
        ids: identity of each index, length n; empty bytes where an index is free.
        offsets: int64[n + 1]; the edges of author v are `offsets[v]:offsets[v + 1]`.
        subjects: int32[e]; in each row by the bytes of the subjects' ids.
        cumulative: int64[e + 1]; units of weight before each edge, over all rows.
    """

    ids: tuple[bytes, ...]
    offsets: NDArray[np.int64]
    subjects: NDArray[np.int32]
    cumulative: NDArray[np.int64]

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of each edge in (0, 1], float64[e]."""
        return np.diff(self.cumulative) / WEIGHT_SCALE

    @classmethod
    def of(
        cls,
        ids: tuple[bytes, ...],
        ranks: NDArray[np.int64],
        authors: NDArray[np.int64],
        subjects: NDArray[np.int32],
        units: NDArray[np.int64],
    ) -> "EndorsementArrays":
        """Lay out endorsements given in any order.

        Args:
            ids: identity of each index, length n.
            ranks: int64[n]; place of each index among the ids, by their bytes.
            authors: int64[s]; who states something, s statements.
            subjects: int32[s]; of whom.
            units: int64[s]; the weight in steps of 1/10,000; what is not above 0 is left out.
        """
        count = len(ids)
        positive = np.flatnonzero(units > 0)
        authors, subjects = authors[positive], subjects[positive]
        by_row = np.argsort(authors * count + ranks[subjects])
        offsets = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(authors, minlength=count), out=offsets[1:])
        cumulative = np.zeros(len(positive) + 1, np.int64)
        np.cumsum(units[positive][by_row], out=cumulative[1:])
        subjects = subjects[by_row]
        for values in (offsets, subjects, cumulative):
            values.flags.writeable = False
        return cls(ids=ids, offsets=offsets, subjects=subjects, cumulative=cumulative)

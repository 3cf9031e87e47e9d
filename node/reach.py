"""Whom an ego's endorsements reach, and a memory of it: walking anew costs more than a list."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.contacts import Shares

# Up to 250 KB each with 2,000 identities in reach, 10 KB with a few dozen. A host's thousand users
# need 10 to 250 MB: with less than they need each list of a round would be walked for anew.
_MEMORY_BYTES = 256 << 20


class Reach(msgspec.Struct, frozen=True, eq=False):
    """Whom ego's endorsements reach, over the indices of the endorsement graph.

    Attributes:
        ids: identity of each index.
        contacts: ids of those whom ego endorses, one a row of `mass`.
        mass: CSR [contacts, identities]; `tastemesh.reputation.trust.endorsed_mass`.
    """

    ids: tuple[bytes, ...]
    contacts: list[bytes]
    mass: Shares

    @property
    def nbytes(self) -> int:
        """Bytes that are this ego's alone."""
        mass = self.mass
        return int(mass.data.nbytes + mass.indices.nbytes + mass.indptr.nbytes)

    @property
    def total(self) -> NDArray[np.float64]:
        """Mass of each identity over all contacts, float64[identities]."""
        return np.bincount(
            self.mass.indices, weights=self.mass.data, minlength=self.mass.shape[1]
        ).astype(np.float64)


class Reaches:
    """What walks found, of the egos asked about last; who was asked about longest ago goes."""

    def __init__(self) -> None:
        self._of: dict[bytes, Reach] = {}
        self._bytes = 0

    def known(self, ego: bytes, ids: tuple[bytes, ...]) -> Reach | None:
        """Return what was found on this very graph, named by its tuple of ids."""
        found = self._of.get(ego)
        return found if found is not None and found.ids is ids else None

    def remember(self, ego: bytes, found: Reach) -> None:
        """Keep what was found, in place of what was found before."""
        before = self._of.pop(ego, None)
        self._bytes += found.nbytes - (before.nbytes if before is not None else 0)
        self._of[ego] = found
        while self._bytes > _MEMORY_BYTES and len(self._of) > 1:
            self._bytes -= self._of.pop(next(iter(self._of))).nbytes

"""Whom an ego's endorsements reach, and a memory of it: walking anew costs more than a list."""

from typing import Generic, Protocol, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.contacts import Shares, widened
from tastemesh.reputation.graph import EndorsementGraph

# Up to 250 KB each with 2,000 identities in reach, 10 KB with a few dozen. A host's thousand users
# need 10 to 250 MB: with less than they need each list of a round would be walked for anew.
_MEMORY_BYTES = 256 << 20


class Reach(msgspec.Struct, frozen=True, eq=False):
    """Whom ego's endorsements reach, over the indices of the endorsement graph.

    Attributes:
        ids: identity of each index.
        contacts: ids of those whom ego endorses, one a row of `mass`.
        mass: CSR [contacts, identities]; `tastemesh.reputation.trust.endorsed_mass`.
        version: of the graph that it holds for.
    """

    ids: tuple[bytes, ...]
    contacts: list[bytes]
    mass: Shares
    version: int

    @property
    def nbytes(self) -> int:
        """Bytes that are this ego's alone."""
        mass = self.mass
        return int(mass.data.nbytes + mass.indices.nbytes + mass.indptr.nbytes)

    @property
    def hit(self) -> NDArray[np.integer]:
        """Indices of those whom a walk came to."""
        return self.mass.indices

    def carried(self, ids: tuple[bytes, ...], version: int) -> "Reach":
        """Return the same for a graph in which nothing has changed that concerns it."""
        return Reach(ids, self.contacts, widened(self.mass, len(ids)), version)

    def without_ids(self) -> "Reach":
        """Return the same to be kept."""
        return Reach((), self.contacts, self.mass, self.version)

    @property
    def total(self) -> NDArray[np.float64]:
        """Mass of each identity over all contacts, float64[identities]."""
        return np.bincount(
            self.mass.indices, weights=self.mass.data, minlength=self.mass.shape[1]
        ).astype(np.float64)


class Hit(msgspec.Struct, frozen=True, eq=False):
    """Whom an ego's endorsements reach, without how much: a third of the work (measured).

    Attributes:
        ids: identity of each index.
        hit: indices of those whom a walk came to, rising.
        version: of the graph that it holds for.
    """

    ids: tuple[bytes, ...]
    hit: NDArray[np.intp]
    version: int

    @property
    def nbytes(self) -> int:
        """Bytes that are this ego's alone."""
        return self.hit.nbytes

    def carried(self, ids: tuple[bytes, ...], version: int) -> "Hit":
        """Return the same for a graph in which nothing has changed that concerns it."""
        return Hit(ids, self.hit, version)

    def without_ids(self) -> "Hit":
        """Return the same to be kept."""
        return Hit((), self.hit, self.version)


class _Walked(Protocol):
    """What walks found: `Reach` or `Hit`."""

    @property
    def ids(self) -> tuple[bytes, ...]: ...
    @property
    def version(self) -> int: ...
    @property
    def hit(self) -> NDArray[np.integer]: ...
    @property
    def nbytes(self) -> int: ...
    def carried(self, ids: tuple[bytes, ...], version: int) -> Self: ...
    def without_ids(self) -> Self: ...


_Found = TypeVar("_Found", bound=_Walked)


class Reaches(Generic[_Found]):
    """What walks found, of the egos asked about last; who was asked about longest ago goes.

    A walk depends on what those say whom it comes to (`tastemesh.reputation.walks`). So what others
    say changes nothing, and costs nobody a walk: a stranger could else have all walk anew with each
    of his records.

    Args:
        graph: who vouches for whom.
    """

    def __init__(self, graph: EndorsementGraph) -> None:
        self._graph = graph
        self._of: dict[bytes, _Found] = {}
        self._bytes = 0
        # The ids are one object for all egos until an identity comes or goes, as strangers do all
        # the time, and 3 MB in a window full of them: who was asked about before keeps none.
        self._ids: tuple[bytes, ...] = ()
        self._with_ids: dict[bytes, None] = {}

    def __contains__(self, ego: bytes) -> bool:
        """Tell whether an ego has been asked about, whatever has changed since."""
        return ego in self._of

    def known(self, ego: bytes) -> _Found | None:
        """Return what holds for the graph as it is, or None."""
        found, graph = self._of.get(ego), self._graph
        if found is None or (found.version == graph.version and found.ids is graph.ids):
            return found
        changed = graph.changed_since(found.version)
        if changed is None or self._concerns(ego, found, changed):
            return None
        carried = found.carried(graph.ids, graph.version)
        self.remember(ego, carried)
        return carried

    def remember(self, ego: bytes, found: _Found) -> None:
        """Keep what was found, in place of what was found before."""
        if found.ids is not self._ids:
            for named in self._with_ids:
                if named in self._of:
                    self._of[named] = self._of[named].without_ids()
            self._ids, self._with_ids = found.ids, {}
        self._with_ids[ego] = None
        before = self._of.pop(ego, None)
        self._bytes += found.nbytes - (before.nbytes if before is not None else 0)
        self._of[ego] = found
        while self._bytes > _MEMORY_BYTES and len(self._of) > 1:
            self._bytes -= self._of.pop(next(iter(self._of))).nbytes

    def _concerns(self, ego: bytes, found: _Found, changed: list[tuple[bytes, int]]) -> bool:
        """Tell whether a walk could have come to somebody who says something else now.

        Whom one came to keeps his index as long as nobody on its way says something else; so until
        the first who did, an index means whom it meant.
        """
        is_hit = np.zeros(int(found.hit.max(initial=-1)) + 1, np.bool_)
        is_hit[found.hit] = True
        return any(
            author == ego or (index < len(is_hit) and is_hit[index])
            for author, index in dict.fromkeys(changed)
        )

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

    @property
    def total(self) -> NDArray[np.float64]:
        """Mass of each identity over all contacts, float64[identities]."""
        return np.bincount(
            self.mass.indices, weights=self.mass.data, minlength=self.mass.shape[1]
        ).astype(np.float64)


class Hit(msgspec.Struct, frozen=True, eq=False):
    """Whom an ego's endorsements reach, without how much: half the work (measured).

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
        before = self._of.pop(ego, None)
        self._bytes += found.nbytes - (before.nbytes if before is not None else 0)
        self._of[ego] = found
        while self._bytes > _MEMORY_BYTES and len(self._of) > 1:
            self._bytes -= self._of.pop(next(iter(self._of))).nbytes

    def _concerns(self, ego: bytes, found: _Found, changed: list[bytes]) -> bool:
        """Tell whether a walk could have come to somebody who says something else now."""
        if ego in changed:
            return True
        is_hit = np.zeros(len(found.ids), np.bool_)
        is_hit[found.hit] = True
        nameless: list[bytes] = []
        for author in dict.fromkeys(changed):
            index = self._graph.index_of(author)
            if index is None:
                nameless.append(author)
            elif index < len(is_hit) and is_hit[index]:
                return True
        # Who is named no more may have been reached; of strangers, whose records come and go in a
        # full window, it is so all the time.
        hit = {found.ids[index] for index in found.hit.tolist()} if nameless else set()
        return not hit.isdisjoint(nameless)

"""The window's numbers of those whom endorsements name, kept from one list to the next."""

from operator import is_not

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph


class _Named(msgspec.Struct, frozen=True, eq=False):
    """The view's numbers of identities, as of a state of both."""

    ids: tuple[bytes, ...]
    numbering: int
    version: int
    found: NDArray[np.int32]


class Numbered:
    """Looks up the numbers of a graph's identities in a view.

    As long as no number is taken back, only who had none can get one, and who is named since: to
    look all of 30,000 up takes 4 ms and more.

    Args:
        view: gives the numbers.
        endorsements: names the identities.
    """

    def __init__(self, view: View, endorsements: EndorsementGraph) -> None:
        self._view = view
        self._endorsements = endorsements
        self._known: _Named | None = None

    def numbers(self) -> NDArray[np.int32]:
        """Return the view's number of each index of the graph, int32; -1 where none.

        It is kept, so not to be written to.
        """
        ids, view = self._endorsements.ids, self._view
        known = self._known
        if known is None or known.numbering != view.numbering:
            found = view.user_numbers(ids)
        elif known.ids is ids and known.version == view.version:
            return known.found
        else:
            found = np.full(len(ids), -1, np.int32)
            others = np.fromiter(map(is_not, ids, known.ids), np.bool_, len(known.ids))
            kept = np.flatnonzero(~others)
            found[kept] = known.found[kept]
            is_asked = np.ones(len(ids), np.bool_)
            is_asked[kept] = (found[kept] < 0) & (known.version != view.version)
            asked = np.flatnonzero(is_asked)
            found[asked] = view.user_numbers([ids[at] for at in asked.tolist()])
        self._known = _Named(ids, view.numbering, view.version, found)
        return found

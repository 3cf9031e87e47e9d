"""Who stands behind an item, told as people: whom a user knows, and whether they know each other.

A recommendation's reasons name the few heaviest records. This names everybody within reach of the
user's trust who holds the item, which is what a person wants to hear: "Ana, and three people whom
she trusts; none of them knows the others".
"""

from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from tastemesh.gossip.identity import format_id
from tastemesh.node.answers import Backing, Voice
from tastemesh.node.reach import Reach
from tastemesh.ranking.columns import NOBODY
from tastemesh.ranking.largest import kth_largest
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph

VOICE_LIMIT = 32  # named for an item at most; a sentence counts the others (guess)


def backing(
    view: View,
    graph: EndorsementGraph,
    reach: Reach,
    numbers: NDArray[np.int32],
    items: list[str],
    now_s: int,
) -> list[Backing]:
    """Tell who stands behind items.

    Args:
        view: who holds what.
        graph: who vouches for whom.
        reach: whom the user's endorsements reach, in this very graph.
        numbers: int32[identities]; the view's number of each of the graph's, -1 where none.
        items: ids.
        now_s: seconds since 1970.
    """
    matrix = view.matrix(now_s)
    mass = reach.total
    by_person = reach.mass.tocsc()
    contacts = frozenset(reach.contacts)
    reached = np.flatnonzero((mass > 0) & (numbers >= 0))
    person_of = np.full(matrix.shape[0], -1)
    person_of[numbers[reached]] = reached
    acquaintances = _Acquaintances(graph)
    told = []
    for number in view.item_numbers(items).tolist():
        held = 0 <= number < matrix.shape[1]
        people = person_of[matrix.holders(number)[0] if held else NOBODY]
        people = people[people >= 0]
        contact_of: dict[int, bytes] = {}
        for n in _most_trusted(people, mass, reach.ids):
            column = slice(by_person.indptr[n], by_person.indptr[n + 1])
            heaviest = by_person.indices[column][np.argmax(by_person.data[column])]
            own = reach.ids[n] in contacts
            contact_of[n] = reach.ids[n] if own else reach.contacts[heaviest]
        voices = [
            Voice(format_id(reach.ids[n]), format_id(contact)) for n, contact in contact_of.items()
        ]
        pairs = acquaintances.among({*(reach.ids[n] for n in contact_of), *contact_of.values()})
        chains = {frozenset((reach.ids[n], contact)) for n, contact in contact_of.items()}
        told.append(Backing(voices, len(people), len(pairs - chains)))
    return told


def _most_trusted(
    people: NDArray[np.intp], mass: NDArray[np.float64], ids: Sequence[bytes]
) -> list[int]:
    """Return the first of some people, most trusted first: of a crowd not all are put in order."""
    if len(people) > VOICE_LIMIT:
        people = people[mass[people] >= kth_largest(mass[people][None], VOICE_LIMIT)]
    return sorted(people.tolist(), key=lambda n: (-mass[n], ids[n]))[:VOICE_LIMIT]


class _Acquaintances:
    """Who endorses whom, looked up once a person.

    Args:
        graph: who vouches for whom.
    """

    def __init__(self, graph: EndorsementGraph) -> None:
        self._graph = graph
        self._of: dict[bytes, frozenset[bytes]] = {}

    def among(self, people: Set[bytes]) -> set[frozenset[bytes]]:
        """Return the pairs of whom one endorses the other."""
        return {
            frozenset((person, other))
            for person in people
            for other in people & self._endorsed_by(person)
        }

    def _endorsed_by(self, person: bytes) -> frozenset[bytes]:
        known = self._of.get(person)
        if known is None:
            arrays, node = self._graph.csr(), self._graph.index_of(person)
            first, last = (0, 0) if node is None else arrays.offsets[node : node + 2].tolist()
            row = arrays.subjects[first:last].tolist()
            known = frozenset(map(arrays.ids.__getitem__, row))
            self._of[person] = known
        return known

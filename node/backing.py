"""Who stands behind an item, told as people: whom a user knows, and whether they know each other.

A recommendation's reasons name the few heaviest records. This names everybody within reach of the
user's trust who holds the item, which is what a person wants to hear: "Ana, and three people whom
she trusts; none of them knows the others".
"""

import msgspec
import numpy as np

from tastemesh.gossip.identity import format_id
from tastemesh.node.reach import Reach
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph

VOICE_LIMIT = 32  # named for an item at most; a sentence counts the others (guess)


class Voice(msgspec.Struct, frozen=True):
    """Somebody who holds an item.

    Attributes:
        identity: id as hex.
        contact: id, as hex, of the endorsed person through whom most trust in him comes; his own
            where the user endorses him.
    """

    identity: str
    contact: str


class Backing(msgspec.Struct, frozen=True):
    """The people behind an item.

    Attributes:
        voices: most trusted first, at most 32.
        count: how many there are in all.
        acquainted: pairs among those named, their contacts included, of whom one endorses the
            other; a contact and those whom he brought are not counted. 0: independent voices.
    """

    voices: list[Voice]
    count: int
    acquainted: int


def backing(
    view: View, graph: EndorsementGraph, reach: Reach, items: list[str], now_s: int
) -> list[Backing]:
    """Tell who stands behind items.

    Args:
        view: who holds what.
        graph: who vouches for whom.
        reach: whom the user's endorsements reach, in this very graph.
        items: ids.
        now_s: seconds since 1970.
    """
    matrix = view.matrix(now_s)
    mass = reach.total
    by_person = reach.mass.tocsc()
    index = {reach.ids[n]: n for n in np.flatnonzero(mass).tolist()}
    told = []
    for number in view.item_numbers(items).tolist():
        held = 0 <= number < matrix.shape[1]
        users = matrix.holders(number)[0].tolist() if held else []
        people = [n for u in users if (n := index.get(view.user_id(u))) is not None]
        people.sort(key=lambda n: (-mass[n], reach.ids[n]))
        contact_of: dict[int, bytes] = {}
        for n in people[:VOICE_LIMIT]:
            column = slice(by_person.indptr[n], by_person.indptr[n + 1])
            heaviest = by_person.indices[column][np.argmax(by_person.data[column])]
            own = reach.ids[n] in reach.contacts
            contact_of[n] = reach.ids[n] if own else reach.contacts[heaviest]
        voices = [
            Voice(format_id(reach.ids[n]), format_id(contact)) for n, contact in contact_of.items()
        ]
        told.append(Backing(voices, len(people), _acquainted(graph, reach, contact_of)))
    return told


def _acquainted(graph: EndorsementGraph, reach: Reach, contact_of: dict[int, bytes]) -> int:
    """Count the pairs that know each other, but for those that make the chain itself."""
    arrays = graph.csr()
    chains = {frozenset((reach.ids[n], contact)) for n, contact in contact_of.items()}
    people = {*(reach.ids[n] for n in contact_of), *contact_of.values()}
    pairs: set[frozenset[bytes]] = set()
    for person in sorted(people):
        node = graph.index_of(person)
        if node is not None:
            row = arrays.subjects[arrays.offsets[node] : arrays.offsets[node + 1]]
            known = (arrays.ids[subject] for subject in row.tolist())
            pairs.update(frozenset((person, other)) for other in known if other in people)
    return len(pairs - chains)

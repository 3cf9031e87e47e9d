"""Whom a user's trust reaches, as a small graph that a person can look at."""

from collections.abc import Sequence

import numpy as np

from tastemesh.gossip.identity import format_id
from tastemesh.node.answers import Vouching
from tastemesh.node.reach import Reach
from tastemesh.reputation.graph import EndorsementGraph

PEOPLE_LIMIT = 200  # more cannot be told apart in a picture (guess)
EDGE_LIMIT = 1_000  # five a person; a clique of 200 has 39,800 (guess)
DEPTH = 2  # whom the user endorses, and whom they endorse


def nearest(
    graph: EndorsementGraph, reach: Reach, ego: bytes, limit: int
) -> tuple[list[tuple[bytes, int]], list[tuple[bytes, bytes, float]]]:
    """Return ego, whom it endorses or distrusts and whom the former endorse, and who vouches.

    Args:
        graph: who vouches for whom.
        reach: whom ego's endorsements reach, in this very graph.
        ego: id.
        limit: people at most, ego included.

    Returns:
        (id, distance) nearest and then most trusted first; (source, subject, weight) of the
        endorsements among them, `EDGE_LIMIT` at most.
    """
    arrays = graph.csr()
    start = graph.index_of(ego)
    if start is None:
        return [(ego, 0)], []
    mass = reach.total
    weights = arrays.weights

    def row(node: int) -> list[tuple[int, float]]:
        edges = slice(arrays.offsets[node], arrays.offsets[node + 1])
        return list(zip(arrays.subjects[edges].tolist(), weights[edges].tolist(), strict=True))

    walls = graph.walls(ego).tolist()
    distance = {start: 0}
    layer = [start]
    for depth in range(1, DEPTH + 1):
        found = dict.fromkeys(subject for node in layer for subject, _ in row(node))
        layer = [n for n in found if n not in distance and n not in walls]
        layer.sort(key=lambda n: (-mass[n], arrays.ids[n]))
        layer = layer[: limit - len(distance)]
        distance.update(dict.fromkeys(layer, depth))
        if depth == 1:
            distance.update(dict.fromkeys(walls[: limit - len(distance)], 1))
    edges = [
        (arrays.ids[node], arrays.ids[subject], weight)
        for node in distance
        if node not in walls
        for subject, weight in row(node)
        if subject in distance
    ]
    own = [(ego, arrays.ids[n], graph.weight(ego, arrays.ids[n])) for n in walls if n in distance]
    return [(arrays.ids[n], far) for n, far in distance.items()], [*own, *edges][:EDGE_LIMIT]


def shares(
    graph: EndorsementGraph, reach: Reach, people: Sequence[bytes]
) -> tuple[dict[bytes, float], dict[bytes, float]]:
    """Return the trust of some people, and that which comes through each contact.

    Args:
        graph: who vouches for whom.
        reach: whom a user's endorsements reach, in this very graph.
        people: ids; who is not reached has no share. Of the thousands who may be, few are shown.

    Returns:
        Shares of all the trust, by person and by contact.
    """
    total = reach.total
    whole = float(total.sum())
    if not whole:
        return {}, {}
    indices = {person: graph.index_of(person) for person in people}
    placed = {person: float(total[n]) / whole for person, n in indices.items() if n is not None}
    by_contact = np.asarray(reach.mass.sum(axis=1)).ravel() / whole
    return placed, dict(zip(reach.contacts, by_contact.tolist(), strict=True))


def vouchings(edges: list[tuple[bytes, bytes, float]]) -> list[Vouching]:
    """Return edges as they are shown."""
    return [
        Vouching(source=format_id(source), subject=format_id(subject), weight=weight)
        for source, subject, weight in edges
    ]

"""How one person's trust leads to another: shortest chains of endorsements."""

from tastemesh.reputation.graph import EndorsementGraph


def shortest_path(
    graph: EndorsementGraph, ego: bytes, contact: bytes, target: bytes
) -> list[bytes]:
    """Return the shortest chain of positive endorsements from ego over a contact to somebody.

    Of chains of one length it is the first in the order of the graph's rows: the same on any run.
    It leads past whom ego distrusts, as trust does (`tastemesh.reputation.walks`).

    Args:
        graph: who vouches for whom.
        ego: where it begins.
        contact: whom ego endorses, the second in the chain.
        target: where it ends; the contact himself, or anybody.

    Returns:
        Ids, ego first; empty if no chain leads there.
    """
    arrays = graph.csr()
    start, end = graph.index_of(contact), graph.index_of(target)
    source = graph.index_of(ego)
    if start is None or end is None or source is None or graph.weight(ego, contact) <= 0:
        return []
    walls = set(graph.walls(ego).tolist())
    if end in walls:
        return []
    came_from = {source: source, start: source}
    layer = [start]
    while layer and end not in came_from:
        following: list[int] = []
        for node in layer:
            row = arrays.subjects[arrays.offsets[node] : arrays.offsets[node + 1]]
            for subject in row.tolist():
                if subject not in came_from and subject not in walls:
                    came_from[subject] = node
                    following.append(subject)
        layer = following
    if end not in came_from or end == source:
        return []
    path = [end]
    while path[-1] != source:
        path.append(came_from[path[-1]])
    return [arrays.ids[node] for node in reversed(path)]

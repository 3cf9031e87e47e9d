"""Chains of endorsements against networkx's shortest paths."""

from itertools import pairwise

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.paths import shortest_path

PEOPLE = [bytes([n]) * 32 for n in range(8)]
EDGES = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from([-1.0, 0.5, 1.0])),
    max_size=30,
)


@given(EDGES)
def test_a_chain_is_as_short_as_can_be_and_made_of_endorsements(
    edges: list[tuple[int, int, float]],
) -> None:
    graph, known = EndorsementGraph(), nx.DiGraph()
    for seq, (source, subject, weight) in enumerate(edges, 1):
        if source != subject:
            graph.endorse(PEOPLE[source], PEOPLE[subject], weight, epoch=0, seq=seq, position=0)
    known.add_edges_from(  # numbers, not ids: networkx names nodes in messages, as str(bytes)
        (a, b) for a in range(8) for b in range(8) if graph.weight(PEOPLE[a], PEOPLE[b]) > 0
    )
    ego, contact, target = 0, 1, 2
    ids = shortest_path(graph, PEOPLE[ego], PEOPLE[contact], PEOPLE[target])
    path = [PEOPLE.index(each) for each in ids]
    onward = known.copy()
    walls = [each for each in range(8) if graph.weight(PEOPLE[ego], PEOPLE[each]) < 0]
    onward.remove_nodes_from([ego, *walls])
    reachable = known.has_edge(ego, contact) and contact in onward and target in onward
    if not reachable or not nx.has_path(onward, contact, target):
        assert path == []
        return
    assert path[:2] == [ego, contact]
    assert all(known.has_edge(a, b) for a, b in pairwise(path))
    assert len(path) == 2 + nx.shortest_path_length(onward, contact, target)


def test_the_contact_himself_is_the_end_of_the_shortest_chain() -> None:
    graph = EndorsementGraph()
    graph.endorse(PEOPLE[0], PEOPLE[1], 1.0, epoch=0, seq=1, position=0)
    assert shortest_path(graph, PEOPLE[0], PEOPLE[1], PEOPLE[1]) == PEOPLE[:2]
    assert shortest_path(graph, PEOPLE[1], PEOPLE[0], PEOPLE[0]) == []


def test_no_chain_leads_over_somebody_whom_ego_distrusts_as_no_trust_does() -> None:
    ego, contact, wall, long, longer, target = PEOPLE[:6]
    graph = EndorsementGraph()
    for seq, (author, subject, weight) in enumerate(
        (
            (ego, contact, 1.0),
            (ego, wall, -1.0),
            (contact, wall, 1.0),
            (wall, target, 1.0),
            (contact, long, 1.0),
            (long, longer, 1.0),
            (longer, target, 1.0),
        ),
        1,
    ):
        graph.endorse(author, subject, weight, epoch=0, seq=seq)
    assert shortest_path(graph, ego, contact, target) == [ego, contact, long, longer, target]
    assert shortest_path(graph, ego, contact, wall) == []

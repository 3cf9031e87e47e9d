import subprocess
import sys
from collections.abc import Iterable

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.introducers import (
    bridge_ratio,
    connectivity_decay,
    contact_concentration,
)
from tastemesh.reputation.literal import literal_connectivity_decay
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.walks import WalkMass, walk_mass

EGO = b"ego"
NAMES = [EGO, b"a", b"b", b"c", b"d", b"e", b"f"]
MANY = WalkParameters(alpha=0.15, walk_count=20_000)


def graph_of(edges: Iterable[tuple[bytes, bytes]]) -> EndorsementGraph:
    graph = EndorsementGraph()
    for seq, (author, subject) in enumerate(edges):
        graph.endorse(author, subject, 1.0, epoch=0, seq=seq)
    return graph


def walk(graph: EndorsementGraph, parameters: WalkParameters = MANY) -> WalkMass:
    return walk_mass(graph, EGO, seed=b"seed", parameters=parameters)


def decay_of(graph: EndorsementGraph, identity: bytes) -> float:
    index = graph.index_of(identity)
    assert index is not None
    return float(connectivity_decay(walk(graph), beta=0.8)[index])


@pytest.mark.parametrize("introducers", [1, 2, 4, 8])
def test_equal_introducers_share_the_cost(introducers: int) -> None:
    contacts = [b"contact-%d" % number for number in range(introducers)]
    graph = graph_of([(EGO, c) for c in contacts] + [(c, b"v") for c in contacts])
    assert decay_of(graph, b"v") == pytest.approx(1 - 0.8 / introducers, abs=0.01)
    # Ego vouches for these itself.
    assert decay_of(graph, contacts[0]) == 1.0


def test_own_endorsement_lifts_the_dependence_in_part() -> None:
    through_one = graph_of([(EGO, b"a"), (a := b"a", b"v")])
    both = graph_of([(EGO, a), (a, b"v"), (EGO, b"v")])
    assert decay_of(through_one, b"v") == pytest.approx(0.2)
    assert 0.2 < decay_of(both, b"v") < 1.0


def test_bridge_that_many_contacts_lead_to_counts_as_one_introducer() -> None:
    contacts = [b"contact-%d" % number for number in range(10)]
    edges = [(EGO, c) for c in contacts] + [(c, b"x") for c in contacts]
    graph = graph_of([*edges, (b"x", b"attacker"), (b"attacker", b"sybil")])
    walks = walk(graph)
    for identity in (b"attacker", b"sybil"):
        assert contact_concentration(walks)[graph.index_of(identity)] == pytest.approx(0.1, rel=0.1)
        assert decay_of(graph, identity) == pytest.approx(0.2)
    assert decay_of(graph, b"x") > 0.9


def attacked_graph(entries: int) -> tuple[EndorsementGraph, list[bytes]]:
    """200 honest identities; `entries` hostile ones with an attack edge each, 20 Sybils in a ring.

    The attack edges leave identities that ego endorses, so that they are worth about the same.
    """
    honest = nx.random_k_out_graph(200, 8, 1.0, self_loops=False, seed=5)
    names = [EGO, *(b"honest-%d" % number for number in range(1, 200))]
    edges = [(names[author], names[subject]) for author, subject, _ in honest.edges]
    victims = sorted({subject for author, subject in edges if author == EGO})
    sybils = [b"sybil-%d" % number for number in range(20)]
    for number in range(entries):
        edges.append((victims[number], b"entry-%d" % number))
        edges += [(b"entry-%d" % number, sybil) for sybil in sybils]
    edges += list(zip(sybils, [*sybils[1:], sybils[0]], strict=True))
    return graph_of(edges), sybils


@pytest.mark.parametrize(
    ("entries", "literal_at_most", "literal_at_least", "smooth_at_most"),
    [(1, 0.2, 0.2, 0.21), (2, 1.0, 0.95, 0.5), (5, 1.0, 0.95, 0.5)],
)
def test_attackers_who_evade_the_cliff_do_not_evade_the_slope(
    entries: int, literal_at_most: float, literal_at_least: float, smooth_at_most: float
) -> None:
    graph, sybils = attacked_graph(entries)
    walks = walk(graph)
    ring = np.isin(graph.csr().ids, sybils)
    hits = walks.hits[ring]
    literal = np.average(literal_connectivity_decay(walks, beta=0.8)[ring], weights=hits)
    smooth = np.average(connectivity_decay(walks, beta=0.8)[ring], weights=hits)
    assert literal_at_least <= literal + 1e-9
    assert literal <= literal_at_most + 1e-9
    assert smooth <= smooth_at_most


edge_lists = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=25)


@given(edge_lists, st.floats(0, 1), st.floats(0.01, 1))
def test_decay_lifts_nobody_and_is_as_strict_as_the_published_rule(
    edges: list[tuple[bytes, bytes]], beta: float, threshold: float
) -> None:
    graph = graph_of(edges)
    walks = walk(graph, WalkParameters(walk_count=200))
    decay = connectivity_decay(walks, beta=beta)
    assert decay.shape == walks.hits.shape
    assert np.all((decay >= 1 - beta) & (decay <= 1))
    assert np.all(decay[walks.hits == 0] == 1)
    cut = literal_connectivity_decay(walks, beta=beta, threshold=threshold) < 1
    assert np.all(decay[cut] <= 1 - beta * threshold**2 + 1e-12)


@given(edge_lists)
def test_counts_are_those_of_the_walks_written_out(edges: list[tuple[bytes, bytes]]) -> None:
    graph = graph_of(edges)
    walks = walk(graph, WalkParameters(walk_count=200))
    paths: dict[int, list[int]] = {}
    for number, node in sorted(
        zip(walks.trace.walk.tolist(), walks.trace.node.tolist(), strict=True), key=lambda h: h[0]
    ):
        paths.setdefault(number, []).append(node)
    ratios = bridge_ratio(walks, compiled=False)
    assert np.array_equal(ratios, bridge_ratio(walks, compiled=True))
    for node, ratio in enumerate(ratios.tolist()):
        reached = [path[: path.index(node)] for path in paths.values() if node in path]
        passed = [sum(k in path for path in reached) for k in range(len(walks.hits))]
        assert ratio == (max(passed) / len(reached) if reached else 0.0)


@given(edge_lists, st.sampled_from(NAMES[1:]))
def test_what_one_loses_nobody_gains(edges: list[tuple[bytes, bytes]], author: bytes) -> None:
    # Sybils behind one identity, which endorses nobody else, cost the others nothing.
    edges = [(a, s) for a, s in edges if a != author]
    before = graph_of(edges)
    after = graph_of([*edges, (author, b"s1"), (b"s1", b"s2"), (b"s2", b"s1")])
    scores = [
        dict(zip(g.csr().ids, (w.mass * connectivity_decay(w)).tolist(), strict=True))
        for g, w in ((g, walk(g, WalkParameters(walk_count=200))) for g in (before, after))
    ]
    assert {v: score for v, score in scores[0].items() if score} == {
        v: score for v, score in scores[1].items() if score and v not in (b"s1", b"s2")
    }


def test_arguments_outside_their_range_are_named() -> None:
    walks = walk(graph_of([(EGO, b"a")]))
    with pytest.raises(UsageError, match=r"beta 1\.5"):
        connectivity_decay(walks, beta=1.5)
    with pytest.raises(UsageError, match="beta -1"):
        literal_connectivity_decay(walks, beta=-1.0)
    with pytest.raises(UsageError, match="threshold 0"):
        literal_connectivity_decay(walks, threshold=0.0)


def test_a_new_node_loads_no_compiler_to_find_that_nobody_is_reached() -> None:
    probe = (
        "import sys; from tastemesh.reputation import graph, introducers, walks;"
        "found = walks.walk_mass(graph.EndorsementGraph(), b'ego', seed=b'');"
        "assert not len(introducers.connectivity_decay(found, beta=0.8));"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0

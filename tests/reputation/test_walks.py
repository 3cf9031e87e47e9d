import hashlib
import itertools
from collections.abc import Iterable

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking import compiling
from tastemesh.reputation.graph import EndorsementGraph, EndorsementLimits
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.walks import WalkMass, trace_walks, walk_mass, whom_walks_hit
from tests.hash_seeds import printed

Edge = tuple[bytes, bytes, float]

EGO = b"ego"
ROOMY = EndorsementLimits(out_edge_limit=10_000)
HONEST = [EGO, b"h1", b"h2", b"h3", b"h4", b"h5"]
HOSTILE = [b"a1", b"h11", b"s1", b"s2", b"s3"]  # sorted among the honest, too
FEW = WalkParameters(alpha=0.2, walk_count=300)

weights = st.sampled_from([-1.0, -0.3, 0.0, 0.0001, 0.2, 0.5, 1.0])


def edges_among(authors: list[bytes], subjects: list[bytes]) -> st.SearchStrategy[list[Edge]]:
    edge = st.tuples(st.sampled_from(authors), st.sampled_from(subjects), weights)
    return st.lists(edge, max_size=30)


def graph_of(edges: Iterable[Edge]) -> EndorsementGraph:
    graph = EndorsementGraph(ROOMY)
    for seq, (author, subject, weight) in enumerate(edges):
        graph.endorse(author, subject, weight, epoch=0, seq=seq)
    return graph


def random_graph(node_count: int, out_degree: int, seed: int) -> EndorsementGraph:
    """Weighted random endorsements; ego is node 0."""
    drawn = nx.gnp_random_graph(node_count, out_degree / node_count, seed=seed, directed=True)
    generator = np.random.default_rng(seed)
    return graph_of(
        (EGO if author == 0 else b"%d" % author, b"%d" % subject, generator.uniform(0.1, 1.0))
        for author, subject in drawn.edges
    )


def hits_by_id(graph: EndorsementGraph, walks: WalkMass) -> dict[bytes, int]:
    hits = zip(graph.csr().ids, walks.hits.tolist(), strict=True)
    return {identity: count for identity, count in hits if count}


def walk(graph: EndorsementGraph, parameters: WalkParameters = FEW) -> WalkMass:
    return walk_mass(graph, EGO, seed=b"seed", parameters=parameters)


def probabilities(graph: EndorsementGraph) -> NDArray[np.float64]:
    """One step of the walk as a dense matrix; rows of identities that endorse nobody are 0."""
    arrays = graph.csr()
    dense = np.zeros((len(arrays.ids), len(arrays.ids)))
    authors = np.repeat(np.arange(len(arrays.ids)), np.diff(arrays.offsets))
    dense[authors, arrays.subjects] = arrays.weights
    dense /= np.maximum(dense.sum(axis=1, keepdims=True), 1e-12)
    return dense


def test_mass_is_the_probability_to_be_hit() -> None:
    graph = random_graph(40, 4, seed=1)
    graph.endorse(EGO, b"7", -0.5, epoch=1, seq=0)
    parameters = WalkParameters(alpha=0.15, walk_count=100_000)
    walks = walk(graph, parameters)
    ego, step = graph.index_of(EGO), 0.85 * probabilities(graph)
    assert ego is not None
    step[graph.walls(EGO)] = 0
    for node in range(len(step)):
        # h = step h away from the node, and 1 at it.
        onward = step.copy()
        onward[node] = 0
        target = np.zeros(len(step))
        target[node] = 1
        exact = 0.0
        if node != ego and node not in graph.walls(EGO):
            exact = float(np.linalg.solve(np.eye(len(step)) - onward, target)[ego])
        error = np.sqrt(exact * (1 - exact) / parameters.walk_count)
        assert walks.mass[node] == pytest.approx(exact, abs=4 * error + 1e-12)


# Closed forms of the Sybil gain: hits of all Sybils over hits of the attacker, who endorses nobody
# else and is hit by a share 1 - alpha of the walks. Each walk that reaches him then contributes
# independently; `variance` is that of one contribution.
@pytest.mark.parametrize("alpha", [0.1, 0.15, 0.3, 0.5])
@pytest.mark.parametrize("strategy", ["path", "star", "cycle"])
def test_sybil_gain_is_the_closed_form(alpha: float, strategy: str) -> None:
    onward = 1 - alpha
    sybils = [b"sybil-%d" % number for number in range(3_000)]
    match strategy:
        case "path":
            chain = [b"attacker", *sybils[:300]]
            attack = list(itertools.pairwise(chain))
            gain, variance = onward / alpha, onward / alpha**2
        case "star":
            attack = [(b"attacker", sybil) for sybil in sybils[:50]]
            gain, variance = onward, onward * alpha
        case _:
            attack = [(b"attacker", sybil) for sybil in sybils]
            attack += [(sybil, b"attacker") for sybil in sybils]
            gain = onward / (alpha * (2 - alpha))
            again = onward**2  # from the second Sybil on, each takes two steps more
            variance = gain * (1 + again) / (1 - again) - gain**2
    graph = graph_of([(EGO, b"attacker", 1.0), *((a, s, 1.0) for a, s in attack)])
    hits = hits_by_id(graph, walk(graph, WalkParameters(alpha=alpha, walk_count=20_000)))
    attacker = hits.pop(b"attacker")
    assert attacker / 20_000 == pytest.approx(onward, abs=4 * np.sqrt(onward * alpha / 20_000))
    assert sum(hits.values()) / attacker == pytest.approx(
        gain, abs=4 * np.sqrt(variance / attacker)
    )
    assert gain <= onward / alpha


def test_weights_are_followed_in_proportion() -> None:
    graph = graph_of([(EGO, b"a", 0.75), (EGO, b"b", 0.25), (EGO, b"c", 0.0001)])
    hits = hits_by_id(graph, walk(graph, WalkParameters(alpha=0.5, walk_count=1_000_000)))
    for identity, share in ((b"a", 0.75), (b"b", 0.25), (b"c", 0.0001)):
        exact = 0.5 * share / 1.0001
        assert hits[identity] / 1e6 == pytest.approx(exact, abs=4 * np.sqrt(exact / 1e6))


def test_walk_through_ego_counts_for_the_contact_it_left_by_last() -> None:
    graph = graph_of([(EGO, b"a", 1.0), (EGO, b"b", 1.0), (b"b", EGO, 1.0), (b"a", b"s", 1.0)])
    walks = walk(graph, WalkParameters(alpha=0.1))
    ids = graph.csr().ids
    by_contact = {
        (ids[walks.contacts[contact]], ids[node])
        for contact, node in zip(*walks.contact_hits.nonzero(), strict=True)
    }
    assert by_contact == {(b"a", b"a"), (b"b", b"b"), (b"a", b"s")}


def test_wall_ends_the_walk_and_scores_nothing() -> None:
    edges = [(EGO, b"a", 1.0), (b"a", b"w", 1.0), (b"a", b"x", 1.0), (b"w", b"y", 1.0)]
    before = graph_of(edges)
    after = graph_of([*edges, (EGO, b"w", -0.01)])
    open_hits, walled_hits = hits_by_id(before, walk(before)), hits_by_id(after, walk(after))
    assert open_hits[b"w"] > 0
    assert open_hits[b"y"] > 0
    # Nobody else gains or loses.
    assert walled_hits == {b"a": open_hits[b"a"], b"x": open_hits[b"x"]}


def test_distrust_by_others_is_no_wall() -> None:
    edges = [(EGO, b"a", 1.0), (EGO, b"b", 1.0), (b"a", b"c", 1.0)]
    slandered = [*edges, (b"b", b"a", -1.0), (b"b", b"c", -1.0)]
    before, after = graph_of(edges), graph_of(slandered)
    assert hits_by_id(before, walk(before)) == hits_by_id(after, walk(after))


@pytest.mark.parametrize("edges", [[], [(b"a", EGO, 1.0)], [(EGO, b"a", -1.0)]])
def test_ego_that_trusts_nobody_sees_no_mass(edges: list[Edge]) -> None:
    graph = graph_of(edges)
    walks = walk(graph)
    assert walks.mass.shape == (len(graph.csr().ids),)
    assert not walks.mass.any()
    assert walks.contact_mass.shape == (0, len(walks.mass))


@given(edges_among(HONEST, HONEST))
def test_mass_is_a_share_and_stays_in_reach(edges: list[Edge]) -> None:
    graph = graph_of(edges)
    walks = walk(graph)
    ids, walls = graph.csr().ids, {graph.csr().ids[wall] for wall in graph.walls(EGO)}
    assert np.all((walks.mass >= 0) & (walks.mass <= 1))
    reach = nx.DiGraph()
    reach.add_node(EGO)
    reach.add_edges_from(
        (author, subject)
        for author in ids
        for subject in ids
        if graph.weight(author, subject) > 0 and not {author, subject} & walls
    )
    assert set(hits_by_id(graph, walks)) <= nx.descendants(reach, EGO)
    # Every walk enters through one contact.
    assert walks.contact_hits.sum(axis=0).tolist() == walks.hits.tolist()
    assert np.allclose(walks.contact_mass.sum(axis=0), walks.mass, rtol=1e-12, atol=0)


@given(edges_among(HONEST, HONEST), edges_among(HOSTILE, HOSTILE + HONEST), st.booleans())
def test_identities_that_nobody_reaches_change_nothing(
    edges: list[Edge], extra: list[Edge], extra_first: bool
) -> None:
    before = graph_of(edges)
    after = graph_of([*extra, *edges] if extra_first else [*edges, *extra])
    assert hits_by_id(before, walk(before)) == hits_by_id(after, walk(after))


@given(edges_among(HONEST, HONEST), edges_among(HOSTILE, HOSTILE), st.sampled_from(HONEST))
def test_sybils_behind_an_attack_edge_take_nothing_from_others(
    edges: list[Edge], attack: list[Edge], victim: bytes
) -> None:
    # The last statement of the pair, so that the attack edge stays as it is.
    edges = [*edges, (victim, b"a1", 0.5)]
    before, after = graph_of(edges), graph_of([*edges, *attack])
    hits, attacked = hits_by_id(before, walk(before)), hits_by_id(after, walk(after))
    others = {identity: count for identity, count in attacked.items() if identity in hits}
    # Neither they nor the attacker's first identity: bit for bit, for one seed.
    assert others == hits
    gain = sum(attacked.values()) - sum(hits.values())
    assert gain <= FEW.step_limit * hits.get(b"a1", 0)


@given(edges_among(HONEST, HONEST), st.binary(max_size=3))
def test_compiled_walks_are_the_same_bit_for_bit(edges: list[Edge], seed: bytes) -> None:
    pytest.importorskip("numba")
    graph = graph_of([*edges, (EGO, b"h1", 1.0)])
    ego = graph.index_of(EGO)
    assert ego is not None
    compiled, plain = (
        trace_walks(
            graph.csr(), ego, walls=graph.walls(EGO), seed=seed, parameters=FEW, compiled=choice
        )
        for choice in (True, False)
    )
    by_walk = np.argsort(plain.walk, kind="stable")
    assert compiled.walk.tolist() == plain.walk[by_walk].tolist()
    assert compiled.node.tolist() == plain.node[by_walk].tolist()
    assert compiled.contact.tolist() == plain.contact[by_walk].tolist()


@given(edges_among(HONEST, HONEST), st.binary(max_size=3))
def test_whom_walks_hit_has_a_mass_and_nobody_else(edges: list[Edge], seed: bytes) -> None:
    graph = graph_of(edges)
    mass = walk_mass(graph, EGO, seed=seed, parameters=FEW).mass
    for is_postponed in (True, False):
        compiling.postpone(is_postponed)
        hit = whom_walks_hit(graph, EGO, seed=seed, parameters=FEW)
        assert hit.tolist() == np.flatnonzero(mass).tolist()


def test_kernels_agree_on_a_large_graph_with_long_walks() -> None:
    pytest.importorskip("numba")
    graph = random_graph(2_000, 10, seed=3)
    ego = graph.index_of(EGO)
    assert ego is not None
    parameters = WalkParameters(alpha=0.05, walk_count=2_000)  # outgrows the first buffer
    sums = [
        np.bincount(
            trace_walks(
                graph.csr(),
                ego,
                walls=graph.walls(EGO),
                seed=b"",
                parameters=parameters,
                compiled=choice,
            ).node
        )
        for choice in (True, False)
    ]
    assert sums[0].tolist() == sums[1].tolist()
    assert sums[0].sum() > 4 * parameters.walk_count


def test_seeds_give_different_walks_of_one_distribution() -> None:
    graph = random_graph(100, 5, seed=2)
    first, second = (walk_mass(graph, EGO, seed=seed) for seed in (b"1", b"2"))
    assert first.hits.tolist() != second.hits.tolist()
    error = np.sqrt((first.mass + second.mass + 1e-4) / first.walk_count)
    assert np.all(np.abs(first.mass - second.mass) < 5 * error)


SCRIPT = """
import hashlib, sys
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.walks import walk_mass
graph = EndorsementGraph()
for number in range(2000):
    author, subject = b"%d" % (number * 7 % 101), b"%d" % (number * number % 103)
    graph.endorse(author, subject, number % 11 / 10, epoch=0, seq=number)
for number in range(50):
    graph.remove_author(b"%d" % (2 * number + 1))
walks = walk_mass(graph, b"0", seed=graph.digest())
digest = hashlib.sha256(graph.digest() + walks.hits.tobytes())
for part in (walks.contacts, walks.contact_hits.data, walks.contact_hits.indices):
    digest.update(part.tobytes())
assert walks.hits.sum() > 10_000
print(digest.hexdigest())
"""


def test_walks_do_not_depend_on_the_hash_seed() -> None:
    digests = {printed(SCRIPT, hash_seed=hash_seed) for hash_seed in ("1", "2")}
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_arguments_outside_their_range_are_named() -> None:
    with pytest.raises(UsageError, match="alpha 0"):
        WalkParameters(alpha=0.0)
    with pytest.raises(UsageError, match="walk_count 0"):
        WalkParameters(walk_count=0)
    arrays = graph_of([(EGO, b"a", 1.0)]).csr()
    with pytest.raises(UsageError, match="ego index 2"):
        trace_walks(arrays, 2, walls=np.empty(0, np.int32), seed=b"", parameters=FEW)

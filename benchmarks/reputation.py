"""MeritRank walks against meritrank-python, 10,000 walks from one ego."""

import logging
from typing import Any

from benchmarks.graphs import endorsement_graph, identity
from benchmarks.measure import interleaved_s, row
from tastemesh.reputation.parameters import WalkParameters
from tastemesh.reputation.walks import walk_mass

# meritrank-python goes on with probability .85, so it stops with .15.
ALPHA = 0.15
WALKS = 10_000


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Compare on two sizes of graph."""
    sizes = [(100, 800)] if quick else [(1_000, 10_000), (10_000, 100_000)]
    walks = 200 if quick else WALKS
    return [_compare(identities, edges, walks) for identities, edges in sizes]


def _compare(identities: int, edges: int, walks: int) -> dict[str, Any]:
    graph = endorsement_graph(identities, edges)
    parameters = WalkParameters(alpha=ALPHA, walk_count=walks)
    work = f"{walks:,} walks, {identities:,} identities, {edges:,} endorsements, stop {ALPHA}"
    ego = identity(0)

    def ours() -> object:
        return walk_mass(graph, ego, seed=b"benchmark", parameters=parameters).mass

    try:
        from meritrank_python.rank import IncrementalMeritRank
    except ImportError:
        (taken,) = interleaved_s(ours)
        return row("MeritRank walks", "meritrank-python", work, taken * 1e3, None, "ms")
    arrays = graph.csr()
    logging.getLogger("meritrank_python").setLevel(logging.ERROR)
    peer_graph = IncrementalMeritRank()
    weights = arrays.weights
    sources = [
        (author, edge)
        for author in range(len(arrays.ids))
        for edge in range(int(arrays.offsets[author]), int(arrays.offsets[author + 1]))
    ]
    for author, edge in sources:
        peer_graph.add_edge(author + 1, int(arrays.subjects[edge]) + 1, float(weights[edge]))
    index = graph.index_of(ego)
    assert index is not None

    def theirs() -> object:
        return peer_graph.calculate(index + 1, num_walks=walks)

    mine, other = interleaved_s(ours, theirs)
    return row("MeritRank walks", "meritrank-python", work, mine * 1e3, other * 1e3, "ms")

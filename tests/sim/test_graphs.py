"""Random graphs, against networkx' own."""

import networkx as nx
import numpy as np
import pytest

from tastemesh.sim.graphs import friends_in_groups, small_world


@pytest.mark.parametrize(
    ("count", "degree", "seed"), [(30, 6, 0), (30, 6, 1), (7, 6, 2), (2, 1, 0), (3, 2, 5)]
)
def test_a_small_world_is_networkx_own(count: int, degree: int, seed: int) -> None:
    expected = nx.watts_strogatz_graph(count, degree, 0.3, seed=seed)
    assert small_world(count, degree, 0.3, seed) == [set(expected[node]) for node in range(count)]


def test_groups_are_denser_and_everybody_is_reached() -> None:
    group = np.repeat(np.arange(20), 20)
    pairs = friends_in_groups(group, 0.5, 0.02, np.random.default_rng(0))
    assert pairs == sorted(set(pairs))
    assert all(a < b for a, b in pairs)
    inside = sum(group[a] == group[b] for a, b in pairs)
    assert inside / (20 * 190) == pytest.approx(0.5, abs=0.03)
    assert (len(pairs) - inside) / (400 * 399 / 2 - 20 * 190) == pytest.approx(0.02, abs=0.002)
    apart = friends_in_groups(group, 0.0, 0.0, np.random.default_rng(0))
    assert nx.is_connected(nx.Graph(apart))
    assert len(apart) == 399
    assert friends_in_groups(np.zeros(1, np.int64), 1.0, 1.0, np.random.default_rng(0)) == []

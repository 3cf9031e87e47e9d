"""The built-in community, and who is picked for a demonstration."""

import networkx as nx
import numpy as np
import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.community import USER_ITEMS, connected_neighbourhood, synthetic_community
from tastemesh.sim.interactions import Endorsements


def friends(endorsements: Endorsements) -> "nx.Graph[str]":
    pairs = zip(endorsements.source, endorsements.subject, strict=True)
    graph: nx.Graph[str] = nx.Graph()
    graph.add_edges_from((endorsements.ids[a], endorsements.ids[b]) for a, b in pairs)
    return graph


def test_the_same_seed_makes_the_same_community_of_taste_and_friends() -> None:
    interactions, endorsements = synthetic_community(24, seed=3)
    again, _ = synthetic_community(24, seed=3)
    other, _ = synthetic_community(24, seed=4)
    assert np.array_equal(interactions.item, again.item)
    assert not np.array_equal(interactions.item, other.item)
    assert (np.bincount(interactions.user) == USER_ITEMS).all()
    assert len(set(zip(interactions.user, interactions.item, strict=True))) == len(interactions)
    assert set(friends(endorsements)) == set(interactions.user_ids)
    assert nx.is_connected(friends(endorsements))


@pytest.mark.parametrize("count", [2, 5, 24])
def test_the_neighbourhood_is_connected_and_of_the_size_asked(count: int) -> None:
    interactions, endorsements = synthetic_community(60, seed=1)
    picked = connected_neighbourhood(interactions, endorsements, count, 5)
    assert len(picked) == len(set(picked)) == count
    assert nx.is_connected(friends(endorsements).subgraph(picked))


def test_without_endorsements_the_most_active_are_picked() -> None:
    interactions, _ = synthetic_community(10, seed=1)
    fewer = interactions.rows(np.arange(len(interactions)) % 3 > 0)
    picked = connected_neighbourhood(fewer, None, 3, 1)
    held = dict(zip(fewer.user_ids, np.bincount(fewer.user), strict=True))
    assert min(held[name] for name in picked) >= max(
        count for name, count in held.items() if name not in picked
    )


def test_too_few_people_are_named() -> None:
    interactions, endorsements = synthetic_community(10, seed=1)
    with pytest.raises(UsageError, match="nodes is 50; the data has only"):
        connected_neighbourhood(interactions, endorsements, 50, 5)
    with pytest.raises(UsageError, match="a community of 1; expected at least 2"):
        synthetic_community(1, seed=0)

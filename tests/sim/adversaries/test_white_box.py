"""Who knows the rule does better than who does not, and stays below what is proved."""

import numpy as np
import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.adversaries.staging import Attacked
from tastemesh.sim.adversaries.strategies import mount
from tastemesh.sim.adversaries.white_box import LIST_LENGTH, WhiteBox
from tastemesh.sim.community import synthetic_community
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.tastemesh import Tastemesh

EGOS = np.arange(0, 60, 3, dtype=np.int32)


@pytest.fixture(scope="module")
def community() -> tuple[Interactions, Endorsements]:
    interactions, endorsements = synthetic_community(60, seed=2)
    return interactions, endorsements.aligned(interactions.user_ids)


def worth(attacked: Attacked) -> list[tuple[float, float]]:
    """How near the target comes to each ego's list, and how near it can by the theorem."""
    system = Tastemesh()
    system.fit(attacked.train, attacked.endorsements, system.grid(True)[0])
    return [
        (
            system.nearness(ego, attacked.target, LIST_LENGTH),
            system.trust_in(ego, attacked.attackers, LIST_LENGTH)[1],
        )
        for ego in EGOS.tolist()
    ]


def test_the_search_beats_a_blind_attack_and_no_plan_beats_the_bound(
    community: tuple[Interactions, Endorsements],
) -> None:
    train, endorsements = community
    budget = {"identities": 20, "attack_edges": 3}
    blind = worth(mount("copycat", train, endorsements, EGOS, **budget, seed=1, own={}))
    found = worth(WhiteBox(train, endorsements, EGOS, **budget, seed=1).attack())
    assert np.mean([near for near, _ in found]) > np.mean([near for near, _ in blind])
    assert all(min(near, 1.0) <= bound + 1e-6 for near, bound in found + blind)


def test_without_an_edge_there_is_nothing_to_find(
    community: tuple[Interactions, Endorsements],
) -> None:
    train, endorsements = community
    attacked = WhiteBox(train, endorsements, EGOS, identities=20, attack_edges=0, seed=1).attack()
    assert len(attacked.attackers) == 20
    assert all(near == 0.0 for near, _ in worth(attacked))


def test_more_edges_than_people_are_refused(
    community: tuple[Interactions, Endorsements],
) -> None:
    train, endorsements = community
    with pytest.raises(UsageError, match="attack-edges is 61; only 60 people endorse"):
        WhiteBox(train, endorsements, EGOS, identities=1, attack_edges=61, seed=0)

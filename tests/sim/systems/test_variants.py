"""What each variant undoes, and that all else is ours."""

import numpy as np
import pytest

from tastemesh.node.scorer import Scorer
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.registry import VARIANTS as SYSTEMS
from tastemesh.sim.systems.registry import make_system
from tastemesh.sim.systems.variants import VARIANTS

EVERYBODY = np.arange(30, dtype=np.int32)
EGO, FRIEND, THIRD, RING, BLOCKED, BEHIND = (bytes([n]) * 32 for n in range(6))


def total(undone: str | None, edges: list[tuple[bytes, bytes, float]]) -> dict[bytes, float]:
    """Ego's mass in each identity."""
    graph = EndorsementGraph()
    for seq, (source, subject, weight) in enumerate(edges, 1):
        graph.endorse(source, subject, weight, epoch=0, seq=seq)
    parameters, rule = VARIANTS[undone] if undone else (None, Scorer)
    reach = rule(View(), graph, parameters).reach(EGO)
    return dict(zip(reach.ids, reach.total.tolist(), strict=True))


def test_a_ring_gains_by_visits_and_by_nothing_else() -> None:
    edges = [(EGO, FRIEND, 1.0), (FRIEND, THIRD, 1.0), (THIRD, RING, 1.0), (RING, THIRD, 1.0)]
    literal, ours = total("visits", edges), total(None, edges)
    go_on = 1 - VARIANTS["visits"][0].trust.walks.alpha
    ratio = literal[THIRD] / ours[THIRD]
    assert ratio == pytest.approx(1 / (1 - go_on**2), rel=0.05)
    assert literal[FRIEND] == pytest.approx(ours[FRIEND], rel=0.02)


def test_visits_come_home_and_leave_again() -> None:
    edges = [(EGO, FRIEND, 1.0), (FRIEND, EGO, 1.0)]
    go_on = 1 - VARIANTS["visits"][0].trust.walks.alpha
    assert total("visits", edges)[FRIEND] == pytest.approx(go_on / (1 - go_on**2))


def test_distrust_is_passed_through_where_it_is_no_wall() -> None:
    edges = [(EGO, FRIEND, 1.0), (FRIEND, BLOCKED, 1.0), (BLOCKED, BEHIND, 1.0)]
    blocked = [*edges, (EGO, BLOCKED, -1.0)]
    assert total(None, blocked)[BEHIND] == 0.0
    passed = total("no-walls", blocked)
    assert passed[BLOCKED] == 0.0
    assert passed[BEHIND] == total(None, edges)[BEHIND] > 0.0


def test_the_relative_divisor_hands_on_what_one_loses() -> None:
    edges = [(EGO, FRIEND, 1.0), (EGO, THIRD, 1.0), (THIRD, RING, 1.0)]
    assert sum(total("relative", edges).values()) == pytest.approx(1.0)


def test_without_decay_nothing_is_lost_behind_a_bridge_and_the_cliff_takes_it_at_once() -> None:
    edges = [(EGO, FRIEND, 1.0), (FRIEND, THIRD, 1.0)]
    beta = VARIANTS["cliff"][0].trust.beta
    assert total("cliff", edges)[THIRD] == pytest.approx(
        (1 - beta) * total("no-decay", edges)[THIRD]
    )


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_variant_lists_as_ours_does_or_says_in_what_it_differs(
    name: str, community: Interactions, endorsements: Endorsements
) -> None:
    system = make_system(name)
    assert system.name == name
    system.fit(community, endorsements, system.grid(True)[0])
    ranked = system.rank(EVERYBODY, 3)
    in_circle = (ranked // 12 == (EVERYBODY % 2)[:, None]) & (ranked >= 0)
    assert in_circle.mean() > 0.75

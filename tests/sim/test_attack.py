"""The attack lab: each strategy adds what it says, and what it gets against whom."""

import msgspec
import numpy as np
import pytest

from tastemesh.errors import UsageError
from tastemesh.sim.adversaries.strategies import STRATEGIES, mount
from tastemesh.sim.attack import AttackOptions, Cell, run_attacks, summary
from tastemesh.sim.community import synthetic_community
from tastemesh.sim.interactions import Endorsements, Interactions

EGOS = np.array([0, 1, 2], dtype=np.int32)


@pytest.fixture(scope="module")
def community() -> tuple[Interactions, Endorsements]:
    interactions, endorsements = synthetic_community(60, seed=2)
    return interactions, endorsements.aligned(interactions.user_ids)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize(("identities", "edges"), [(1, 0), (12, 3)])
def test_an_attack_adds_to_honest_data_and_changes_none(
    name: str, identities: int, edges: int, community: tuple[Interactions, Endorsements]
) -> None:
    train, endorsements = community
    attacked = mount(
        name, train, endorsements, EGOS, identities=identities, attack_edges=edges, seed=1
    )
    count = len(train)
    assert attacked.train.user_ids[: len(train.user_ids)] == train.user_ids
    assert np.array_equal(attacked.train.user[:count], train.user)
    assert np.array_equal(attacked.train.item[:count], train.item)
    added = attacked.train.rows(np.arange(count, len(attacked.train)))
    assert set(added.user.tolist()) == set(attacked.attackers.tolist())
    holders = attacked.train.user[attacked.train.item == attacked.target]
    assert sorted(holders.tolist()) == attacked.attackers.tolist()
    pairs = set(zip(added.user.tolist(), added.item.tolist(), strict=True))
    assert len(pairs) == len(added)
    people = attacked.endorsements
    assert people is not None
    fresh = range(len(endorsements), len(people))
    from_honest = [int(people.source[n]) for n in fresh if people.source[n] < attacked.attackers[0]]
    assert sorted(from_honest) == attacked.deceived.tolist()
    assert len(attacked.deceived) == edges
    assert all(people.subject[n] != people.source[n] for n in fresh)


def test_copycats_come_after_and_early_spam_before_everybody(
    community: tuple[Interactions, Endorsements],
) -> None:
    train, endorsements = community
    assert train.time_s is not None
    copied = mount("copycat", train, endorsements, EGOS, identities=3, attack_edges=0, seed=0)
    for number, attacker in enumerate(copied.attackers):
        mine = set(copied.train.item[copied.train.user == attacker].tolist()) - {copied.target}
        assert mine == set(train.item[train.user == EGOS[number]].tolist())
    assert copied.train.time_s is not None
    assert copied.train.time_s[len(train) :].min() > train.time_s.max()
    for name, early in (("early-spam", True), ("back-date", False)):
        attacked = mount(name, train, endorsements, EGOS, identities=3, attack_edges=0, seed=0)
        assert attacked.train.time_s is not None
        assert (attacked.train.time_s[-1] < train.time_s.min()) == early


SMALL = AttackOptions(
    strategies=("copycat", "early-spam", "two-edge"),
    systems=("tastemesh", "userknn", "popularity"),
    identities=(1, 40),
    attack_edges=(0, 1),
    seeds=2,
    egos=20,
)


@pytest.fixture(scope="module")
def cells(community: tuple[Interactions, Endorsements]) -> list[Cell]:
    return run_attacks(*community, SMALL)


def test_every_cell_is_there_in_the_shape_of_the_contract(cells: list[Cell]) -> None:
    assert len(cells) == 3 * 3 * 2 * 2 * 2
    assert {
        "strategy",
        "system",
        "identities",
        "attack_edges",
        "seed",
        "exposure@10",
        "target_rank_median",
        "sybil_gain",
        "sybil_mass",
        "bound",
        "honest_ndcg@10_clean",
        "honest_ndcg@10",
        "niche_collateral",
    } <= set(msgspec.to_builtins(cells[0]))
    assert len(summary(cells)) == len(cells) / SMALL.seeds


def test_without_an_attack_edge_nothing_at_all_is_gained(cells: list[Cell]) -> None:
    mine = [c for c in cells if c.system == "tastemesh" and c.attack_edges == 0]
    assert {c.exposure_at_10 for c in mine} == {0.0}
    assert {c.sybil_mass for c in mine} == {0.0}
    assert {c.bound for c in mine} == {0.0}
    assert all(c.honest_ndcg_at_10 == c.honest_ndcg_at_10_clean for c in mine)


def test_the_others_are_bought_with_identities(cells: list[Cell]) -> None:
    copied = [c for c in cells if c.strategy == "copycat" and c.identities == 40]
    by_system = {c.system: c.exposure_at_10 for c in copied if c.attack_edges == 0}
    assert by_system["userknn"] > 0.8
    assert by_system["popularity"] == 1.0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (AttackOptions(strategies=("nuke",)), "unknown strategy 'nuke'"),
        (AttackOptions(systems=("magic",)), "unknown method 'magic'"),
        (AttackOptions(identities=(0,)), "identities is 0; expected 1 or more"),
        (AttackOptions(seeds=0), "seeds is 0; expected 1 or more"),
    ],
)
def test_wrong_options_are_named(
    options: AttackOptions, expected: str, community: tuple[Interactions, Endorsements]
) -> None:
    with pytest.raises(UsageError, match=expected):
        run_attacks(*community, options)


def test_attack_edges_need_endorsements(community: tuple[Interactions, Endorsements]) -> None:
    with pytest.raises(UsageError, match="attack-edges above 0 need --endorsements"):
        run_attacks(community[0], None, AttackOptions())

"""Who lives in a scenario: graphs, circles of taste, people from data."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tastemesh.errors import DataError, UsageError
from tastemesh.sim.datasets import load_interactions
from tastemesh.sim.residents import settle
from tastemesh.sim.scenario import Community, Scenario
from tastemesh.sim.topology import TOPOLOGIES, Shape, endorsed

SHAPE = Shape(count=60, friends=4, groups=5, mixing=0.1, seed=3)


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_everybody_endorses_some_others_the_same_ones_for_one_seed(kind: str) -> None:
    knows = endorsed(kind, SHAPE)
    assert len(knows) == 60
    assert all(len(each) <= 4 and person not in each for person, each in enumerate(knows))
    assert sum(map(len, knows)) > 100
    assert knows == endorsed(kind, SHAPE)
    assert knows != endorsed(kind, msgspec.structs.replace(SHAPE, seed=4))


@pytest.mark.parametrize("kind", ["groups", "blocks"])
def test_friends_are_mostly_of_one_group(kind: str) -> None:
    group = SHAPE.group
    pairs = [
        (person, friend) for person, each in enumerate(endorsed(kind, SHAPE)) for friend in each
    ]
    inside = sum(group[person] == group[friend] for person, friend in pairs)
    assert inside > 0.7 * len(pairs)


def test_in_a_scale_free_network_some_are_endorsed_by_many() -> None:
    popular = np.bincount([f for each in endorsed("scale-free", SHAPE) for f in each])
    assert popular.max() >= 3 * popular.mean()


def test_an_unknown_topology_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match="topology is 'torus'; expected one of small-world, groups"
    ):
        endorsed("torus", SHAPE)


def test_circles_share_a_taste_and_history_comes_first() -> None:
    scenario = Scenario(
        description="x",
        nodes=20,
        seconds=600.0,
        arrive_s=60.0,
        community=Community(topology="groups", groups=2, history=12),
    )
    residents = settle(scenario, 1)
    said = list(residents.said_by(3))
    assert said[0][0] == residents.starts_ms[3] + 1_000
    assert len(said[0][1]) == 12
    assert [at for at, _ in said] == sorted(at for at, _ in said)
    held = [set(residents.interactions.item[residents.interactions.user == n]) for n in range(20)]
    near = np.mean([len(held[0] & held[n]) for n in range(1, 10)])
    far = np.mean([len(held[0] & held[n]) for n in range(10, 20)])
    assert near > 2 * far


def test_people_from_data_say_what_they_did_in_their_order(tmp_path: Path) -> None:
    interactions, friends = tmp_path / "plays.csv", tmp_path / "friends.csv"
    rows = [
        f"u{u},i{(u * 3 + n) % 17},{1_000_000_000 + 60 * n}" for u in range(6) for n in range(9)
    ]
    interactions.write_text("user,item,time\n" + "\n".join(rows))
    friends.write_text("source,subject\n" + "\n".join(f"u{u},u{(u + 1) % 6}" for u in range(6)))
    scenario = Scenario(
        description="x",
        nodes=5,
        seconds=600.0,
        records_per_hour=40.0,
        community=Community(
            interactions=str(interactions),
            columns="user=user,item=item,time=time",
            endorsements=str(friends),
            history=4,
        ),
    )
    residents = settle(scenario, 1)
    assert residents.endorsements is not None
    for person in range(5):
        number = int(residents.interactions.user_ids[person][1:])
        names = [said.item for _, group in residents.said_by(person) for said in group]
        own = [f"i{(number * 3 + n) % 17}" for n in range(9)]
        assert names == own[-len(names) :]
    ids = [bytes([n]) for n in range(5)]
    assert 3 <= sum(len(residents.endorsements_of(person, ids)) for person in range(5)) <= 5


@pytest.mark.parametrize("item", ["x" * 302, "a\x01b"])
def test_an_item_that_no_record_can_carry_is_named_by_file_and_line(
    item: str, tmp_path: Path
) -> None:
    plays = tmp_path / "plays.csv"
    plays.write_text(f"user,item\nana,a\nben,{item}\n")
    scenario = Scenario(
        description="x", nodes=2, quiet_s=60.0, community=Community(interactions=str(plays))
    )
    with pytest.raises(DataError, match=f"{plays}, line 3: item id of .* bytes; expected 1 to 256"):
        settle(scenario, 1)
    assert len(load_interactions(plays)) == 2  # which an evaluation may well use
    kept = load_interactions(plays, skip_bad=True, for_nodes=True)
    assert (kept.item_ids, kept.counts.bad_count) == (("a",), 1)

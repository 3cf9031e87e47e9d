"""Each strategy adds what it says and changes nothing honest."""

import msgspec
import numpy as np
import pytest

from tastemesh.sim.adversaries.staging import Attacked, shape
from tastemesh.sim.adversaries.strategies import STRATEGIES, mount
from tastemesh.sim.community import synthetic_community
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.tastemesh import Tastemesh, graph_of

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


@pytest.mark.parametrize("name", STRATEGIES)
def test_attackers_know_of_no_item_that_was_held_out(
    name: str, community: tuple[Interactions, Endorsements]
) -> None:
    whole, endorsements = community
    train = whole.rows(whole.item % 6 == 0)
    attacked = mount(name, train, endorsements, EGOS, identities=20, attack_edges=2, seed=1)
    held = set(attacked.train.item[len(train) :].tolist())
    assert held <= {*train.item.tolist(), attacked.target}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("kept", [1, 2])
def test_victims_who_have_done_nothing_yet_can_be_aimed_at(
    name: str, kept: int, community: tuple[Interactions, Endorsements]
) -> None:
    whole, endorsements = community
    quiet = np.unique(whole.user)[-2:].astype(np.int32)
    train = whole.rows(np.flatnonzero(~np.isin(whole.user, quiet))[:kept])
    attacked = mount(name, train, endorsements, quiet, identities=3, attack_edges=1, seed=1)
    assert attacked.target in attacked.train.item


def test_names_that_the_data_have_are_not_taken(
    community: tuple[Interactions, Endorsements],
) -> None:
    train, endorsements = community
    users = ("hostile:0", *train.user_ids[1:])
    items = ("hostile:target", *train.item_ids[1:])
    train = msgspec.structs.replace(train, user_ids=users, item_ids=items)
    people = msgspec.structs.replace(endorsements, ids=users)
    attacked = mount("star", train, people, EGOS, identities=3, attack_edges=1, seed=1)
    for names in (attacked.train.user_ids, attacked.train.item_ids):
        assert len(set(names)) == len(names)


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


@pytest.mark.parametrize("scale", [0.25, 1.0, 10.0])
def test_attackers_endorse_as_strongly_as_the_strongest_of_the_data(
    scale: float, community: tuple[Interactions, Endorsements]
) -> None:
    train, endorsements = community
    people = msgspec.structs.replace(endorsements, weight=endorsements.weight * np.float32(scale))
    attacked = mount("slander", train, people, EGOS, identities=3, attack_edges=2, seed=1)
    assert attacked.endorsements is not None
    assert set(attacked.endorsements.weight[len(people) :].tolist()) == {scale, -scale}


def test_colluding_entries_vouch_for_each_other_however_many_they_lead(
    community: tuple[Interactions, Endorsements],
) -> None:
    train, endorsements = community
    attacked = mount("collude", train, endorsements, EGOS, identities=300, attack_edges=2, seed=1)
    arrays = graph_of(attacked.endorsements).csr()
    names = [attacked.train.user_ids[place].encode() for place in attacked.attackers[:5].tolist()]
    entries = [arrays.ids.index(name) for name in names]
    sources = np.repeat(np.arange(len(arrays.ids)), np.diff(arrays.offsets))
    assert int((np.isin(sources, entries) & np.isin(arrays.subjects, entries)).sum()) == 5 * 4


def inner(attacked: Attacked) -> list[tuple[int, int]]:
    """Who endorses whom among the attackers, by their numbers."""
    people = attacked.endorsements
    assert people is not None
    first = int(attacked.attackers[0])
    pairs = zip(people.source.tolist(), people.subject.tolist(), strict=True)
    return [(source - first, subject - first) for source, subject in pairs if source >= first]


@pytest.mark.parametrize("identities", [2, 3, 10])
def test_with_one_edge_no_shape_brings_more_trust_than_that_of_two_edge(
    identities: int, community: tuple[Interactions, Endorsements]
) -> None:
    train, endorsements = community
    (attacked, *others) = (
        mount(name, train, endorsements, EGOS, identities=identities, attack_edges=1, seed=1)
        for name in ("two-edge", "star", "collude", "cycle")
    )

    def mass(shaped: Attacked) -> float:
        links = shaped.endorsements
        assert links is not None and attacked.endorsements is not None
        first, count = int(attacked.attackers[0]), len(endorsements)
        among = links.rows(links.source >= first)
        honest = attacked.endorsements.rows(attacked.endorsements.source < first)
        assert len(honest) == count + 1  # the same deceived person
        people = msgspec.structs.replace(
            honest,
            source=np.append(honest.source, among.source),
            subject=np.append(honest.subject, among.subject),
            weight=np.append(honest.weight, among.weight),
            time_s=None,
        )
        system = Tastemesh(1)
        system.fit(attacked.train, people, system.grid(True)[0])
        far = [ego for ego in range(0, 60, 3) if ego not in attacked.deceived]
        return sum(system.trust_in(ego, attacked.attackers, 10)[0] for ego in far)

    most = mass(attacked)
    assert most > 0
    assert all(most >= mass(other) for other in others)


def test_two_edge_is_a_ladder_where_both_its_entries_are_endorsed(
    community: tuple[Interactions, Endorsements],
) -> None:
    train, endorsements = community
    for edges, expected in (
        (0, shape("ladder", 2, 9)),  # by nobody, and nothing follows from it
        (1, shape("chain", 1, 9)),
        (2, shape("ladder", 2, 9)),
        (5, shape("ladder", 2, 9)),
    ):
        attacked = mount(
            "two-edge", train, endorsements, EGOS, identities=9, attack_edges=edges, seed=1
        )
        assert inner(attacked) == [*expected]


@pytest.mark.parametrize("identities", [2, 3, 10, 11])
def test_on_a_ladder_nobody_is_a_bridge(identities: int) -> None:
    edges = shape("ladder", 2, identities)
    for bridge in range(identities):
        reached = {0, 1} - {bridge}
        for source, subject in edges:  # from below upwards
            if source in reached and subject != bridge:
                reached.add(subject)
        assert reached == {*range(identities)} - {bridge}

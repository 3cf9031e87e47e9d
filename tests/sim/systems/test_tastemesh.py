"""What a node lists, asked through the experiment's interface."""

import msgspec
import numpy as np
import pytest

from tastemesh.node.advice import cut
from tastemesh.node.scorer import Scorer
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems import tastemesh_similarity
from tastemesh.sim.systems.tastemesh import Tastemesh, graph_of, window_of
from tastemesh.sim.systems.tastemesh_similarity import ItemModel, TastemeshSimilarity

EVERYBODY = np.arange(30, dtype=np.int32)


def flooded(train: Interactions, times: bool) -> Interactions:
    """The same with 40 identities who copy user 0 and push item 25, dated long before anybody."""
    own = train.item[train.user == 0]
    count = len(own) + 1
    extra = np.repeat(np.arange(30, 70, dtype=np.int32), count)
    items = np.tile(np.append(own, 25), 40).astype(np.int32)
    late = np.arange(100, 100 + len(train), dtype=np.int64)
    return msgspec.structs.replace(
        train,
        user_ids=train.user_ids + tuple(f"s{at}" for at in range(40)),
        user=np.concatenate([train.user, extra]),
        item=np.concatenate([train.item, items]),
        weight=np.concatenate([train.weight, np.full(len(items), 9.0, np.float32)]),
        time_s=np.concatenate([late, np.zeros(len(items), np.int64)]) if times else None,
    )


@pytest.mark.parametrize("endorsed", [True, False])
def test_lists_are_the_nodes_own(
    endorsed: bool, community: Interactions, endorsements: Endorsements
) -> None:
    people = endorsements if endorsed else None
    system = Tastemesh()
    system.fit(community, people, system.grid(endorsed)[0])
    view = window_of(community)
    scored = Scorer(view, graph_of(people)).score(b"u4", 0)
    listed = cut(view, scored, 5, b"u4", excluded=np.empty(0, np.int32))
    assert [line.unverified for line in listed] == len(listed) * [not endorsed]
    ranked = system.rank(np.array([4], np.int32), 5)[0]
    assert [f"i{item}" for item in ranked.tolist() if item >= 0] == [line.item for line in listed]


def test_no_endorsement_is_too_weak_beside_another_to_count() -> None:
    weight = np.array([50_000.0, 1.0, -1.0, 25_000.0], np.float32)
    subject = np.arange(1, 5, dtype=np.int32)
    ids = ("ana", "b", "c", "d", "e")
    people = Endorsements(ids=ids, source=np.zeros(4, np.int32), subject=subject, weight=weight)
    graph = graph_of(people)
    found = [graph.weight(b"ana", name.encode()) for name in ids[1:]]
    assert found == [1.0, 0.0001, -0.0001, 0.5]


def test_copies_without_an_attack_edge_change_no_list(
    community: Interactions, endorsements: Endorsements
) -> None:
    late = np.arange(100, 100 + len(community), dtype=np.int64)
    clean = msgspec.structs.replace(community, time_s=late)
    lists = []
    for train in (clean, flooded(community, True)):
        system = Tastemesh()
        system.fit(train, endorsements.aligned(train.user_ids), system.grid(True)[0])
        lists.append(system.rank(EVERYBODY, 10))
    assert np.array_equal(lists[0], lists[1])
    insecure = TastemeshSimilarity()
    insecure.fit(flooded(community, True), None, insecure.grid(False)[0])
    assert 25 in insecure.rank(EVERYBODY[:1], 10)


def test_a_blocked_identity_counts_nowhere(
    community: Interactions, endorsements: Endorsements
) -> None:
    """User 2 blocks user 4: the lists are those of a world in which 4 never held anything."""
    wall = msgspec.structs.replace(
        endorsements,
        source=np.append(endorsements.source, 2).astype(np.int32),
        subject=np.append(endorsements.subject, 4).astype(np.int32),
        weight=np.append(endorsements.weight, np.float32(-1)),
    )
    lonely = msgspec.structs.replace(
        wall, **{name: getattr(wall, name)[-1:] for name in ("source", "subject", "weight")}
    )
    for people in (wall, lonely):
        lists = []
        for train in (community, community.rows(community.user != 4)):
            timed = msgspec.structs.replace(train, time_s=train.item.astype(np.int64))
            system = Tastemesh()
            system.fit(timed, people, system.grid(True)[0])
            lists.append(system.rank(np.array([2], np.int32), 5))
        assert np.array_equal(lists[0], lists[1])


def test_weights_and_arrival() -> None:
    train = Interactions(
        user_ids=("a",),
        item_ids=("x", "y", "z"),
        user=np.zeros(3, np.int32),
        item=np.arange(3, dtype=np.int32),
        weight=np.array([1, 3, 7], np.float32),
        time_s=np.array([5, 5, 2]),
    )
    rows = window_of(train).interactions()
    assert rows.weight == pytest.approx([1, 1 / 3, 2 / 3])
    assert rows.record.tolist() == [1, 2, 2]
    lots = [
        window_of(msgspec.structs.replace(train, time_s=None), seed).interactions()
        for seed in (1, 1)
    ]
    assert lots[0].weight.tolist() == lots[1].weight.tolist()
    assert lots[0].record.tolist() == [1, 2, 3]


def test_what_is_added_to_undated_rows_comes_before_or_after_them() -> None:
    honest = Interactions(
        user_ids=("a", "b"),
        item_ids=tuple("tuvwxyz"),
        user=np.array([0, 0, 0, 0, 0, 1, 1, 1, 1], np.int32),
        item=np.array([0, 1, 2, 3, 4, 5, 6, 0, 1], np.int32),
        weight=np.arange(1, 10, dtype=np.float32),
    )
    alone = window_of(honest.rows(honest.user == 0), 3).interactions()
    turn = np.array([0] * 5 + [1, 1, -1, -1], np.int8)
    rows = window_of(msgspec.structs.replace(honest, turn=turn), 3).interactions()
    assert rows.weight[2:7].tolist() == alone.weight.tolist()
    assert rows.record.tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 7]


@pytest.mark.parametrize("user_count", [20, 30])
def test_the_item_model_is_ease_on_either_side(user_count: int, community: Interactions) -> None:
    """25 items: 20 users have their matrix inverted, of 30 the items' is."""
    matrix = window_of(community.rows(community.user < user_count)).matrix(0)
    held = matrix.reference.by_user.toarray().astype(np.float64)
    inverse = np.linalg.inv(held.T @ held + 10.0 * np.eye(held.shape[1]))
    profile = held[0] / held[0].sum()
    expected = np.maximum(-(profile @ inverse) / np.diag(inverse), 0.0)
    assert ItemModel(matrix, 10.0).evidence(profile) == pytest.approx(expected, abs=1e-9)


def test_settings_of_one_strength_and_weighing_share_an_item_model(
    community: Interactions,
) -> None:
    system = TastemeshSimilarity()
    models: list[ItemModel | None] = []
    grid = system.grid(endorsed=False)
    for parameters in grid:
        system.fit(community, None, parameters)
        if system._model not in models:
            models.append(system._model)
    assert None not in models
    assert len(models) == len({(each["lambda"], each["weights"]) for each in grid})
    before = system._model
    system.fit(msgspec.structs.replace(community), None, grid[-1])
    assert system._model is not before  # other data may be of one size


@pytest.mark.parametrize("weights", ["held", "alike"])
def test_weights_say_nothing_where_holdings_count_alike(
    weights: str, community: Interactions
) -> None:
    """Hours and counts can mislead: some setting of the grid does not look at them."""
    rows = len(community)
    hours = np.random.default_rng(0).permutation(np.arange(1, rows + 1)).astype(np.float32)
    system = TastemeshSimilarity()
    setting = next(each for each in system.grid(False) if each["weights"] == weights)
    lists = []
    for weight in (np.ones(rows, np.float32), hours):
        system.fit(msgspec.structs.replace(community, weight=weight), None, setting)
        lists.append(system.rank(EVERYBODY, 10))
    assert np.array_equal(lists[0], lists[1]) == (weights == "alike")


def test_without_room_for_an_item_model_the_open_walk_ranks(
    community: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = TastemeshSimilarity()
    system.fit(community, None, system.grid(endorsed=False)[0])
    users = np.arange(10, dtype=np.int32)
    by_model = system.rank(users, 5)
    monkeypatch.setattr(tastemesh_similarity, "MAX_BYTES", 100)
    system.fit(community, None, system.grid(endorsed=False)[0])
    assert system._model is None
    by_walk = system.rank(users, 5)
    assert (by_walk >= 0).all()
    assert not np.array_equal(by_model, by_walk)

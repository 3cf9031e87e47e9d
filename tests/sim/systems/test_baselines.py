"""Each baseline against its definition, written out densely."""

import tracemalloc

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.sim.interactions import Interactions
from tastemesh.sim.systems import ease as ease_module
from tastemesh.sim.systems.als import Als
from tastemesh.sim.systems.ease import Ease
from tastemesh.sim.systems.matrices import tie_lots
from tastemesh.sim.systems.neighbours import ItemKNN, UserKNN
from tastemesh.sim.systems.popularity import Popularity
from tastemesh.sim.systems.rp3beta import RP3Beta
from tastemesh.sim.systems.salsa import Salsa
from tastemesh.sim.systems.system import Parameters, System

Dense = NDArray[np.float64]


def matrix_of(data: Interactions) -> Dense:
    held = np.zeros((len(data.user_ids), len(data.item_ids)))
    held[data.user, data.item] = 1.0
    return held


def random_interactions(user_count: int, item_count: int, seed: int = 2) -> Interactions:
    rng = np.random.default_rng(seed)
    held = rng.random((user_count, item_count)) < rng.uniform(0.1, 0.6, item_count)
    held[np.arange(user_count), rng.integers(0, item_count, user_count)] = True
    user, item = np.nonzero(held)
    return Interactions(
        user_ids=tuple(map(str, range(user_count))),
        item_ids=tuple(map(str, range(item_count))),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        weight=np.ones(len(user), dtype=np.float32),
    )


def assert_ranks_by(
    system: System, parameters: Parameters, data: Interactions, scores: Dense, above: float = 0.0
) -> None:
    """The system's lists hold the best scores that are allowed, in order, up to rounding."""
    held = matrix_of(data)
    system.fit(data, None, parameters)
    ranked = system.rank(np.arange(len(held), dtype=np.int32), 10)
    for user in range(len(held)):
        allowed = (held[user] == 0) & (held.sum(axis=0) > 0) & (scores[user] > above + 1e-9)
        best = np.sort(scores[user][allowed])[::-1][:10]
        listed = ranked[user][ranked[user] >= 0]
        assert allowed[listed].all()
        assert scores[user][listed] == pytest.approx(best, rel=1e-4, abs=1e-6)


def cosines(held: Dense, shrink: float) -> Dense:
    size = np.sqrt(held.sum(axis=1))
    similarity = held @ held.T / (np.outer(size, size) + shrink)
    np.fill_diagonal(similarity, 0.0)
    return similarity


def test_popularity_counts_holders() -> None:
    data = random_interactions(15, 20)
    held = matrix_of(data)
    assert_ranks_by(Popularity(), {}, data, np.tile(held.sum(axis=0), (15, 1)))


@pytest.mark.parametrize("shrink", [0.0, 5.0])
def test_neighbours_vote_by_cosine(shrink: float) -> None:
    data = random_interactions(15, 20)
    held = matrix_of(data)
    every = {"k": 99, "shrink": shrink}
    assert_ranks_by(UserKNN(), every, data, cosines(held, shrink) @ held)
    assert_ranks_by(ItemKNN(), every, data, held @ cosines(held.T, shrink))


def test_only_the_k_nearest_vote() -> None:
    wide, tall = random_interactions(15, 200, 1), random_interactions(200, 15, 0)
    users, items = cosines(matrix_of(wide), 0.1), cosines(matrix_of(tall).T, 0.1)
    for similarity in (users, items):
        ordered = np.sort(similarity, axis=1)[:, ::-1]
        assert (ordered[:, 3] > ordered[:, 4] + 1e-6).all()  # else the fourth is anybody's guess
        similarity[similarity < ordered[:, 3, None]] = 0.0
    nearest = {"k": 4, "shrink": 0.1}
    assert_ranks_by(UserKNN(), nearest, wide, users @ matrix_of(wide))
    assert_ranks_by(ItemKNN(), nearest, tall, matrix_of(tall) @ items.T)


def test_popularity_weighs_no_more_of_a_large_catalogue_than_can_be_listed() -> None:
    rng = np.random.default_rng(0)
    user_count, item_count = 100, 20_000
    user = np.repeat(np.arange(user_count), 40)
    item = np.concatenate(
        [rng.choice(item_count // (1 + at % 50), 40, replace=False) for at in range(user_count)]
    )
    data = Interactions(
        user_ids=tuple(map(str, range(user_count))),
        item_ids=tuple(map(str, range(item_count))),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        weight=np.ones(len(user), dtype=np.float32),
    )
    system = Popularity()
    system.fit(data, None, {})
    tracemalloc.start()
    try:
        ranked = system.rank(np.arange(user_count, dtype=np.int32), 10)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < user_count * item_count
    held = matrix_of(data)
    holders, lots = held.sum(axis=0), tie_lots(data)
    for at, listed in enumerate(ranked.tolist()):
        open_to = np.flatnonzero((held[at] == 0) & (holders > 0))
        assert listed == open_to[np.lexsort((lots[open_to], -holders[open_to]))][:10].tolist()


def test_rp3beta_is_three_steps_over_popularity() -> None:
    data = random_interactions(15, 20)
    held = matrix_of(data)
    users, items = held.sum(axis=1), np.maximum(held.sum(axis=0), 1)
    step = (held.T / items[:, None]) ** 0.7 @ (held / users[:, None]) ** 0.7 / items**0.4
    assert_ranks_by(RP3Beta(), {"alpha": 0.7, "beta": 0.4, "k": 99}, data, held @ step)


@pytest.mark.parametrize(("user_count", "item_count"), [(30, 12), (12, 30)])
def test_ease_is_its_closed_form_whichever_side_is_smaller(
    user_count: int, item_count: int
) -> None:
    data = random_interactions(user_count, item_count)
    held = matrix_of(data)
    precision = np.linalg.inv(held.T @ held + 7.0 * np.eye(item_count))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    assert_ranks_by(Ease(), {"lambda": 7.0}, data, held @ weights, above=-np.inf)


@pytest.mark.parametrize(("user_count", "item_count"), [(31, 13), (13, 31)])
def test_ease_inverts_no_row_of_whom_or_what_the_training_part_lacks(
    user_count: int, item_count: int
) -> None:
    known = random_interactions(user_count, item_count)
    strangers, unheard = ("late",), ("new", "newer")
    data = msgspec.structs.replace(
        known, user_ids=known.user_ids + strangers, item_ids=known.item_ids + unheard
    )
    few, many = Ease(), Ease()
    few.fit(known, None, {"lambda": 7.0})
    many.fit(data, None, {"lambda": 7.0})
    assert many._inverse.shape == few._inverse.shape
    users = np.arange(user_count, dtype=np.int32)
    assert np.array_equal(few.rank(users, 5), many.rank(users, 5))


def test_ease_says_what_it_would_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_module, "MAX_BYTES", 1000)
    with pytest.raises(UsageError, match=r"ease: 30 users and 12 items would need .* GiB"):
        Ease().fit(random_interactions(30, 12), None, {"lambda": 7.0})


def test_als_comes_to_rest_where_its_loss_is_least() -> None:
    data = random_interactions(30, 12)
    held = matrix_of(data)
    system = Als(seed=1)
    system.fit(data, None, {"factors": 4, "reg": 0.01, "alpha0": 0.3})
    users, items = system._users.astype(np.float64), system._items.astype(np.float64)

    def loss(users: Dense, items: Dense) -> float:
        scores = users @ items.T
        ridge_users = held.sum(axis=1) + 0.3 * held.shape[1]
        ridge_items = held.sum(axis=0) + 0.3 * held.shape[0]
        return float(
            (held * (scores - 1) ** 2).sum()
            + 0.3 * (scores**2).sum()
            + 0.01 * ridge_users @ (users**2).sum(axis=1)
            + 0.01 * ridge_items @ (items**2).sum(axis=1)
        )

    reached = loss(users, items)
    for user in range(30):  # the exact half-step, by normal equations
        weights = held[user] + 0.3
        ridge = 0.01 * (held[user].sum() + 0.3 * 12) * np.eye(4)
        users[user] = np.linalg.solve(items.T * weights @ items + ridge, items.T @ held[user])
    assert loss(users, items) == pytest.approx(reached, rel=0.01)
    assert reached < 0.8 * loss(np.zeros((30, 4)), np.zeros((12, 4)))


@pytest.mark.parametrize("restart", [0.15, 0.5, 0.95])
def test_salsa_is_the_walks_stationary_measure(restart: float) -> None:
    data = random_interactions(15, 20)
    held = matrix_of(data)
    to_item = held / held.sum(axis=1, keepdims=True)
    to_user = held.T / np.maximum(held.sum(axis=0), 1)[:, None]
    at_user = np.linalg.inv(np.eye(15) - (1 - restart) * to_item @ to_user)
    assert_ranks_by(Salsa(), {"restart": restart}, data, at_user @ to_item)

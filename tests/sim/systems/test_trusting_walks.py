import numpy as np
import pytest
from scipy.sparse import csr_array

from tastemesh.sim.systems.trusting_walks import Adjacency, first_visits, walk

AFFINITY = np.array(
    [
        [0.5, 0.3, 0.2, 0.0, 0.0],
        [0.0, 0.6, 0.0, 0.4, 0.0],
        [0.0, 0.0, 0.1, 0.8, 0.1],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ]
)
TRUST = np.array([[0, 2, 1, 0], [0, 0, 1, 0], [1, 0, 0, 3], [0, 0, 0, 0]], dtype=np.float64)


def walks(alpha: float, count: int = 20_000) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    return walk(
        np.zeros(count, dtype=np.int64),
        Adjacency(csr_array(AFFINITY)),
        Adjacency(csr_array(TRUST)),
        (AFFINITY > 0).sum(axis=0) > 1,
        alpha,
        40,
        np.random.default_rng(0),
    )


def test_choices_follow_the_weights_without_what_is_avoided() -> None:
    graph = Adjacency(csr_array(AFFINITY))
    rng = np.random.default_rng(1)
    node = np.zeros(30_000, dtype=np.int64)
    free = np.bincount(graph.choose(node, None, rng), minlength=5) / 30_000
    assert free == pytest.approx(AFFINITY[0], abs=0.01)
    for avoided in range(4):
        chosen = graph.choose(node, np.full(30_000, avoided), rng)
        expected = np.where(np.arange(5) == avoided, 0.0, AFFINITY[0])
        share = np.bincount(chosen, minlength=5) / 30_000
        assert share == pytest.approx(expected / expected.sum(), abs=0.01)
        assert share[avoided] == 0.0


def test_where_nothing_can_be_chosen_the_answer_is_minus_one() -> None:
    rng = np.random.default_rng(1)
    last = np.array([3, 3])
    only = Adjacency(csr_array(AFFINITY)).choose(last, np.array([4, -1]), rng)
    assert only.tolist() == [-1, 4]
    assert Adjacency(csr_array(TRUST)).choose(last, None, rng).tolist() == [-1, -1]
    nothing = Adjacency(csr_array((4, 5)))
    assert nothing.choose(last, None, rng).tolist() == [-1, -1]
    assert nothing.holds(last, last).tolist() == [False, False]


def test_every_step_is_one_that_the_rule_allows() -> None:
    for path in walks(0.05, count=2000):
        user, came_from = 0, -1
        for step, node in enumerate(path[path >= 0]):
            if step % 2 == 0:
                assert AFFINITY[user, node] > 0
                assert node != came_from
                came_from = node
            else:
                assert TRUST[user, node] > 0
                holders = [v for v in range(4) if TRUST[user, v] and AFFINITY[v, came_from]]
                assert not holders or node in holders
                user = node
        assert (np.diff(np.flatnonzero(path < 0)) == 1).all()  # once ended, ended


def test_walks_stop_with_probability_alpha_before_each_half_step() -> None:
    alive = (walks(0.3) >= 0).mean(axis=0)
    assert alive[0] == pytest.approx(0.7, abs=0.01)
    # From user 0, item 0 has no other holder: half of the walks that live on end there.
    assert alive[1] == pytest.approx(0.7 * 0.7 * 0.5, abs=0.01)
    assert walks(1.0).max() == -1


def test_a_holder_is_chosen_by_affinity_and_a_stand_in_by_trust() -> None:
    trace = walks(0.0)
    from_item_1 = trace[trace[:, 0] == 1][:, 1]
    assert (from_item_1 == 1).all()  # of the trusted only user 1 holds item 1
    from_item_2 = trace[trace[:, 0] == 2][:, 1]
    assert (from_item_2 == 2).all()
    shared = np.array([[0.5, 0.5, 0.0], [0.2, 0.0, 0.8], [0.6, 0.0, 0.4], [0.0, 1.0, 0.0]])
    trust = np.array([[0, 5, 1, 0], [0] * 4, [0] * 4, [0] * 4], dtype=np.float64)
    trace = walk(
        np.zeros(20_000, dtype=np.int64),
        Adjacency(csr_array(shared)),
        Adjacency(csr_array(trust)),
        np.array([True, True, True]),
        0.0,
        2,
        np.random.default_rng(0),
    )
    held = np.bincount(trace[trace[:, 0] == 0][:, 1], minlength=4)
    assert held / held.sum() == pytest.approx([0, 0.25, 0.75, 0], abs=0.02)
    stand_in = np.bincount(trace[trace[:, 0] == 1][:, 1], minlength=4)
    assert stand_in / stand_in.sum() == pytest.approx([0, 5 / 6, 1 / 6, 0], abs=0.02)


def test_first_visits_leave_out_repeats_and_tell_items_from_users() -> None:
    trace = np.array([[1, 1, 2, 1, 1, 0], [3, -1, -1, -1, -1, -1], [-1] * 6], dtype=np.int32)
    walker, node, place, is_item = first_visits(trace, item_count=5)
    assert walker.tolist() == [0, 0, 0, 0, 1]
    assert node.tolist() == [1, 6, 2, 5, 3]
    assert place.tolist() == [0, 1, 2, 3, 0]
    assert is_item.tolist() == [True, False, True, False, True]

"""Being early with what is popular is luck; being early with ego's taste is not."""

import numpy as np
import pytest

from tastemesh.ranking.view import View
from tastemesh.reputation.adoption import Arrivals, surprise
from tastemesh.reputation.luck import _tallied, skilled, threshold

ITEMS, EGO, FRIEND = 400, 0, 1


def test_the_threshold_rises_with_the_candidates() -> None:
    found = [threshold(count) for count in (0, 10, 20, 100, 1_000, 100_000)]
    assert found == sorted(found)
    assert found[0] == 0.0


def test_spammers_of_popular_items_pass_no_more_often_the_more_they_are() -> None:
    rng = np.random.default_rng(7)
    popularity = 1.0 / np.arange(5, ITEMS + 5)
    popularity /= popularity.sum()
    passed = []
    for count in (50, 1_000):
        spam = [rng.choice(ITEMS, 40, replace=False, p=popularity) for _ in range(count)]
        taste = rng.choice(np.arange(200, ITEMS), 30, replace=False)
        own = np.concatenate([taste, rng.choice(200, 10, replace=False)])
        rows = [taste, *spam, own]
        users = np.repeat([FRIEND, *range(2, count + 2), EGO], [len(row) for row in rows])
        items = np.concatenate(rows)
        when = (users == EGO).astype(np.int32)
        names, songs = map(str.encode, map(str, users)), map(str, items)
        view = View()
        view.extend(list(names), list(songs), 1.0, when, when)
        matrix = view.matrix(0)
        arrivals = Arrivals.of(matrix.reference, view.firsts(), view.rises())
        holders = np.diff(matrix.reference.by_item.indptr).astype(np.int64)
        surprises = surprise(holders.astype(np.float64), count + 2.0)
        friend, ego = (view.user_number(b"%d" % user) for user in (FRIEND, EGO))
        found = skilled(arrivals, [ego], surprises, holders, np.ones(count + 2, np.bool_))
        assert found[friend]
        assert not found[ego]
        found[friend] = False
        passed.append(int(found.sum()))
    assert max(passed) <= 30  # 10 expected, and the null is not exact


def test_of_strangers_with_one_rare_item_each_more_pass_the_more_they_are() -> None:
    """The known limit of z, told in the module: one rare hit passes any threshold."""
    passed = []
    for count in (1_000, 8_000):
        rng = np.random.default_rng(3)
        popularity = 1.0 / np.arange(1, 2_001)
        popularity /= popularity.sum()
        honest = [np.unique(rng.choice(2_000, 50, p=popularity)) for _ in range(200)]
        rare = rng.choice(np.arange(1_000, 2_000), (count, 1))
        own = np.unique(rng.choice(2_000, 50, p=popularity))
        rows = [*honest, *rare, own]
        users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        names, songs = map(str.encode, map(str, users)), map(str, np.concatenate(rows))
        view = View()
        view.extend(list(names), list(songs), 1.0, users, users)
        matrix = view.matrix(0)
        arrivals = Arrivals.of(matrix.reference, view.firsts(), view.rises())
        holders = np.diff(matrix.reference.by_item.indptr).astype(np.int64)
        surprises = surprise(holders.astype(np.float64), float(len(rows)))
        heard = np.ones(len(rows), np.bool_)
        found = skilled(arrivals, [len(rows) - 1], surprises, holders, heard)
        passed.append(int(found[len(honest) : -1].sum()))
    assert passed[1] > 2 * passed[0] > 0


def test_both_kernels_let_the_same_pass() -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = [rng.choice(30, rng.integers(1, 20), replace=False) for _ in range(40)]
        users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        order = rng.permutation(len(users))
        names = [b"%d" % user for user in users[order]]
        songs = [str(item) for item in np.concatenate(rows)[order]]
        view = View()
        view.extend(names, songs, 1.0, order, np.arange(len(order)))
        matrix = view.matrix(0)
        arrivals = Arrivals.of(matrix.reference, view.firsts(), view.rises())
        holders = np.diff(matrix.reference.by_item.indptr).astype(np.int64)
        surprises = surprise(holders.astype(np.float64), float(len(rows)))
        heard = rng.random(len(rows)) < 0.9
        egos = [int(rng.integers(len(rows)))]
        plain, compiled = (
            skilled(arrivals, egos, surprises, holders, heard, compiled=kernel)
            for kernel in (False, True)
        )
        assert np.array_equal(plain, compiled)
        from tastemesh.reputation.luck_kernel import tallied

        taken = arrivals.taken_up(egos, len(surprises))
        given = arrivals, taken, heard, surprises, surprises, np.square(surprises)
        for ours, theirs in zip(tallied(*given), _tallied(*given), strict=True):
            assert np.array_equal(np.asarray(ours), np.asarray(theirs))

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.sim.interactions import Interactions
from tastemesh.sim.splits import Split, SplitKind, SplitOptions, split, validation_split

DAY_S = 86_400
KINDS: list[SplitKind] = ["random", "user-time", "global-time"]


def community(user_count: int = 12, items_each: int = 10, seed: int = 0) -> Interactions:
    """Everybody holds `items_each` of 40 items, taken up on successive days."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(user_count, dtype=np.int32), items_each)
    item = np.concatenate([rng.choice(40, items_each, replace=False) for _ in range(user_count)])
    first_day = np.repeat(rng.integers(0, 50, user_count), items_each)
    return Interactions(
        user_ids=tuple(f"u{at}" for at in range(user_count)),
        item_ids=tuple(f"i{at}" for at in range(40)),
        user=user,
        item=item.astype(np.int32),
        weight=np.ones(len(user), dtype=np.float32),
        time_s=1_000_000_000 + DAY_S * (first_day + np.tile(np.arange(items_each), user_count)),
    )


def pairs(data: Interactions) -> list[tuple[int, int]]:
    return list(zip(data.user.tolist(), data.item.tolist(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_is_a_partition_and_depends_on_its_seed_alone(kind: SplitKind) -> None:
    data = community()
    options = SplitOptions(kind=kind, min_interactions=1)
    one, same = split(data, options, seed=3), split(data, options, seed=3)
    assert pairs(one.train) == pairs(same.train)
    assert pairs(one.test) == pairs(same.test)
    assert not set(pairs(one.train)) & set(pairs(one.test))
    assert set(pairs(one.train)) | set(pairs(one.test)) <= set(pairs(data))
    assert one.test_users.tolist() == sorted(set(one.test.user.tolist()))
    assert one.train.user_ids is data.user_ids
    assert one.train.time_s is not None
    assert len(one.train.time_s) == len(one.train)


@given(st.floats(0.05, 0.9), st.integers(0, 99))
def test_a_random_split_takes_the_same_share_of_every_user(fraction: float, seed: int) -> None:
    options = SplitOptions(test_fraction=fraction, min_interactions=1)
    expected = int(np.floor(10 * fraction + 0.5))
    if not 0 < expected < 10:
        return
    parts = split(community(), options, seed)
    assert np.bincount(parts.test.user).tolist() == [expected] * 12
    assert np.bincount(parts.train.user).tolist() == [10 - expected] * 12


def test_random_splits_of_two_seeds_differ() -> None:
    one, other = (split(community(), SplitOptions(), seed) for seed in (0, 1))
    assert set(pairs(one.test)) != set(pairs(other.test))


def test_user_time_holds_out_each_users_last() -> None:
    parts = split(community(), SplitOptions(kind="user-time", test_fraction=0.3))
    assert parts.train.time_s is not None
    assert parts.test.time_s is not None
    for user in range(12):
        before = parts.train.time_s[parts.train.user == user]
        after = parts.test.time_s[parts.test.user == user]
        assert len(after) == 3
        assert before.max() < after.min()


def test_rows_of_one_time_are_drawn_by_lot_not_by_their_order_in_the_file() -> None:
    data = community()
    assert data.time_s is not None
    still = msgspec.structs.replace(data, time_s=np.zeros_like(data.time_s))
    test = split(still, SplitOptions(kind="user-time", test_fraction=0.5)).test
    place = np.flatnonzero(np.isin(pairs_key(still), pairs_key(test))) % 10
    assert 3.5 < place.mean() < 5.5


def pairs_key(data: Interactions) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return data.user.astype(np.int64) * 40 + data.item


@pytest.mark.parametrize("cutoff", ["2001-10-09", "1002585600"])
def test_global_time_cuts_at_the_date_given(cutoff: str) -> None:
    options = SplitOptions(kind="global-time", cutoff=cutoff, min_interactions=1)
    parts = split(community(), options)
    assert parts.cutoff == "2001-10-09T00:00:00+00:00"
    assert parts.train.time_s is not None
    assert parts.test.time_s is not None
    assert parts.train.time_s.max() < 1002585600 <= parts.test.time_s.min()


def test_global_time_without_a_date_holds_out_the_fraction() -> None:
    data = community(200)
    parts = split(data, SplitOptions(kind="global-time", test_fraction=0.25, min_interactions=1))
    assert parts.train.time_s is not None
    assert len(parts.train) / len(data) == pytest.approx(0.75, abs=0.03)
    assert len(parts.train) <= 0.75 * len(data)


def test_users_with_too_little_training_are_not_asked_but_teach() -> None:
    data = community()
    few = data.rows(~((data.user == 0) & (np.arange(len(data)) >= 4)))
    parts = split(few, SplitOptions(min_interactions=5))
    assert parts.test_users.tolist() == list(range(1, 12))
    assert 0 in parts.train.user
    assert 0 not in parts.test.user


def test_validation_splits_the_training_part_in_the_same_manner() -> None:
    options = SplitOptions(kind="global-time", cutoff="2001-10-09", min_interactions=3)
    outer = split(community(60), options)
    inner = validation_split(outer.train, options)
    assert set(pairs(inner.train)) | set(pairs(inner.test)) <= set(pairs(outer.train))
    assert inner.train.time_s is not None
    assert inner.test.time_s is not None
    assert inner.train.time_s.max() < inner.test.time_s.min()
    assert inner.cutoff is not None
    assert inner.cutoff < "2001-10-09"


def test_validation_asks_users_with_less_where_nobody_has_enough() -> None:
    options = SplitOptions(min_interactions=8)
    outer = split(community(), options)
    inner: Split = validation_split(outer.train, options)
    assert len(inner.test_users) == 12


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (SplitOptions(test_fraction=0.0), "--test-fraction 0.0: expected above 0 and below 1"),
        (SplitOptions(min_interactions=0), "--min-interactions 0: expected 1 or more"),
        (SplitOptions(min_interactions=11), "no user has 11 training items"),
        (SplitOptions(cutoff="2009-01-01"), "--cutoff goes with --split global-time, not random"),
        (SplitOptions(kind="global-time", cutoff="soon"), "--cutoff soon: expected an ISO date"),
        (SplitOptions(kind="global-time", cutoff="1e25"), "--cutoff 1e25: expected an ISO date"),
        (SplitOptions(kind="global-time", cutoff="-1e40"), "--cutoff -1e40: expected an ISO date"),
        (SplitOptions(kind="global-time", cutoff="2010"), "2010: .*, after 1990; this is 1970-01"),
        (SplitOptions(kind="global-time", cutoff="2050-01-01"), "one held out from 2050-01-01"),
        (SplitOptions(kind="yearly"), "--split yearly: expected random, user-time, global-time"),  # type: ignore[arg-type]
    ],
)
def test_options_that_do_not_fit_are_named(options: SplitOptions, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        split(community(), options)


def test_splits_by_time_need_times() -> None:
    timeless = msgspec.structs.replace(community(), time_s=None)
    with pytest.raises(UsageError, match="--split user-time: the interactions have no time"):
        split(timeless, SplitOptions(kind="user-time"))

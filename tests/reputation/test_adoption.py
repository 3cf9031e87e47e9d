"""Who is early, by arrival and by nothing else."""

from functools import reduce
from itertools import permutations
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tastemesh.ranking.view import View
from tastemesh.reputation.adoption import Arrivals, adoption, surprise

ITEMS, USERS = 6, 5
NONE = np.empty(0, np.int32)

# user, item, time_s; one record each, in the order of arrival
Event = tuple[int, int, int]
events = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, ITEMS - 1), st.integers(0, 20)), max_size=40
)


def arrived(rows: list[Event]) -> Arrivals:
    """Users and items have the numbers that they have in the rows."""
    view = View()
    for user in range(USERS):
        view.append(bytes([user]), [str(item) for item in range(ITEMS)], 1.0, 0, user)
    for user in range(USERS):
        view.remove_record(user)
    for number, (user, item, time_s) in enumerate(rows, USERS):
        view.append(bytes([user]), [str(item)], 1.0, time_s, number)
    return Arrivals.of(view.matrix(0).reference, view.firsts(), view.rises())


def followed(rows: list[Event], rejected: NDArray[np.int32] = NONE) -> NDArray[np.float64]:
    return adoption(arrived(rows), [0], np.ones(ITEMS), np.ones(5, np.int64), rejected)


def test_only_who_came_first_is_followed() -> None:
    assert followed([(1, 0, 5), (0, 0, 6), (2, 0, 6)]).tolist() == [0, 1, 0, 0, 0]


def test_dates_cannot_make_an_arrival_earlier() -> None:
    assert followed([(0, 0, 9), (1, 0, 2)]).tolist() == [0, 0, 0, 0, 0]


def test_what_a_bulk_sync_brings_is_not_earlier_than_what_ego_imports_afterwards() -> None:
    """A history of times 1 to 3, entered after a sync in which somebody is dated 8."""
    rows = [(2, 5, 1), (3, 4, 8), (1, 0, 0), (0, 0, 3), (0, 5, 3)]
    assert followed(rows).tolist() == [0, 0, 1, 0, 0]  # only what came before time 3 was over


def test_a_second_statement_neither_helps_nor_harms() -> None:
    once = followed([(1, 0, 1), (0, 0, 2)])
    assert followed([(1, 0, 1), (1, 0, 1), (0, 0, 2), (0, 0, 3), (1, 0, 3)]) == pytest.approx(once)


def test_volume_dilutes_and_rejections_cost_holders() -> None:
    rows = [(1, 0, 1), (1, 1, 1), (2, 0, 1), (0, 0, 2), (2, 3, 3)]
    arrivals = arrived(rows)
    volumes = np.array([1, 4, 1, 0, 0])
    found = adoption(arrivals, [0], np.ones(ITEMS), volumes, NONE)
    assert found.tolist() == [0, 0.5, 1, 0, 0]
    rejected = np.array([-1, 3], np.int32)
    assert adoption(arrivals, [0], np.ones(ITEMS), volumes, rejected).tolist() == [0, 0.5, 0, 0, 0]


@given(events, events)
def test_what_arrives_after_ego_acted_earns_nothing(
    before: list[Event], after: list[Event]
) -> None:
    """However it is dated, and whatever it copies; ego acts no more."""
    before = sorted(before, key=lambda row: row[2])
    copies = [(user, item, time_s) for user, item, time_s in after if user != 0]
    assert (followed(before + copies) <= followed(before)).all()


@given(events, st.lists(st.integers(0, ITEMS - 1)))
def test_at_least_0_and_rejections_never_raise(rows: list[Event], rejected: list[int]) -> None:
    found = followed(rows, np.array(rejected, np.int32))
    assert (found >= 0).all()
    assert found[0] == 0
    assert (found <= followed(rows)).all()


@pytest.mark.parametrize("says", list(permutations((0.1, 0.2, 0.3))))
def test_what_cancels_is_nothing_in_whatever_order_it_is_added_up(
    says: tuple[float, ...],
) -> None:
    """A rest of rounding would be all that ego follows, and so lift trust as much as can be."""
    rows = [(1, item, 1) for item in (0, 1, 2)] + [(0, item, 2) for item in (0, 1, 2)]
    surprises = np.array([*says, 0.0, 0.0, 0.0])
    rejected = np.arange(3, dtype=np.int32)
    found = adoption(arrived(rows), [0], surprises, np.ones(5, np.int64), rejected)
    assert found.tolist() == [0.0] * 5
    rows += [(1, 3, 1), (1, 4, 1)]  # taken up .6, refused .6, of other items
    surprises[3:5] = 0.4, 0.2
    rejected = np.array([3, 4], np.int32)
    found = adoption(arrived(rows), [0], surprises, np.ones(5, np.int64), rejected)
    assert found.tolist() == [0.0] * 5


def test_what_everybody_holds_says_nothing_however_their_voices_are_added_up() -> None:
    voices = [0.1, 0.2, 0.3, 0.7, 0.9]
    sums = [reduce(add, each) for each in permutations(voices)]  # `sum` makes up for rounding
    assert len(set(sums)) > 1
    assert not surprise(np.array(sums), max(sums)).any()


def test_rare_items_say_more_and_what_everybody_holds_says_nothing() -> None:
    says = surprise(np.array([0.0, 1.0, 5.0, 10.0]), 10.0)
    assert says == pytest.approx([np.log(10), np.log(10), np.log(2), 0])

"""Ego's taste: recency in items."""

import numpy as np
import pytest

from tastemesh.errors import UsageError
from tastemesh.ranking.evidence import FEATURE_LIMIT, features
from tastemesh.ranking.profile import own_profile, recent_profile
from tastemesh.ranking.view import View


def by_item(view: View, profile: np.ndarray) -> dict[str, float]:
    return {view.item_id(n): profile[n] for n in np.flatnonzero(profile).tolist()}


def test_each_newer_item_halves() -> None:
    view = View()
    view.append(b"me", ["old", "middle", "new"], 1.0, [10, 500, 501], 0)
    view.append(b"other", ["x"], 1.0, 900, 1)
    profile = recent_profile(view, view.matrix(1_000), [0], half_life_items=1.0)
    assert by_item(view, profile) == pytest.approx({"old": 1 / 7, "middle": 2 / 7, "new": 4 / 7})


def test_equal_times_share_their_place_and_weights_count() -> None:
    view = View()
    view.append(b"me", ["a", "b", "c"], [1.0, 0.5, 1.0], [7, 7, 3], 0)
    profile = recent_profile(view, view.matrix(1_000), [0], half_life_items=1.0)
    late = 2.0**-1.5  # c stands two items behind a and b's common place of one half
    assert by_item(view, profile) == pytest.approx(
        {"a": 1 / (1.5 + late), "b": 0.5 / (1.5 + late), "c": late / (1.5 + late)}
    )


def test_the_newest_interaction_counts_over_all_of_egos_rows() -> None:
    view = View()
    view.append(b"me", ["a", "b"], 1.0, [1, 2], 0)
    view.append(b"shadow", ["a"], 1.0, 3, 1)
    profile = recent_profile(view, view.matrix(9), [0, 1, -1], half_life_items=1.0)
    assert by_item(view, profile) == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert by_item(view, own_profile(view.matrix(9), [0, 1])) == {"a": 0.5, "b": 0.5}


def test_thousands_of_items_at_one_time_do_not_vanish() -> None:
    view = View()
    view.append(b"me", [f"i{n}" for n in range(100_000)], 1.0, 5, 0)
    assert recent_profile(view, view.matrix(5), [0]).sum() == pytest.approx(1.0)


def test_who_held_egos_items_first_has_no_say_in_which_of_them_are_asked_about() -> None:
    mine = [f"i{n}" for n in range(FEATURE_LIMIT + 20)]
    asked = []
    for stranger in ([], mine[::-1], mine[7:30]):
        view = View()
        view.append(b"stranger", [*stranger, "x"], 1.0, 1, 0)
        view.append(b"me", mine, 1.0, 5, 1)
        profile = recent_profile(view, view.matrix(9), [view.user_number(b"me")])
        own = np.flatnonzero(profile).astype(np.int32)
        numbers, _ = features(own, profile[own])
        asked.append({view.item_id(number) for number in numbers.tolist()})
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == FEATURE_LIMIT


def test_what_is_so_old_that_nothing_of_it_is_left_says_nothing() -> None:
    view = View()
    view.append(b"me", ["a"], 1.0, 1_000, 0)
    view.append(b"other", ["x"], 1.0, 1_000 + 200 * 10, 1)
    assert recent_profile(view, view.matrix(0, half_life_s=10.0), [0]).tolist() == [0.0, 0.0]


def test_nobody() -> None:
    view = View()
    view.append(b"other", ["x"], 1.0, 1, 0)
    assert recent_profile(view, view.matrix(5), [-1]).tolist() == [0.0]
    with pytest.raises(UsageError, match="half_life_items 0"):
        recent_profile(view, view.matrix(5), [0], half_life_items=0.0)

"""Variety: what it puts forward, and what it must never let in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.ranking.diversity import Variety
from tastemesh.ranking.slate import cut
from tastemesh.ranking.view import View

NOBODY = np.empty(0, np.int32)


def view_of(*holdings: str) -> View:
    """Return a view in which user n holds the items named by the letters of the n-th word."""
    view = View()
    for number, items in enumerate(holdings):
        view.append(b"u%d" % number, list(items), 1.0, 0, number)
    return view


def listed(
    view: View, scores: dict[str, float], k: int, strength: float, heard: float = 1.0
) -> str:
    placed = np.zeros(view.item_count)
    placed[view.item_numbers(list(scores))] = list(scores.values())
    variety = Variety(view.matrix(0), np.full(view.user_count, heard), strength)
    lines = cut(view, placed, k, excluded=NOBODY, key=b"", variety=variety)
    return "".join(line.item for line in lines)


def test_what_the_same_people_hold_makes_room_for_something_else() -> None:
    view = view_of("ab", "ab", "c")
    scores = {"a": 1.0, "b": 0.9, "c": 0.8}
    assert listed(view, scores, 2, 0.0) == "ab"
    assert listed(view, scores, 2, 0.5) == "ac"
    assert listed(view, scores, 3, 0.5) == "acb"


def test_nobody_without_standing_makes_items_alike() -> None:
    view = view_of("ab", "ab", "c")
    assert listed(view, {"a": 1.0, "b": 0.9, "c": 0.8}, 2, 0.5, heard=0.0) == "ab"


def test_likeness_is_the_cosine_of_the_holders() -> None:
    view = view_of("ab", "a", "b", "c")
    variety = Variety(view.matrix(0), np.array([0.5, 0.5, 0.0, 1.0]), 0.3)
    alike = variety.likeness(view.item_numbers(list("abc")))
    expected = [[1, 0.5 / np.sqrt(1.0 * 0.5), 0], [0.5 / np.sqrt(1.0 * 0.5), 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(alike, expected)


@given(
    scores=st.lists(st.floats(0.01, 1.0), min_size=8, max_size=8),
    holdings=st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1), min_size=1, max_size=6),
    strength=st.floats(0.0, 0.9),
    k=st.integers(1, 8),
)
def test_nothing_far_below_the_last_place_is_let_in(
    scores: list[float], holdings: list[set[str]], strength: float, k: int
) -> None:
    view = view_of("abcdefgh", *("".join(sorted(each)) for each in holdings))
    by_item = dict(zip("abcdefgh", scores, strict=True))
    found = listed(view, by_item, k, strength)
    least = sorted(scores, reverse=True)[k - 1] * (1.0 - strength)
    assert len(set(found)) == k
    assert all(by_item[item] >= least * (1 - 1e-6) for item in found)


@pytest.mark.parametrize("strength", [-0.1, 0.95, 1.0])
def test_a_strength_that_would_let_anything_in_is_refused(strength: float) -> None:
    with pytest.raises(UsageError, match=r"diversity .*expected 0 to 0\.9"):
        listed(view_of("a"), {"a": 1.0}, 1, strength)

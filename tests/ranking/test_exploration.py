"""Lists for an ego that endorses nobody: two signals, and only where both agree."""

import numpy as np
import pytest

from tastemesh.ranking.exploration import EXPLORATION, explore, similarity_trust
from tastemesh.ranking.profile import own_profile
from tests.ranking.strategies import holdings

# Items: 0, 1 ego's; 2 a friend's in taste; 3 the copycats'; 4 the early spammers'.
WEIGHTS = np.array(
    [
        [1.0, 1, 0, 0, 0],
        [1.0, 1, 1, 0, 0],
        [1.0, 1, 0, 1, 0],
        [0.0, 0, 0, 0, 1],
    ]
)


def test_similarity_is_cosine_squared_without_ego() -> None:
    trust = similarity_trust(holdings(WEIGHTS), [0])
    assert trust == pytest.approx([0.0, 0.5, 0.5, 0.0])
    assert similarity_trust(holdings(WEIGHTS), [-1]).tolist() == [0.0] * 4
    aged = similarity_trust(holdings(WEIGHTS, scale=0.5), [0])
    assert aged == pytest.approx(trust)


def test_neither_copycats_nor_early_spammers_get_before_what_both_signals_know() -> None:
    matrix = holdings(WEIGHTS)
    adoption = np.array([0.0, 1.0, 0.0, 5.0])
    scores = explore(matrix, adoption, [0], own_profile(matrix, [0]))
    assert np.argmax(scores) == 2
    # Behind it comes what anybody holds: each of the others has one holder.
    assert scores[[0, 1, 3, 4]] / scores[2] == pytest.approx([0.0, 0.0, 0.5, 0.5])


def test_a_list_does_not_become_shorter_when_something_is_known() -> None:
    matrix = holdings(WEIGHTS)
    profile = own_profile(matrix, [0])
    unknown = explore(matrix, np.zeros(4), [0], profile)
    known = explore(matrix, np.array([0.0, 1.0, 0.0, 0.0]), [0], profile)
    assert np.count_nonzero(known) == np.count_nonzero(unknown) == 3


def test_who_is_behind_hears_what_others_took_up_next() -> None:
    """1 and 2 hold the same, in opposite order; ego, who has item 0, is behind both."""
    weights = np.array([[1.0, 0, 0], [1.0, 1, 1], [1.0, 1, 1]])
    taken_s = np.array([5, 5, 9, 1, 5, 9, 1], np.int32)
    matrix, adopted = holdings(weights), np.array([0.0, 1.0, 1.0])
    profile = own_profile(matrix, [0])
    for behind, order in ((0.0, [1.0, 1.0]), (1.0, [1.0, 0.2])):
        scores = explore(matrix, adopted, [0], profile, taken_s=taken_s, behind=behind)
        assert scores[1:] / scores[1] == pytest.approx(order)


def test_who_knows_nothing_sees_what_many_authors_hold() -> None:
    matrix = holdings(WEIGHTS)
    assert explore(matrix, np.zeros(4), [-1], np.zeros(5)).tolist() == [3.0, 3.0, 1.0, 1.0, 1.0]
    assert explore(matrix, np.zeros(4), [0], np.zeros(5)).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("holder_count", "discount"), [(2, 2**-0.2), (30, 30**-0.2), (62, 30**-0.2 * (62 / 30) ** -0.5)]
)
def test_rarity_among_items_in_few_hands_says_less(holder_count: int, discount: float) -> None:
    """One like ego holds item 1 alone, another item 2 with more or fewer beside it."""
    alike = np.array([[1.0, 0, 0], [1.0, 1, 0], [1.0, 0, 1]])
    weights = np.vstack([alike, np.tile([0.0, 0, 1], (holder_count - 1, 1))])
    adoption = np.zeros(len(weights))
    adoption[1:3] = 1.0
    matrix = holdings(weights)
    scores = explore(matrix, adoption, [0], own_profile(matrix, [0]))
    gain = EXPLORATION.open_gain
    assert scores[2] / scores[1] == pytest.approx((1.0 + (gain - 1.0) * discount) / gain)

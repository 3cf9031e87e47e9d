"""The pushed ranking is the exact one wherever it looks, and says what it left out."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.influence import hub_bound
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.push import Asked, Pushed, push, push_many
from tastemesh.ranking.salsa import rank
from tests.ranking.strategies import Question, holdings, parameters, questions, trust_of

voices = hnp.arrays(np.float64, 7, elements=st.sampled_from([0.0, 0.0, 0.3, 1.0]))


def with_kernel(matrix: HoldingMatrix, compiled: bool) -> HoldingMatrix:
    return HoldingMatrix(matrix.reference, matrix.scale, compiled=compiled)


@given(questions(), parameters, voices, st.booleans())
def test_it_is_the_exact_ranking(
    question: Question, p: SalsaParameters, heard: NDArray[np.float64], compiled: bool
) -> None:
    matrix = with_kernel(question.matrix, compiled)
    heard = heard[: matrix.shape[0]]
    taken_s = question.taken_s
    exact = rank(matrix, question.trust, [0], p, standing=heard, taken_s=taken_s)
    audience = np.flatnonzero(heard).astype(np.int32)
    voiced = audience, heard[audience]
    pushed = push(matrix, question.trust, [0, -1], p, standing=voiced, taken_s=taken_s)
    spread = pushed.spread_out(matrix, exact.trust)
    for name in ("items", "hub_mass", "votes", "started"):
        np.testing.assert_allclose(getattr(spread, name), getattr(exact, name), rtol=1e-12)
    assert pushed.residual == 0.0
    listed = spread.items[pushed.best(3)]
    assert listed.tolist() == sorted(spread.items[spread.items > 0].tolist(), reverse=True)[:3]


@given(questions(), parameters, st.sampled_from([0.001, 0.1, 0.5, 1.0]))
def test_what_is_left_out_is_within_the_residual_and_carried_no_more_than_the_bound(
    question: Question, p: SalsaParameters, residual: float
) -> None:
    p = msgspec.structs.replace(p, open_gain=1.0)
    pushed = push(question.matrix, question.trust, [0], p, residual=residual)
    assert pushed.residual <= residual * (1 + 1e-12)
    exact = rank(question.matrix, question.trust, [0], p)
    missing = np.ones(question.matrix.shape[0], np.bool_)
    missing[pushed.users] = False
    has_profile = bool(question.profile.any())
    bound = hub_bound(pushed.residual, p, has_profile=has_profile)
    assert exact.hub_mass[missing].sum() <= bound * (1 + 1e-6)


@given(questions(), parameters, st.data(), st.booleans())
def test_a_taste_given_item_by_item_is_the_one_over_all_items(
    question: Question, p: SalsaParameters, data: st.DataObject, compiled: bool
) -> None:
    """A taste for ego's own items, or for any others."""
    matrix = with_kernel(question.matrix, compiled)
    liking = hnp.arrays(np.float64, matrix.shape[1], elements=st.sampled_from([0.0, 0.5, 1.0]))
    taste = data.draw(st.just(question.profile**2) | liking)
    taste = taste / (taste.sum() or 1.0)
    liked = np.flatnonzero(taste).astype(np.int32)
    nobody = np.zeros(matrix.shape[0])
    exact = rank(question.matrix, question.trust, [0], p, profile=taste, standing=nobody)
    pushed = push(matrix, question.trust, [0], p, profile=(liked, taste[liked]))
    assert not exact.items[liked].any()
    spread = pushed.spread_out(question.matrix, exact.trust)
    np.testing.assert_allclose(spread.items, exact.items, rtol=1e-12)
    np.testing.assert_allclose(spread.passed, exact.passed, rtol=1e-12)


@given(questions(), parameters, st.data(), st.booleans())
def test_each_of_many_gets_what_it_would_get_alone_bit_for_bit(
    question: Question, p: SalsaParameters, data: st.DataObject, compiled: bool
) -> None:
    matrix = with_kernel(question.matrix, compiled)
    user_count = matrix.shape[0]
    asked = []
    for ego in data.draw(st.lists(st.integers(-1, user_count - 1), min_size=1, max_size=9)):
        contacts = data.draw(st.lists(st.integers(0, len(question.shares) - 1), max_size=4))
        shares = question.shares[contacts] * data.draw(st.sampled_from([0.0, 0.3, 1.0]))
        shares /= max(len(contacts), 1)
        shares[:, ego] = 0.0
        own = np.flatnonzero(question.weights[ego] if ego >= 0 else np.empty(0)).astype(np.int32)
        if data.draw(st.booleans()):  # a list like any items
            own = np.array(
                sorted(data.draw(st.sets(st.integers(0, matrix.shape[1] - 1)))), np.int32
            )
        taste = data.draw(hnp.arrays(np.float64, len(own), elements=st.floats(0, 1)))
        heard = data.draw(hnp.arrays(np.float64, user_count, elements=st.sampled_from([0, 0.3])))
        audience = np.flatnonzero(heard).astype(np.int32)
        asked.append(
            Asked(
                trust=trust_of(shares),
                egos=[ego, -1],
                profile=(own, taste),
                has_profile=bool(taste.any()) or data.draw(st.booleans()),
                standing=(audience, heard[audience]),
            )
        )

    check_each_alone(matrix, asked, p)
    assert push_many(matrix, [], p) == []


# Eight with several passes of contacts, some without any, and some without items; one; and two
# whose contacts are one pass of an odd width.
@pytest.mark.parametrize("contacts", [[0, 1, 33, 2, 0, 20, 9, 33], [5], [0], [0, 0], [3, 10]])
@pytest.mark.parametrize("compiled", [False, True])
# Users reached by few of the contacts, whose votes are combined one by one, and by most.
@pytest.mark.parametrize("reach", [0.1, 0.7])
def test_egos_of_many_and_of_no_contacts_get_what_each_would_get_alone(
    contacts: list[int], compiled: bool, reach: float
) -> None:
    random = np.random.default_rng(len(contacts))
    users, items = 40, 150
    weights = random.random((users, items)) ** 2 * (random.random((users, items)) < 0.15)
    weights[[1, 6, 20]] = 0.0
    matrix = with_kernel(holdings(weights, scale=0.7), compiled)
    asked = []
    for ego, count in enumerate(contacts):
        shares = random.random((count, users)) * (random.random((count, users)) < reach)
        shares[:, ego] = 0.0
        own, heard = np.flatnonzero(weights[ego]), np.flatnonzero(random.random(users) < 0.5)
        taste = weights[ego][own] / (weights[ego].sum() or 1.0)
        asked.append(
            Asked(
                trust=trust_of(shares / max(shares.sum(), 1.0)),
                egos=[ego, -1],
                profile=(own.astype(np.int32), taste),
                has_profile=bool(taste.any()),
                standing=(heard.astype(np.int32), random.random(len(heard))),
            )
        )
    for exponent in (0.3, 0.5, 1.0):
        p = SalsaParameters(contact_exponent=exponent, popularity_exponent=0.1, rounds=3)
        check_each_alone(matrix, asked, p)


def check_each_alone(matrix: HoldingMatrix, asked: list[Asked], p: SalsaParameters) -> None:
    def spread(pushed: Pushed, each: Asked) -> list[tuple[bytes, ...] | float]:
        scores = pushed.spread_out(matrix, each.trust)
        named = ("items", "hub_mass", "votes", "passed", "held")
        return [*(getattr(scores, name).tobytes() for name in named), scores.started]

    for each, found in zip(asked, push_many(matrix, asked, p), strict=True):
        alone = push(
            matrix, each.trust, each.egos, p,
            profile=each.profile, has_profile=each.has_profile, standing=each.standing,
        )  # fmt: skip
        assert spread(found, each) == spread(alone, each)


def test_a_residual_out_of_range_is_named() -> None:
    question = Question(np.eye(2), np.array([[0.0, 1.0]]), np.zeros((2, 2), np.int32))
    with pytest.raises(UsageError, match=r"residual 1\.5"):
        push(question.matrix, question.trust, [0], residual=1.5)

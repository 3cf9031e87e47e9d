"""The sparse kernel against the formulas written out, and what it must never do."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemesh.errors import UsageError
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.salsa import combined, rank
from tests.ranking.strategies import Question, holdings, parameters, questions, reference, trust_of


@given(questions(), parameters)
def test_equals_the_dense_reference(question: Question, p: SalsaParameters) -> None:
    scores = rank(question.matrix, question.trust, [0], p, taken_s=question.taken_s)
    assert scores.items == pytest.approx(reference(question, p), rel=1e-6, abs=1e-12)


@given(questions(), parameters, st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=7, max_size=7))
def test_standing_weighs_open_evidence(
    question: Question, p: SalsaParameters, voices: list[float]
) -> None:
    standing = np.array(voices[: len(question.weights)])
    ordered = question.taken_s
    found = rank(question.matrix, question.trust, [0], p, standing=standing, taken_s=ordered)
    scores = found.items
    assert scores == pytest.approx(reference(question, p, standing), rel=1e-6, abs=1e-12)


@given(questions(), parameters)
def test_who_has_neither_trust_nor_standing_changes_nothing_at_all(
    question: Question, p: SalsaParameters
) -> None:
    """Bit for bit, with open evidence."""
    outside = question.shares.sum(axis=0) == 0
    standing = np.where(outside, 0.0, 0.5)
    outside[0] = False
    weights = question.weights.copy()
    scores = []
    for held in (0.25, 1.0):
        weights[outside] = held
        profile = question.profile
        matrix = holdings(weights)
        taken_s = question.times_s[weights > 0]
        found = rank(
            matrix, question.trust, [0], p, profile=profile, standing=standing, taken_s=taken_s
        )
        scores.append(found.items)
    assert scores[0].tobytes() == scores[1].tobytes()


@given(questions(), parameters, st.integers(0, 6))
def test_mass_is_never_made(question: Question, p: SalsaParameters, age: int) -> None:
    matrix = holdings(question.weights, scale=2.0**-age)
    total = rank(matrix, question.trust, [0], p).hub_mass.sum()
    assert 0 <= total <= sum((1 - p.alpha) ** n for n in range(p.rounds)) + 1e-9


@given(questions(), parameters)
def test_who_has_no_trust_has_no_say(question: Question, p: SalsaParameters) -> None:
    """Distrusted users may hold anything: without open evidence no score changes."""
    p = msgspec.structs.replace(p, open_gain=1.0)
    before = rank(question.matrix, question.trust, [0], p).items
    weights = question.weights.copy()
    distrusted = question.shares.sum(axis=0) == 0
    distrusted[0] = False
    weights[distrusted] = 1.0
    after = rank(holdings(weights), question.trust, [0], p, profile=question.profile).items
    assert after == pytest.approx(before, rel=1e-12)


@given(questions(), parameters)
def test_open_evidence_never_introduces_and_never_buries(
    question: Question, p: SalsaParameters
) -> None:
    closed = msgspec.structs.replace(p, open_gain=1.0)
    anchored = rank(question.matrix, question.trust, [0], closed).items
    lifted = rank(question.matrix, question.trust, [0], p).items
    assert ((lifted > 0) == (anchored > 0)).all()
    assert (lifted >= anchored * (1 - 1e-12)).all()
    assert (lifted <= p.open_gain * anchored * (1 + 1e-12)).all()


def test_a_private_shadow_counts_as_ego() -> None:
    """Two rows of ego's are one history: trust in them is ignored, and neither is recommended."""
    apart = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [1.0, 1.0, 1.0, 0]])
    joined = np.array([[1.0, 1.0, 0, 0], [0, 0, 0, 0], [1.0, 1.0, 1.0, 0]])
    trust = trust_of(np.array([[0.2, 0.2, 0.6]]))
    one = rank(holdings(apart), trust, [0, 1]).items
    two = rank(holdings(joined), trust, [0, 1]).items
    assert one == pytest.approx(two)
    assert (one > 0).tolist() == [False, False, True, False]


def test_an_unknown_ego_gets_what_trust_holds() -> None:
    weights = np.array([[1.0, 0.5], [0.0, 1.0]])
    scores = rank(holdings(weights), trust_of(np.array([[0.8, 0.2]])), [-1, -1])
    assert scores.items[0] > 0
    assert scores.items[1] > 0


def test_no_trust_no_list() -> None:
    weights = np.ones((3, 3))
    assert not rank(holdings(weights), trust_of(np.zeros((1, 3))), [0]).items.any()
    assert not rank(holdings(weights), trust_of(np.zeros((0, 3))), [0]).items.any()


def test_a_cap_leaves_the_strongest_contact_exactly_its_share() -> None:
    parts = np.array([[8.0, 8.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    capped = combined(parts, SalsaParameters(contact_share_max=0.6))
    assert capped == pytest.approx([5.0, 0.0, 3.0])
    boosted = combined(parts, SalsaParameters(contact_exponent=0.5))
    assert boosted == pytest.approx([(8**0.5 + 2) ** 2, 8.0, 9.0])


def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(UsageError, match="trust in 4 users; expected at most 2"):
        rank(holdings(np.ones((2, 3))), trust_of(np.zeros((1, 4))), [0])
    with pytest.raises(UsageError, match="profile of shape"):
        rank(holdings(np.ones((2, 3))), trust_of(np.zeros((1, 2))), [0], profile=np.ones(2))


@pytest.mark.parametrize("name", ["rho", "kappa", "alpha", "contact_share_max"])
def test_parameters_have_ranges(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} -1"):
        SalsaParameters(**{name: -1.0})  # type: ignore[arg-type]

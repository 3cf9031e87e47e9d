"""The two theorems of docs/theory.md on arbitrary graphs and arbitrary attackers."""

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.influence import (
    hub_bound,
    share_kept,
    sybil_bound,
    sybil_bound_by_contact,
    sybil_bound_here,
    sybil_bound_next,
    trust_needed,
)
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.profile import even_profile
from tastemesh.ranking.salsa import rank
from tests.ranking.strategies import (
    Kernel,
    Question,
    holdings,
    parameters,
    questions,
    trust_of,
)

ROUNDING = 1 + 1e-6  # weights are float32

attackers = st.lists(st.booleans(), min_size=7, max_size=7)
likes = st.lists(st.booleans(), min_size=7, max_size=7)


kernels = st.sampled_from([Kernel.EXACT, Kernel.PUSH])


def taste(question: Question, like: list[bool] | None) -> NDArray[np.float64]:
    """Ego's own, or one for any items, some of which nobody may hold."""
    if like is None:
        return question.profile
    return even_profile(np.flatnonzero(like).astype(np.int32), len(question.profile))


@given(questions(), parameters, attackers, kernels, st.none() | likes)
def test_theorem_1(
    question: Question,
    p: SalsaParameters,
    hostile: list[bool],
    kernel: Kernel,
    like: list[bool] | None,
) -> None:
    """Whether ego's list is to be like what it holds, or like any other items."""
    users = len(question.weights)
    is_hostile = np.array(hostile[:users])
    is_hostile[0] = False
    tau = question.shares.sum(axis=0)
    epsilon = float(tau[is_hostile].sum())
    leads = max(1, int((question.shares[:, is_hostile] > 0).any(axis=1).sum()))
    profile = taste(question, like)
    has_profile = bool(profile.any())
    scores = kernel.rank(question.matrix, question.trust, p, profile)
    hub = hub_bound(epsilon, p, has_profile=has_profile)
    assert scores.hub_mass[is_hostile].sum() <= hub * ROUNDING
    only_theirs = ~(question.weights[~is_hostile] > 0).any(axis=0)
    most = scores.items[only_theirs].max(initial=0.0)
    here = sybil_bound_here(epsilon, scores, contacts=leads)
    assert most <= here * ROUNDING
    apart = sybil_bound_by_contact(question.shares[:, is_hostile].sum(axis=1), scores)
    assert most <= apart * ROUNDING
    assert apart <= here * ROUNDING
    assert here <= sybil_bound(epsilon, p, contacts=leads, has_profile=has_profile) * ROUNDING


@given(questions(), parameters, attackers, kernels)
def test_what_they_add_to_items_that_others_hold_too(
    question: Question, p: SalsaParameters, hostile: list[bool], kernel: Kernel
) -> None:
    """More than they have themselves: what passed through them counts where others vote."""
    p = msgspec.structs.replace(
        p, contact_exponent=1.0, contact_share_max=1.0, popularity_exponent=0.0, open_gain=1.0
    )
    is_hostile = np.array(hostile[: len(question.weights)])
    is_hostile[0] = False
    honest = np.where(is_hostile, 0.0, question.shares)
    epsilon = float(question.shares.sum() - honest.sum())
    attacked = kernel.rank(question.matrix, question.trust, p).items
    clean = kernel.rank(question.matrix, trust_of(honest), p).items
    started = (1.0 - p.rho if question.profile.any() else 1.0) * epsilon
    captured = epsilon / (p.kappa + epsilon) ** p.eta
    part = captured + (1.0 - captured) * started
    most = sum(
        (1.0 - p.alpha) ** number * (1.0 - (1.0 - started) * (1.0 - part) ** number)
        for number in range(p.rounds)
    )
    assert (attacked - clean).max() <= most * ROUNDING + 1e-9


@given(
    questions(),
    parameters,
    attackers,
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.2, 1.0, 3.0]),
)
def test_theorem_1_holds_whatever_they_hold_next(
    question: Question, p: SalsaParameters, hostile: list[bool], seed: int, growth: float
) -> None:
    """They copy, drop and invent holdings, and their part of ego's trust changes as well."""
    p = msgspec.structs.replace(p, rounds=min(p.rounds, 2), contact_share_max=1.0)
    is_hostile = np.array(hostile[: len(question.weights)])
    is_hostile[0] = False
    random = np.random.default_rng(seed)
    weights = np.hstack([question.weights, np.zeros((len(question.weights), 1))])
    scores = rank(holdings(weights), question.trust, [0], p)
    tau = question.shares.sum(axis=0)
    held_next = random.choice([0.0, 2.0**-10, 1.0], weights.shape)
    next_weights = np.where(is_hostile[:, None], held_next, weights)
    shares = question.shares * np.where(is_hostile, growth, 1.0)
    if shares.any():
        shares *= question.shares.sum() / shares.sum()
    epsilon = max(float(tau[is_hostile].sum()), float(shares[:, is_hostile].sum()))
    found = rank(holdings(next_weights), trust_of(shares), [0], p)
    leads = max(1, int((shares[:, is_hostile] > 0).any(axis=1).sum()))
    has_profile = bool(question.profile.any())
    only_theirs = ~(next_weights[~is_hostile] > 0).any(axis=0)
    most = found.items[only_theirs].max(initial=0.0)
    bound = sybil_bound_next(epsilon, scores, contacts=leads, has_profile=has_profile)
    assert most <= bound * ROUNDING
    assert bound <= sybil_bound(epsilon, p, contacts=leads, has_profile=has_profile) * ROUNDING


@given(questions(), parameters, attackers, kernels, st.none() | likes)
def test_theorem_2(
    question: Question,
    p: SalsaParameters,
    hostile: list[bool],
    kernel: Kernel,
    like: list[bool] | None,
) -> None:
    p = msgspec.structs.replace(p, eta=1.0, contact_share_max=1.0)
    is_hostile = np.array(hostile[: len(question.weights)])
    is_hostile[0] = False
    honest_shares = np.where(is_hostile, 0.0, question.shares)
    epsilon = float(question.shares.sum() - honest_shares.sum())
    profile = taste(question, like)
    attacked = kernel.rank(question.matrix, question.trust, p, profile).items
    clean = kernel.rank(question.matrix, trust_of(honest_shares), p, profile).items
    assert (attacked * ROUNDING >= share_kept(epsilon, p) * clean).all()


@pytest.mark.parametrize("identities", [1, 10, 1_000])
def test_a_thousand_identities_gain_what_one_gains(identities: int) -> None:
    """Identities that copy ego and share one's trust score, vouched for, what the one scored."""
    p = SalsaParameters()
    epsilon = 0.02

    def target(copies: int, p: SalsaParameters) -> float:
        honest = [[1.0, 1.0, 0, 0], [1.0, 0, 1.0, 0]]
        weights = np.array(honest + copies * [[1.0, 1.0, 0, 1.0]])
        shares = np.array([[0.0, 1 - epsilon] + copies * [epsilon / copies]])
        return float(rank(holdings(weights), trust_of(shares), [0], p).items[3])

    assert target(identities, p) <= sybil_bound(epsilon, p) * ROUNDING
    closed = msgspec.structs.replace(p, open_gain=1.0)
    assert target(identities, closed) == pytest.approx(target(1, closed), rel=1e-6)


def test_the_bound_is_tight() -> None:
    """An attacker who alone shares ego's one item, and holds one other, gets what it allows."""
    epsilon = 0.05
    trust = trust_of(np.array([[0, epsilon, 1 - epsilon]]))
    matrix = holdings(np.array([[1.0, 0, 0], [1.0, 1.0, 0], [0, 0, 1.0]]))
    p = SalsaParameters(theta=0.0, rho=1.0)
    scores = rank(matrix, trust, [0], p)
    assert scores.hub_mass[1] == pytest.approx(hub_bound(epsilon, p))
    assert scores.items[1] == pytest.approx(sybil_bound(epsilon, p))


@given(questions(), parameters, st.floats(0, 1))
@example(
    Question(np.zeros((2, 1)), np.zeros((1, 2)), np.zeros((2, 1), np.int32)),
    SalsaParameters(rho=0.0, kappa=1e-6, eta=0.6, rounds=3),
    1e-9,
)
def test_trust_needed_inverts_the_bound(
    question: Question, p: SalsaParameters, epsilon: float
) -> None:
    scores = rank(question.matrix, question.trust, [0], p)
    has_profile = bool(question.profile.any())
    score = sybil_bound_next(epsilon, scores, has_profile=has_profile)
    needed = trust_needed(score, scores, has_profile=has_profile)
    assert needed <= epsilon + 1e-9
    bound = sybil_bound_next(needed, scores, has_profile=has_profile)
    assert bound == pytest.approx(score, rel=1e-6, abs=1e-9)
    assert trust_needed(1e9, scores) == pytest.approx(1.0)


def test_what_most_of_egos_trust_holds_is_safe() -> None:
    """An attacker among many holders of what ego likes gets his share of it and no more."""
    weights = np.zeros((12, 3))
    weights[:, 0] = 1.0  # everybody holds ego's item
    weights[1, 1] = 1.0
    weights[2:, 2] = 1.0
    shares = np.array([[0.0] + [1 / 11] * 11])
    scores = rank(holdings(weights), trust_of(shares), [0])
    here = sybil_bound_here(1 / 11, scores)
    assert scores.items[1] <= here <= 0.2 * sybil_bound(1 / 11, SalsaParameters())


def test_one_contact_alone_is_nothing_under_a_cap() -> None:
    p = SalsaParameters(contact_share_max=0.6)
    assert sybil_bound(0.5, p) == 0.0
    assert sybil_bound(0.5, p, contacts=2) > 0.0


def test_values_out_of_range_are_named() -> None:
    p = SalsaParameters()
    with pytest.raises(UsageError, match=r"epsilon 1\.5"):
        sybil_bound(1.5, p)
    with pytest.raises(UsageError, match="contacts 0"):
        sybil_bound(0.5, p, contacts=0)
    with pytest.raises(UsageError, match="epsilon -1"):
        share_kept(-1.0, p)
    assert share_kept(0.1, SalsaParameters(eta=0.5)) == 0.0

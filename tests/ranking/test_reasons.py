"""Reasons add up to the score, and name evidence that exists."""

from collections.abc import Iterable
from functools import reduce
from operator import add

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tastemesh.ranking.contacts import POOL, gather_trust
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.reasons import Parts, explain, strongest
from tastemesh.ranking.salsa import Scores, rank
from tastemesh.ranking.view import View
from tests.ranking.strategies import holdings, trust_of

EGO, ANN, BEN, CAM = b"ego", b"ann", b"ben", b"cam"


def test_contacts_holders_and_records() -> None:
    view = View()
    view.append(EGO, ["x"], 1.0, 0, 0)
    view.append(ANN, ["x", "new"], 1.0, 0, 1)
    view.append(BEN, ["new"], 0.5, 0, 2)
    view.append(BEN, ["new"], 0.25, 0, 3)
    view.append(CAM, ["new"], 1.0, 0, 4)
    # Ann vouches for Ben; Cam came from nowhere.
    shares = sp.csr_array(np.array([[0.0, 0.5, 0.2, 0.0], [0.0, 0.0, 0.2, 0.0], [0, 0, 0, 0.1]]))
    users = [EGO, ANN, BEN, CAM]
    trust = gather_trust([ANN, BEN, POOL], shares, view.user_numbers(users), view.user_count)
    matrix = view.matrix(0)
    p = SalsaParameters(rounds=1, theta=0.0)
    scores = rank(matrix, trust, [view.user_number(EGO)], p)
    (reasons, nothing, unknown) = explain(view, matrix, scores, ["new", "x", "never seen"])
    assert [reason.contact for reason in reasons] == [ANN, BEN, POOL]
    shares_expected = np.array([0.5 + 0.2 * 0.75, 0.2 * 0.75, 0.1])
    assert [reason.share for reason in reasons] == pytest.approx(
        shares_expected / shares_expected.sum()
    )
    assert reasons[0].holders == (ANN, BEN)
    assert reasons[0].records == (1, 3)  # the newest of each
    assert reasons[1].holders == (BEN,)
    assert reasons[2].records == (4,)
    assert nothing[0].contact == ANN  # what ego has can be explained too
    assert unknown == ()


def test_limits_keep_the_strongest() -> None:
    view = View()
    users = [bytes([n]) for n in range(8)]
    for number, user in enumerate(users):
        view.append(user, ["hit"], (number + 1) / 8, 0, number)
    shares = np.zeros((4, 8))
    shares[np.arange(8) % 4, np.arange(8)] = 1.0
    trust = gather_trust(users[:4], sp.csr_array(shares), view.user_numbers(users), 8)
    matrix = view.matrix(0)
    p = SalsaParameters(rounds=1, theta=0.0)
    scores = rank(matrix, trust, [-1], p)
    (reasons,) = explain(view, matrix, scores, ["hit"], contact_limit=2, record_limit=1)
    assert [(reason.contact, reason.records) for reason in reasons] == [
        (users[3], (7,)),
        (users[2], (6,)),
    ]
    assert sum(reason.share for reason in reasons) == pytest.approx((4 + 8 + 3 + 7) / 36)


def scores_of(shares: NDArray[np.float64], votes: NDArray[np.float64]) -> Scores:
    """What reasons are made from; the rest is nothing."""
    nothing = np.empty(0)
    return Scores(
        items=nothing,
        hub_mass=nothing,
        votes=votes,
        trust=trust_of(shares),
        passed=nothing,
        held=nothing,
        started=0.0,
        parameters=SalsaParameters(),
    )


def in_turn(amounts: Iterable[float]) -> float:
    """Return their sum as the kernels make it; `sum` carries the roundings along from 3.12 on."""
    return reduce(add, amounts, 0.0)


def parts_of(
    matrix: HoldingMatrix, scores: Scores, item: int
) -> list[tuple[int, float, list[tuple[float, int]]]]:
    """Each contact's part in an item and what came through each holder, by the formula."""
    shares = scores.trust.shares.toarray()
    weights = matrix.reference.by_user.toarray()
    brought: list[tuple[int, float, list[tuple[float, int]]]] = []
    for contact, row in enumerate(shares.tolist()):
        through = []
        for user in range(len(weights)):
            tau = in_turn(shares[:, user].tolist())
            if tau > 0 and 0 <= item < matrix.shape[1] and weights[user, item] > 0:
                weight = float(weights[user, item]) * matrix.scale
                through.append((row[user] * (float(scores.votes[user]) / tau * weight), user))
        brought.append((contact, in_turn(amount for amount, _ in through), through))
    return brought


@given(st.data())
def test_both_kernels_find_the_strongest_parts_bit_for_bit(data: st.DataObject) -> None:
    users, items = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    weight = st.sampled_from([0.0, 0.0, 0.1, 0.3, 1.0])  # ties, and items that nobody holds
    dense = data.draw(hnp.arrays(np.float64, (users, items), elements=weight))
    reference, scale = holdings(dense).reference, data.draw(st.sampled_from([1.0, 0.7]))
    share = st.sampled_from([0.0, 0.0, 0.1, 0.2, 0.3])  # and contacts and egos without trust
    vote = st.sampled_from([0.0, 0.1, 0.7])
    asked = []
    for _ in range(data.draw(st.integers(0, 3))):
        contacts = data.draw(st.sampled_from([0, 1, 2, 8, 9, 33]))
        shares = data.draw(hnp.arrays(np.float64, (contacts, users), elements=share))
        votes = data.draw(hnp.arrays(np.float64, users, elements=vote))
        numbers = data.draw(st.lists(st.integers(-1, items), max_size=5))
        asked.append((scores_of(shares, votes), np.array(numbers, np.int32)))
    limits = data.draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    by_numpy, by_numba = (
        strongest(HoldingMatrix(reference, scale, compiled=compiled), asked, *limits)
        for compiled in (False, None)
    )
    for name in Parts._fields:
        ours, theirs = getattr(by_numpy, name), getattr(by_numba, name)
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert ours.tobytes() == theirs.tobytes()
    lines = [(scores, item) for scores, numbers in asked for item in numbers.tolist()]
    matrix = HoldingMatrix(reference, scale)
    for line, (scores, item) in enumerate(lines):
        parts = parts_of(matrix, scores, item)
        total = in_turn(amount for _, amount, _ in parts)
        ranked = sorted((part for part in parts if part[1] > 0), key=lambda part: -part[1])
        for rank_, (contact, share_, users_) in enumerate(
            zip(*(array[line].tolist() for array in by_numpy), strict=True)
        ):
            if rank_ >= len(ranked):
                assert (contact, share_, users_) == (-1, 0.0, [-1] * limits[1])
                continue
            through = sorted((t for t in ranked[rank_][2] if t[0] > 0), key=lambda t: -t[0])
            named = [user for _, user in through[: limits[1]]]
            assert (contact, share_) == (ranked[rank_][0], ranked[rank_][1] / total)
            assert users_ == named + [-1] * (limits[1] - len(named))

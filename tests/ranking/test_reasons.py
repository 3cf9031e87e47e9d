"""Reasons add up to the score, and name evidence that exists."""

import numpy as np
import pytest
import scipy.sparse as sp

from tastemesh.ranking.contacts import POOL, gather_trust
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.reasons import explain
from tastemesh.ranking.salsa import rank
from tastemesh.ranking.view import View

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

"""Trust by contact: what is pooled, dropped and split."""

import numpy as np
import pytest
import scipy.sparse as sp

from tastemesh.errors import UsageError
from tastemesh.ranking.contacts import POOL, ContactTrust, gather_trust, gather_trusts


def dense(trust: ContactTrust) -> dict[bytes, list[float]]:
    rows = trust.shares.toarray().round(12).tolist()
    return dict(zip(trust.contacts, rows, strict=True))


def test_the_lightest_contacts_are_pooled() -> None:
    shares = sp.csr_array(np.array([[1.0, 0], [0, 4.0], [2.0, 0], [0, 3.0], [0, 0]]))
    numbers = np.array([2, 0], dtype=np.int32)
    trust = gather_trust([b"a", b"b", b"c", b"d", b"e"], shares, numbers, 3, limit=2)
    assert dense(trust) == {b"b": [0.4, 0, 0], b"d": [0.3, 0, 0], POOL: [0, 0, 0.3]}
    assert trust.tau == pytest.approx([0.7, 0, 0.3])


def test_identities_that_hold_nothing_take_no_trust_along() -> None:
    shares = sp.csr_array(np.array([[1.0, 3.0], [0.0, 2.0], [1.0, 0.0]]))
    numbers = np.array([0, -1], dtype=np.int32)
    trust = gather_trust([b"a", b"b", POOL], shares, numbers, 1)
    assert dense(trust) == {b"a": [0.5], POOL: [0.5]}


def test_no_trust_at_all() -> None:
    nothing = sp.csr_array((0, 3), dtype=np.float64)
    trust = gather_trust([], nothing, np.arange(3, dtype=np.int32), 3)
    assert trust.contacts == ()
    assert trust.tau.tolist() == [0.0, 0.0, 0.0]
    alone = sp.csr_array(np.zeros((1, 2)))
    assert gather_trust([b"a"], alone, np.full(2, -1, dtype=np.int32), 4).tau.sum() == 0.0


def test_an_amount_is_split_as_trust_is() -> None:
    trust = ContactTrust((b"a", b"b"), sp.csr_array(np.array([[0.1, 0.3, 0], [0.3, 0, 0]])))
    parts = trust.split(np.array([4.0, 6.0, 8.0]))
    assert parts == pytest.approx(np.array([[1.0, 6.0, 0.0], [3.0, 0.0, 0.0]]))


def test_without_some_users_in_a_larger_space() -> None:
    trust = ContactTrust((b"a",), sp.csr_array(np.array([[0.1, 0.3]])))
    assert dense(trust.without([0, -1], 3)) == {b"a": [0.0, 0.3, 0.0]}


def test_what_does_not_fit_is_named() -> None:
    numbers = np.zeros(2, dtype=np.int32)
    with pytest.raises(UsageError, match=r"shape \(1, 2\); expected \(2, 2\)"):
        gather_trust([b"a", b"b"], sp.csr_array(np.ones((1, 2))), numbers, 1)
    with pytest.raises(UsageError, match="below 0"):
        gather_trust([b"a"], sp.csr_array(np.array([[1.0, -1.0]])), numbers, 1)


def test_several_egos_trust_is_gathered_as_each_ones_alone() -> None:
    rng = np.random.default_rng(5)
    numbers = rng.permutation(np.repeat(np.arange(-1, 5, dtype=np.int32), [3, 1, 1, 1, 1, 1]))
    names = [[bytes([65 + n]) for n in range(size)] for size in (3, 0, 6, 1)]
    shares = [
        sp.csr_array(rng.random((len(n), 8)) * (rng.random((len(n), 8)) > 0.4)) for n in names
    ]
    together = gather_trusts(names, shares, numbers, 7, limit=2)
    for found, contacts, mass in zip(together, names, shares, strict=True):
        alone = gather_trust(contacts, mass, numbers, 7, limit=2)
        assert found.contacts == alone.contacts
        assert np.array_equal(found.shares.toarray(), alone.shares.toarray())
    assert [POOL in found.contacts for found in together] == [True, False, True, False]

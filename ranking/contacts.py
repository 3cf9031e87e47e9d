"""Trust by contact: how much ego trusts each user, and through whom.

Row c of `shares` is the trust that reached the users through ego's contact c; the columns sum to
tau. Everything that the ranking says about contacts (how independent support is, who may claim how
much of an item, the reasons) comes from this one matrix.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tastemesh.errors import UsageError

# Stands for identities that no contact leads to, and for contacts beyond the limit.
POOL = b""

# Contacts that are followed apart; the work of combining them grows with it. On the Last.fm
# friendships (median 8 a user) 5 % of the mass comes through contacts beyond the 32 heaviest, 13 %
# beyond 16 (measured). Pooling only lowers what independent support is worth.
CONTACT_LIMIT = 32

Shares = sp.csr_array[np.float64, tuple[int, int]]


class ContactTrust(msgspec.Struct, frozen=True, eq=False):
    """Trust in users, by contact.

    Attributes:
        contacts: ids, one a row; POOL at most once.
        shares: CSR [contacts, users], float64, at least 0, summing to at most 1.
    """

    contacts: tuple[bytes, ...]
    shares: Shares

    @property
    def tau(self) -> NDArray[np.float64]:
        """Trust in each user, float64[users]; sums to at most 1."""
        shares = self.shares
        tau = np.bincount(shares.indices, weights=shares.data, minlength=shares.shape[1])
        return tau.astype(np.float64, copy=False)  # of nothing, it would be of integers

    def split(self, amount: NDArray[np.float64]) -> NDArray[np.float64]:
        """Split an amount at each user by the contacts that trust in it came through.

        Args:
            amount: float64[users]; what has no trust is dropped.

        Returns:
            float64[contacts, users]; columns sum to the amount.
        """
        tau = self.tau
        rate = np.divide(amount, tau, out=np.zeros_like(tau), where=tau > 0)
        parts: NDArray[np.float64] = self.shares.toarray()
        parts *= rate
        return parts

    def without(self, users: Sequence[int], user_count: int) -> "ContactTrust":
        """Return the same trust, none of it in some users, for a larger number space.

        Args:
            users: user numbers whose trust is set to 0; numbers below 0 are skipped.
            user_count: columns of the result; at least as many as now.
        """
        data = self.shares.data.copy()
        data[np.isin(self.shares.indices, np.asarray(users, dtype=np.int32))] = 0.0
        arrays = (data, self.shares.indices, self.shares.indptr)
        return ContactTrust(self.contacts, _shares(arrays, len(self.contacts), user_count))


def gather_trust(
    contacts: Sequence[bytes],
    shares: sp.csr_array[np.float64, tuple[int, int]],
    numbers: NDArray[np.int32],
    user_count: int,
    *,
    limit: int = CONTACT_LIMIT,
) -> ContactTrust:
    """Turn trust in identities into trust in the users of a view.

    Args:
        contacts: ids, one a row of `shares`.
        shares: CSR [contacts, identities], at least 0.
        numbers: int32[identities]; the view's number of each identity, -1 where it holds nothing.
        user_count: size of the view's number space.
        limit: contacts that stay apart, the heaviest; the others become POOL.

    Returns:
        Trust that sums to 1 over the users of the view, or to 0 where it reaches none.

    Raises:
        UsageError: shapes do not fit, or a share is negative.
    """
    if shares.shape != (len(contacts), len(numbers)):
        raise UsageError(
            f"shares of shape {shares.shape}; expected ({len(contacts)}, {len(numbers)})"
        )
    user, mass = numbers[shares.indices], shares.data.astype(np.float64)
    if len(mass) and mass.min() < 0:
        raise UsageError("shares below 0; expected trust of at least 0")
    row = np.repeat(np.arange(len(contacts), dtype=np.int32), np.diff(shares.indptr))
    held = np.flatnonzero(user >= 0)  # numbers: half of them at random, a mask is slow to follow
    row, user, mass = row[held], user[held], mass[held]
    weight = np.bincount(row, weights=mass, minlength=len(contacts))
    is_apart = np.zeros(len(contacts), dtype=np.bool_)
    is_apart[np.argsort(-weight, kind="stable")[:limit]] = True
    is_apart &= np.array([contact != POOL for contact in contacts], dtype=np.bool_)
    kept = np.flatnonzero(is_apart & (weight > 0))
    place = np.full(len(contacts), len(kept))
    place[kept] = np.arange(len(kept))
    names = [contacts[n] for n in kept.tolist()]
    place_of = place[row]
    pooled = place_of == len(kept)
    if pooled.any():
        names.append(POOL)
        order = np.argsort(pooled, kind="stable")
        place_of, user, mass = place_of[order], user[order], mass[order]
    ends = np.zeros(len(names) + 1, dtype=np.int32)
    np.cumsum(np.bincount(place_of, minlength=len(names)), out=ends[1:])
    total = mass.sum()
    shape = (len(names), user_count)
    by_contact = sp.csr_array((mass / total if total > 0 else mass, user, ends), shape=shape)
    # Turned twice by counting, a contact's users rise: a fifth of the time that sorting takes.
    gathered = by_contact.tocsc().tocsr()
    gathered.sum_duplicates()  # several of the pool's contacts may lead to one user
    return ContactTrust(tuple(names), gathered)


def _shares(
    arrays: tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]], rows: int, width: int
) -> Shares:
    matrix: Shares = sp.csr_array(arrays, shape=(rows, width))
    return matrix

"""Trust by contact: how much ego trusts each user, and through whom.

Row c of `shares` is the trust that reached the users through ego's contact c; the columns sum to
tau. Everything that the ranking says about contacts (how independent support is, who may claim how
much of an item, the reasons) comes from this one matrix.
"""

from collections.abc import Sequence
from itertools import pairwise

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

_NONE = np.empty(0, np.int32)


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
        for user in users:
            if user >= 0:
                data[self.shares.indices == user] = 0.0
        arrays = (data, self.shares.indices, self.shares.indptr)
        return ContactTrust(self.contacts, _shares(arrays, len(self.contacts), user_count))


def gather_trust(
    contacts: Sequence[bytes],
    shares: Shares,
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
    (found,) = gather_trusts([contacts], [shares], numbers, user_count, limit=limit)
    return found


def gather_trusts(
    contacts: Sequence[Sequence[bytes]],
    shares: Sequence[Shares],
    numbers: NDArray[np.int32],
    user_count: int,
    *,
    limit: int = CONTACT_LIMIT,
) -> list[ContactTrust]:
    """Return what `gather_trust` does for each of several egos, bit for bit, in one pass.

    Args:
        contacts: each ego's; at least one ego.
        shares: each ego's.
        numbers: as there.
        user_count: as there.
        limit: as there.

    Raises:
        UsageError: as there.
    """
    for names, mass in zip(contacts, shares, strict=True):
        if mass.shape != (len(names), len(numbers)):
            raise UsageError(
                f"shares of shape {mass.shape}; expected ({len(names)}, {len(numbers)})"
            )
    # All egos' rows one after the other.
    row_counts = np.array([len(names) for names in contacts])
    asker = np.repeat(np.arange(len(contacts)), row_counts)
    lengths = np.concatenate([_NONE, *(np.diff(mass.indptr) for mass in shares)])
    row = np.repeat(np.arange(len(asker)), lengths)
    user = numbers[np.concatenate([_NONE, *(mass.indices for mass in shares)])]
    amount = np.concatenate([np.empty(0), *(mass.data for mass in shares)])
    if len(amount) and amount.min() < 0:
        raise UsageError("shares below 0; expected trust of at least 0")
    held = np.flatnonzero(user >= 0)  # numbers: half of them at random, a mask is slow to follow
    row, user, amount = row[held], user[held], amount[held]
    weight = np.bincount(row, weights=amount, minlength=len(asker))
    is_apart = np.zeros(len(asker), dtype=np.bool_)
    order = np.lexsort((-weight, asker))
    before = np.cumsum(row_counts) - row_counts
    is_apart[order] = np.arange(len(asker)) - before[asker] < limit
    is_apart &= np.array([name != POOL for names in contacts for name in names], dtype=np.bool_)
    kept = is_apart & (weight > 0)
    # Each ego's kept rows, and then a row for its pool, which may stay empty.
    ends = np.cumsum(np.bincount(asker[kept], minlength=len(contacts)) + 1)
    place = np.where(kept, np.cumsum(kept) - 1 + asker, ends[asker] - 1)
    place_of = place[row]
    if not kept[row].all():
        order = np.argsort(place_of, kind="stable")
        place_of, user, amount = place_of[order], user[order], amount[order]
    row_ends = np.zeros(ends[-1] + 1, dtype=np.int32)
    np.cumsum(np.bincount(place_of, minlength=len(row_ends) - 1), out=row_ends[1:])
    spans = [slice(first, last) for first, last in pairwise([0, *row_ends[ends].tolist()])]
    for span in spans:
        total = amount[span].sum()
        amount[span] /= total if total > 0 else 1.0
    by_contact = _shares((amount, user, row_ends), len(row_ends) - 1, user_count)
    # Turned twice by counting, a contact's users rise: a fifth of the time that sorting takes.
    gathered = by_contact.tocsc().tocsr()
    gathered.sum_duplicates()  # several of a pool's contacts may lead to one user
    names = [name for names in contacts for name in names]
    apart = np.split(np.flatnonzero(kept), ends[:-1] - np.arange(1, len(ends)))
    return [
        _rows_of(gathered, int(last) - 1 - len(rows), [names[n] for n in rows.tolist()])
        for rows, last in zip(apart, ends.tolist(), strict=True)
    ]


def widened(shares: Shares, width: int) -> Shares:
    """Return the same shares over more columns, whose number only grows; the arrays are shared."""
    return _shares((shares.data, shares.indices, shares.indptr), shares.shape[0], width)


def _rows_of(gathered: Shares, first: int, names: list[bytes]) -> ContactTrust:
    """Cut one ego's rows out, and the pool's after them if there is anything in it."""
    ends = gathered.indptr[first : first + len(names) + 2]
    if ends[-1] > ends[-2]:
        names = [*names, POOL]
    else:
        ends = ends[:-1]
    span = slice(ends[0], ends[-1])
    arrays = (gathered.data[span], gathered.indices[span], ends - ends[0])
    return ContactTrust(tuple(names), _shares(arrays, len(names), gathered.shape[1]))


def _shares(
    arrays: tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]], rows: int, width: int
) -> Shares:
    matrix: Shares = sp.csr_array(arrays, shape=(rows, width))
    return matrix

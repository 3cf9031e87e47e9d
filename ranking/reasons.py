"""Why an item is listed: which contacts brought it, through whom, on what evidence.

Computed for the listed items only, from the mass that the ranking left at each user.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.salsa import Scores
from tastemesh.ranking.view import View


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One contact's part in an item's score.

    Attributes:
        contact: id, or POOL for identities that no contact followed apart leads to.
        share: part of the mass that the item received, above 0 to 1.
        holders: ids of users that hold the item, those that brought most first.
        records: numbers of the records that say so, in the order of the holders.
    """

    contact: bytes
    share: float
    holders: tuple[bytes, ...]
    records: tuple[int, ...]


def explain(
    view: View,
    matrix: HoldingMatrix,
    scores: Scores,
    items: Sequence[str],
    *,
    contact_limit: int = 3,
    record_limit: int = 3,
    newest: "Newest | None" = None,
) -> list[tuple[Reason, ...]]:
    """Explain items.

    Args:
        view: names users, and has the records.
        matrix: what was ranked.
        scores: what the ranking found.
        items: ids.
        contact_limit: contacts named for an item at most, the strongest.
        record_limit: records named for a contact at most, the newest of each holder.
        newest: of these items at least; looked up where None.

    Returns:
        Reasons for each item, strongest first; none for an item that got no mass.
    """
    tau = scores.trust.tau
    rate = np.divide(scores.votes, tau, out=np.zeros_like(tau), where=tau > 0)
    shares = scores.trust.shares.toarray()
    numbers = view.item_numbers(items)
    if newest is None:
        newest = Newest.of(view, np.unique(numbers[numbers >= 0]))
    explained = []
    for number in numbers.tolist():
        reasons: list[Reason] = []
        if 0 <= number < matrix.shape[1]:
            users, weights = matrix.holders(number)
            users, weights = users[tau[users] > 0], weights[tau[users] > 0]
            parts = shares[:, users] * (rate[users] * weights)
            sums = parts.sum(axis=1)
            strongest = np.argsort(-sums, kind="stable")[:contact_limit]
            for row in strongest[sums[strongest] > 0].tolist():
                heaviest = _heaviest(parts[row], record_limit)
                named = newest.named(number, users[heaviest], parts[row][heaviest])
                contact = scores.trust.contacts[row]
                reasons.append(_reason(view, contact, float(sums[row] / sums.sum()), named))
        explained.append(tuple(reasons))
    return explained


class Newest(msgspec.Struct, frozen=True, eq=False):
    """The last record in which each holder names each of some items.

    Attributes:
        pairs: int64, rising; item number x users + user number.
        records: int32; a record number each.
        user_count: users.
    """

    pairs: NDArray[np.int64]
    records: NDArray[np.int32]
    user_count: int

    @classmethod
    def of(cls, view: View, items: NDArray[np.int32]) -> "Newest":
        """Look the records up in a view, which has them in the order of arrival."""
        item, user, record = view.evidence_for(items)
        pairs = item.astype(np.int64) * view.user_count + user
        order = np.argsort(pairs, kind="stable")
        is_last = np.diff(pairs[order], append=-1) != 0
        return cls(pairs[order][is_last], record[order][is_last], view.user_count)

    def named(
        self, item: int, users: NDArray[np.int32], parts: NDArray[np.float64]
    ) -> list[tuple[int, int]]:
        """Return (user, record) for those holders of an item who brought anything.

        Args:
            item: number.
            users: numbers.
            parts: what each brought.
        """
        pairs = item * self.user_count + users.astype(np.int64)
        at = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        found = (self.pairs[at] == pairs) & (parts > 0)
        return list(zip(users[found].tolist(), self.records[at][found].tolist(), strict=True))


def _reason(view: View, contact: bytes, share: float, named: list[tuple[int, int]]) -> Reason:
    return Reason(
        contact=contact,
        share=share,
        holders=tuple(view.user_id(user) for user, _ in named),
        records=tuple(record for _, record in named),
    )


def _heaviest(parts: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Return the places of the largest parts, largest first, of equals the first."""
    places = np.arange(len(parts))
    if len(parts) > limit:
        places = np.flatnonzero(parts >= np.partition(parts, -limit)[-limit])
    return places[np.argsort(-parts[places], kind="stable")[:limit]]

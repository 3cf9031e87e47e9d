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
) -> list[tuple[Reason, ...]]:
    """Explain items.

    Args:
        view: names users, and has the records.
        matrix: what was ranked.
        scores: what the ranking found.
        items: ids.
        contact_limit: contacts named for an item at most, the strongest.
        record_limit: records named for a contact at most, the newest of each holder.

    Returns:
        Reasons for each item, strongest first; none for an item that got no mass.
    """
    tau = scores.trust.tau
    by_user = scores.trust.shares.tocsc()
    explained = []
    for number in view.item_numbers(items).tolist():
        reasons: tuple[Reason, ...] = ()
        if 0 <= number < matrix.shape[1]:
            users, weights = matrix.holders(number)
            users, weights = users[tau[users] > 0], weights[tau[users] > 0]
            # What each holder brought, split by the contacts that trust in it came through.
            parts = by_user[:, users].toarray() * (weights * scores.votes[users] / tau[users])
            strongest = np.argsort(-parts.sum(axis=1), kind="stable")[:contact_limit]
            newest = dict(zip(*(c.tolist() for c in view.evidence_for(number)), strict=True))
            reasons = tuple(
                _reason(view, scores.trust.contacts[row], parts, row, users, newest, record_limit)
                for row in strongest.tolist()
                if parts[row].any()
            )
        explained.append(reasons)
    return explained


def _reason(
    view: View,
    contact: bytes,
    parts: NDArray[np.float64],
    row: int,
    users: NDArray[np.int32],
    newest: dict[int, int],
    record_limit: int,
) -> Reason:
    """Sum up one contact's part.

    Args:
        view: names users.
        contact: id.
        parts: float64[contacts, holders]; what each brought.
        row: the contact's.
        users: int32[holders]; numbers.
        newest: the last record of each user that names the item.
        record_limit: records at most.
    """
    heaviest = np.argsort(-parts[row], kind="stable")[:record_limit]
    named = [
        user
        for user, part in zip(users[heaviest].tolist(), parts[row, heaviest].tolist(), strict=True)
        if part > 0 and user in newest
    ]
    return Reason(
        contact=contact,
        share=float(parts[row].sum() / parts.sum()),
        holders=tuple(view.user_id(user) for user in named),
        records=tuple(newest[user] for user in named),
    )

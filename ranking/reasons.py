"""Why an item is listed: which contacts brought it, through whom, on what evidence.

Computed for the listed items only, from the mass that the ranking left at each user.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

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
    return [
        _reasons(view, matrix, scores, view.item_number(item), contact_limit, record_limit)
        for item in items
    ]


def _reasons(
    view: View,
    matrix: HoldingMatrix,
    scores: Scores,
    item: int,
    contact_limit: int,
    record_limit: int,
) -> tuple[Reason, ...]:
    if not 0 <= item < matrix.shape[1]:
        return ()
    users, weights = matrix.holders(item)
    trust = scores.trust
    tau = trust.tau
    users, weights = users[tau[users] > 0], weights[tau[users] > 0]
    # What each holder brought, split by the contacts that trust in it came through.
    brought = weights * scores.votes[users] / tau[users]
    parts = trust.shares[:, users].toarray() * brought
    by_contact = parts.sum(axis=1)
    total = by_contact.sum()
    reasons = []
    for row in np.argsort(-by_contact, kind="stable")[:contact_limit].tolist():
        if not by_contact[row] > 0:
            break
        holders: list[bytes] = []
        records: list[int] = []
        for place in np.argsort(-parts[row], kind="stable").tolist():
            evidence = view.records_of(int(users[place]), item)[0]
            if len(records) == record_limit or not parts[row, place] > 0:
                break
            if len(evidence):
                holders.append(view.user_id(int(users[place])))
                records.append(int(evidence[-1]))
        reasons.append(
            Reason(
                contact=trust.contacts[row],
                share=float(by_contact[row] / total),
                holders=tuple(holders),
                records=tuple(records),
            )
        )
    return tuple(reasons)

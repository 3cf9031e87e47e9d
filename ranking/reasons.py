"""Why an item is listed: which contacts brought it, through whom, on what evidence.

Computed for the listed items only, from the mass that the ranking left at each user.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.salsa import Scores
from tastemesh.ranking.view import View

_NOBODY = np.empty(0, np.int32), np.empty(0)


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


class _Part(msgspec.Struct, frozen=True, eq=False):
    """One contact's part in an item, before its records are looked up."""

    contact: bytes
    share: float
    item: int
    users: NDArray[np.int32]


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
    (explained,) = explain_many(
        view,
        matrix,
        [(scores, items)],
        contact_limit=contact_limit,
        record_limit=record_limit,
    )
    return explained


def explain_many(
    view: View,
    matrix: HoldingMatrix,
    asked: Sequence[tuple[Scores, Sequence[str]]],
    *,
    contact_limit: int = 3,
    record_limit: int = 3,
) -> list[list[tuple[Reason, ...]]]:
    """Explain several egos' items, with one pass over the window for all; see `explain`.

    Args:
        view: names users, and has the records.
        matrix: what was ranked.
        asked: what the ranking found for each ego, and its items.
        contact_limit: contacts named for an item at most, the strongest.
        record_limit: records named for a contact at most, the newest of each holder.

    Returns:
        For each ego, what `explain` returns.
    """
    found = [
        _parts(matrix, scores, view.item_numbers(items), contact_limit, record_limit)
        for scores, items in asked
    ]
    named = _named(view, [part for lines in found for parts in lines for part in parts])
    return [[tuple(next(named) for _ in parts) for parts in lines] for lines in found]


def _parts(
    matrix: HoldingMatrix,
    scores: Scores,
    numbers: NDArray[np.int32],
    contact_limit: int,
    record_limit: int,
) -> list[list[_Part]]:
    """Return each item's parts, strongest first."""
    found: list[list[_Part]] = [[] for _ in numbers]
    trust = scores.trust
    tau = trust.tau
    lines = [
        matrix.holders(number) if 0 <= number < matrix.shape[1] else _NOBODY
        for number in numbers.tolist()
    ]
    place = np.repeat(np.arange(len(lines)), [len(users) for users, _ in lines])
    users = np.concatenate([_NOBODY[0], *(users for users, _ in lines)])
    trusted = np.flatnonzero(tau[users] > 0)
    if not len(trusted):
        return found
    place, users = place[trusted], users[trusted]
    weights = np.concatenate([weights for _, weights in lines])[trusted]
    through = trust.shares.T.toarray()[users]  # a user's contacts side by side
    brought = through * (scores.votes[users] / tau[users] * weights)[:, None]
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    sums = np.add.reduceat(brought, starts)
    strongest = np.argsort(-sums, axis=1, kind="stable")[:, :contact_limit]
    stops = [*starts[1:].tolist(), len(place)]
    for line, (start, stop) in enumerate(zip(starts.tolist(), stops, strict=True)):
        at, total = int(place[start]), sums[line].sum()
        for row in strongest[line].tolist():
            if sums[line, row] > 0:
                amounts = brought[start:stop, row]
                heaviest = _heaviest(amounts, record_limit)
                named = users[start:stop][heaviest[amounts[heaviest] > 0]]
                share = float(sums[line, row] / total)
                found[at].append(_Part(trust.contacts[row], share, int(numbers[at]), named))
    return found


def _named(view: View, parts: Sequence[_Part]) -> Iterator[Reason]:
    """Yield the reason for each part, with the last record in which each user names the item."""
    if not parts:
        return
    lengths = [len(part.users) for part in parts]
    users = np.concatenate([part.users for part in parts])
    items = np.repeat(np.array([part.item for part in parts]), lengths)
    pairs = items * view.user_count + users
    rows = view.evidence_for(np.unique(items), np.unique(users))
    known = rows[0].astype(np.int64) * view.user_count + rows[1]
    order = np.argsort(known, kind="stable")  # of equal pairs the last to arrive comes last
    known, records = known[order], rows[2][order]
    at = np.searchsorted(known, pairs, side="right") - 1
    last = np.where((at >= 0) & (known[at] == pairs), records[at], -1).tolist()
    start = 0
    for part, length in zip(parts, lengths, strict=True):
        stop = start + length
        named = [
            (view.user_id(user), record)
            for user, record in zip(part.users.tolist(), last[start:stop], strict=True)
            if record >= 0
        ]
        yield Reason(
            contact=part.contact,
            share=part.share,
            holders=tuple(user for user, _ in named),
            records=tuple(record for _, record in named),
        )
        start = stop


def _heaviest(parts: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Return the places of the largest parts, largest first, of equals the first."""
    if len(parts) <= limit:
        return np.argsort(-parts, kind="stable")
    places = np.flatnonzero(parts >= np.partition(parts, -limit)[-limit])
    return places[np.argsort(-parts[places], kind="stable")[:limit]]

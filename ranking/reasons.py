"""Why an item is listed: which contacts brought it, through whom, on what evidence.

Computed for the listed items only, from the mass that the ranking left at each user. Contact c
brings an item i

    sum_v tau_c(v) (H(v) / W(v)^theta / tau(v)) w(v, i)

over its holders v; `tastemesh.ranking.salsa` has the symbols. Two kernels find the largest parts,
numpy's and one that is compiled (numba, extra `fast`). Their products and sums are in one order, so
both answer the same, bit for bit.
"""

from collections.abc import Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking import products
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.largest import kth_largest
from tastemesh.ranking.salsa import Scores
from tastemesh.ranking.view import View

_NOTHING = np.empty(0, np.int32)


class Reason(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # no way round in it
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


class Parts(NamedTuple):
    """The largest parts of items, m of a line's contacts, strongest first.

    Attributes:
        contacts: int32[lines, m]; rows of the ego's contacts, -1 where there are no more.
        shares: float64[lines, m]; part of the mass that the item received, above 0 to 1; else 0.
        users: int32[lines, m, n]; the holders that brought most of it first, -1 likewise.
    """

    contacts: NDArray[np.int32]
    shares: NDArray[np.float64]
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
    questions = [(scores, view.item_numbers(items)) for scores, items in asked]
    found = strongest(matrix, questions, contact_limit, record_limit)
    reasons = iter(_named(view, questions, found, matrix.compiled))
    counts = iter(np.count_nonzero(found.contacts >= 0, axis=1).tolist())
    return [[tuple(islice(reasons, next(counts))) for _ in items] for _, items in asked]


def strongest(
    matrix: HoldingMatrix,
    asked: Sequence[tuple[Scores, NDArray[np.int32]]],
    contact_limit: int,
    record_limit: int,
) -> Parts:
    """Find the contacts that brought most of each item, and the holders that brought most of that.

    Args:
        matrix: what was ranked; its `compiled` tells which kernel.
        asked: what the ranking found for each ego, and the numbers of its items; a number that the
            matrix does not have stands for an item that nobody holds.
        contact_limit: contacts of an item at most.
        record_limit: holders of a contact's part at most.
    """
    count = sum(len(items) for _, items in asked)
    found = Parts(
        np.full((count, contact_limit), -1, np.int32),
        np.zeros((count, contact_limit)),
        np.full((count, contact_limit, record_limit), -1, np.int32),
    )
    if products.is_compiled(matrix.compiled):
        from tastemesh.ranking.reason_kernel import find
    else:
        find = _find
    start = 0
    for scores, items in asked:
        lines = slice(start, start + len(items))
        mine = Parts(found.contacts[lines], found.shares[lines], found.users[lines])
        find(matrix, scores, items, mine)
        start += len(items)
    return found


def _find(matrix: HoldingMatrix, scores: Scores, items: NDArray[np.int32], found: Parts) -> None:
    """Fill one ego's lines."""
    by_item, trust = matrix.reference.by_item, scores.trust
    known = np.flatnonzero((items >= 0) & (items < matrix.shape[1]))
    entries = products.entries(by_item.indptr, items[known])
    line = np.repeat(known, np.diff(by_item.indptr)[items[known]])
    users, tau = by_item.indices[entries], trust.tau
    trusted = np.flatnonzero(tau[users] > 0)
    line, users, entries = line[trusted], users[trusted], entries[trusted]
    weights = by_item.data[entries].astype(np.float64) * matrix.scale
    rates = scores.votes[users] / tau[users] * weights
    carriers, place = np.unique(users, return_inverse=True)
    through = trust.shares[:, carriers].T.toarray()  # a user's contacts side by side
    brought = through[place] * rates[:, None]
    size = len(items), len(trust.contacts)
    lane = line[:, None] * size[1] + np.arange(size[1])
    # Not `np.add.reduceat`, whose sums are pairwise: these follow the order of the holders.
    sums = np.bincount(lane.ravel(), brought.ravel(), size[0] * size[1]).reshape(size)
    totals = np.cumsum(sums, axis=1)[:, -1:]
    rows = np.argsort(-sums, axis=1, kind="stable")[:, : found.contacts.shape[1]]
    ends = np.searchsorted(line, np.arange(size[0] + 1))
    for at, (start, stop) in enumerate(pairwise(ends.tolist())):
        for rank, row in enumerate(rows[at].tolist()):
            if sums[at, row] > 0:
                found.contacts[at, rank] = row
                found.shares[at, rank] = sums[at, row] / totals[at, 0]
                amounts = brought[start:stop, row]
                heaviest = _heaviest(amounts, found.users.shape[2])
                named = users[start:stop][heaviest[amounts[heaviest] > 0]]
                found.users[at, rank, : len(named)] = named


def _heaviest(parts: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Return the places of the largest parts, largest first, of equals the first."""
    if len(parts) <= limit or not limit:
        return np.argsort(-parts, kind="stable")[:limit]
    places = np.flatnonzero(parts >= kth_largest(parts[None], limit))
    return places[np.argsort(-parts[places], kind="stable")[:limit]]


def _named(
    view: View,
    asked: Sequence[tuple[Scores, NDArray[np.int32]]],
    found: Parts,
    compiled: bool | None,
) -> list[Reason]:
    """Return the reason for each part, with the last record in which each holder names the item."""
    line, rank = np.nonzero(found.contacts >= 0)
    item = np.concatenate([*(items for _, items in asked), _NOTHING])[line]
    ego = np.repeat(np.arange(len(asked)), [len(items) for _, items in asked])[line]
    users = found.users[line, rank]
    part, place = np.nonzero(users >= 0)
    users = users[part, place]
    records = view.last_records(item[part], users, compiled=compiled)
    known = np.flatnonzero(records >= 0)
    holders = view.user_ids(users[known])
    numbers = tuple(records[known].tolist())
    ends = np.searchsorted(part[known], np.arange(len(line) + 1)).tolist()
    return [
        Reason(
            contact=asked[number][0].trust.contacts[row],
            share=share,
            holders=holders[start:stop],
            records=numbers[start:stop],
        )
        for number, row, share, (start, stop) in zip(
            ego.tolist(),
            found.contacts[line, rank].tolist(),
            found.shares[line, rank].tolist(),
            pairwise(ends),
            strict=True,
        )
    ]

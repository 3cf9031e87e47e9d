"""The list that a user sees: the best items, without the ones that must not be in it.

Never listed: own items, blocked items, items of score 0. Equal scores are ordered by a hash of the
item's id under the caller's key, so no id wins everybody's ties; for one user, whose key is known,
one can be found. Scores count as equal when they agree to 9 digits: the order of additions, which
follows the order of arrival, moves the 15th.
"""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.ranking.diversity import POOL_FACTOR, Variety
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.largest import kth_largest
from tastemesh.ranking.reasons import Reason
from tastemesh.ranking.view import View

_DIGITS = 9


class Recommendation(msgspec.Struct, frozen=True, gc=False):
    """One entry of a list.

    Attributes:
        item: id.
        score: above 0; comparable within the list only.
        unverified: no trust anchors it.
        reasons: who brought it, strongest first.
    """

    item: str
    score: float
    unverified: bool = False
    reasons: tuple[Reason, ...] = ()


def own_items(matrix: HoldingMatrix, egos: Sequence[int]) -> NDArray[np.int32]:
    """Return the numbers of the items that ego holds, rising.

    Args:
        matrix: who holds what.
        egos: user numbers; -1 is skipped.
    """
    held = [matrix.row(ego)[0] for ego in egos if ego >= 0]
    return np.unique(np.concatenate([np.empty(0, dtype=np.int32), *held]))


def cut(
    view: View,
    scores: NDArray[np.float64],
    k: int,
    *,
    excluded: NDArray[np.int32],
    key: bytes,
    candidates: NDArray[np.int32] | None = None,
    unverified: NDArray[np.float64] | None = None,
    unverified_share: float = 0.0,
    variety: Variety | None = None,
) -> list[Recommendation]:
    """Cut a list from scores.

    Args:
        view: names the items.
        scores: float64[items]; anchored in trust.
        k: length of the list, at least 0.
        excluded: item numbers that are not listed, ego's own and blocked ones; -1 is skipped.
        key: at most 64 bytes, this user's; orders ties.
        candidates: item numbers that alone may be listed; -1 is skipped. None: all.
        unverified: float64[items]; scores that no trust anchors.
        unverified_share: how much of the list the latter may fill, 0 to 1. They stand evenly
            between the others and never take more than floor(k * share) slots, even if trust finds
            too little to fill the rest.
        variety: how much like entries get in each other's way; default: not at all.

    Returns:
        At most k recommendations, best first, no item twice.

    Raises:
        UsageError: k or the share is out of range.
    """
    if k < 0 or not 0.0 <= unverified_share <= 1.0:
        raise UsageError(f"k {k}, share {unverified_share}; expected at least 0, and 0 to 1")
    slots = int(k * unverified_share) if unverified is not None else 0
    is_barred = np.zeros(len(scores), np.bool_)
    if candidates is not None:
        is_barred[:] = True
        is_barred[_known(candidates, len(scores))] = False
    is_barred[_known(excluded, len(scores))] = True
    anchored = _best(view, scores, k - slots, is_barred, key, variety)
    if unverified is None or not slots:
        return [_listed(view, scores, item, False) for item in anchored]
    is_barred[anchored] = True
    loose = _best(view, unverified, slots, is_barred, key, variety)
    return _interleaved(
        [_listed(view, scores, item, False) for item in anchored],
        [_listed(view, unverified, item, True) for item in loose],
    )


def _best(
    view: View,
    scores: NDArray[np.float64],
    k: int,
    is_barred: NDArray[np.bool_],
    key: bytes,
    variety: Variety | None,
) -> list[int]:
    """Return the numbers of the k best items, ties in the order of their hash."""
    ranked = np.where(is_barred, 0.0, scores)
    if variety is None or not variety.strength:
        return _highest(view, ranked, k, key)
    pool = _highest(view, ranked, k * POOL_FACTOR, key)
    return variety.chosen(pool, ranked, k)


def _known(items: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    return items[(items >= 0) & (items < count)]


def _highest(view: View, ranked: NDArray[np.float64], k: int, key: bytes) -> list[int]:
    if k <= 0 or not len(ranked):
        return []
    (last,) = kth_largest(ranked[None], k)
    # Everything that could tie with the k-th best stays in.
    is_high = ranked >= last * (1 - 10.0 ** (1 - _DIGITS)) if last > 0 else ranked > 0
    found = np.flatnonzero(is_high)
    order = [
        (-float(f"{score:.{_DIGITS - 1}e}"), _tie(item, key), number)
        for number, item, score in zip(
            found.tolist(), view.item_ids(found), ranked[found].tolist(), strict=True
        )
    ]
    return [number for _, _, number in sorted(order)[:k]]


def _tie(item: str, key: bytes) -> bytes:
    return hashlib.blake2b(item.encode(), digest_size=16, key=key).digest()


def _listed(view: View, scores: NDArray[np.float64], item: int, unverified: bool) -> Recommendation:
    return Recommendation(item=view.item_id(item), score=float(scores[item]), unverified=unverified)


def _interleaved(
    anchored: list[Recommendation], loose: list[Recommendation]
) -> list[Recommendation]:
    """Spread the unverified entries evenly, each at the end of its stretch of the list."""
    listed: list[Recommendation] = []
    total = len(anchored) + len(loose)
    first, second = iter(anchored), iter(loose)
    for slot in range(total):
        is_loose = (slot + 1) * len(loose) // total > slot * len(loose) // total
        listed.append(next(second if is_loose else first))
    return listed

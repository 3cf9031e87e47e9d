"""Adoption: whom ego follows, as its own node has witnessed it.

Ego adopts from v when it takes up an item that v held before. Being early cannot be arranged
afterwards, so copying a history earns nothing; this is the idea of the Influence Limiter (Resnick
and Sami, RecSys 2007) and of DSybil (Yu et al., IEEE S&P 2009).

    adoption(v) = max(0, sum over ego's items that v held first, of surprise
                         - sum over ego's rejected items that v holds, of surprise) / n(v)^(1/2)
    surprise(i) = log(holders in all / holders of i), n(v) = how many items v holds

The order is the order of arrival at ego's node; dates that authors write are never believed to make
them earlier. Two consequences:

- records learned in one bulk sync arrive when they are learned. So they never count as earlier than
  what ego did before the sync, whatever their dates say;
- what ego enters late, an imported history say, counts as taken up when it happened: nothing that
  arrived after that moment counts as earlier. The moment is bounded by the newest date among the
  records that had arrived, for a date is at most its record's arrival.

A rejection (skip, dislike) costs whoever holds the item at the time of the question, early or late:
being first with what ego does not want is no merit, and coming after is none either.

Deviation: DSybil gives guides weight and halves it. Adoption here is a bounded tilt of trust that
endorsements made (`tastemesh.reputation.trust`), so it is a sum that can be recomputed from the
window at any time, and eviction and forgetting need no bookkeeping. The price: when ego's first
record of an item has left the window and a later one is there, ego took it up when it said so
again, and whoever copied it in between seems to have been first. So who says the same things again
and again (an author's quota is 500 interactions) can be followed by a copycat, within the bound of
the tilt, and in marked lists, which can be bought anyway.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.ranking.evidence import ROUNDING
from tastemesh.ranking.firsts import Firsts
from tastemesh.ranking.holdings import Weights
from tastemesh.ranking.products import entries

# Measured on Last.fm tags by prototype: powers of 0 to 1 of the volume; 1/2 is the best.
_VOLUME_EXPONENT = 0.5


class Arrivals(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The first arrival of each (user, item) pair, n of them, in both directions.

    Attributes:
        ends: int32[users + 1]; the pairs of user u are ends[u] to ends[u + 1] of the next three.
        item: int32[n]; rising within a user.
        record: int32[n]; number of the record that came first.
        time_s: int32[n]; the earliest date that any of the pair's records gives.
        item_ends: int32[items + 1]; the pairs of item i are item_ends[i] to item_ends[i + 1] of the
            next two.
        holder: int32[n]; users, rising within an item.
        holder_record: int32[n]; number of the record that came first.
        newest_s: int32[m]; the newest date so far where it rose, in the order of arrival.
        newest_record: int32[m]; the record number of each row with which it rose.
    """

    ends: NDArray[np.int32]
    item: NDArray[np.int32]
    record: NDArray[np.int32]
    time_s: NDArray[np.int32]
    item_ends: NDArray[np.int32]
    holder: NDArray[np.int32]
    holder_record: NDArray[np.int32]
    newest_s: NDArray[np.int32]
    newest_record: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        weights: Weights,
        firsts: Firsts,
        rises: tuple[NDArray[np.int32], NDArray[np.int32]],
    ) -> "Arrivals":
        """Put together what a view knows.

        Args:
            weights: who holds what.
            firsts: since when.
            rises: as `tastemesh.ranking.view.View.rises` returns them.
        """
        by_user, by_item = weights.by_user, weights.by_item
        return cls(
            ends=by_user.indptr,
            item=by_user.indices,
            record=firsts.record,
            time_s=firsts.time_s,
            item_ends=by_item.indptr,
            holder=by_item.indices,
            holder_record=firsts.record_by_item,
            newest_s=rises[0],
            newest_record=rises[1],
        )

    @property
    def user(self) -> NDArray[np.int32]:
        """Who holds each pair, int32[n]."""
        return np.repeat(np.arange(len(self.ends) - 1, dtype=np.int32), np.diff(self.ends))

    def taken_up(self, egos: Sequence[int], item_count: int) -> NDArray[np.int64]:
        """Return before which record number somebody else must have held each item.

        Args:
            egos: ego's user numbers, public and private; -1 is skipped.
            item_count: size of the number space.

        Returns:
            int64[items]; -1 for what ego does not hold.
        """
        items, limits = self.taken_up_by([egos], item_count)
        taken = np.full(item_count, -1)
        taken[items] = limits
        return taken

    def taken_up_by(
        self, askers: Sequence[Sequence[int]], item_count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return what `taken_up` does for each of several egos, of what each holds only.

        Args:
            askers: user numbers of each ego, public and private; -1 is skipped.
            item_count: size of the number space.

        Returns:
            (number of the ego times `item_count` plus item, rising; before which record number).
        """
        present = [(at, ego) for at, egos in enumerate(askers) for ego in egos if ego >= 0]
        asker, users = np.array(present, np.int64).reshape(-1, 2).T
        own = entries(self.ends, users)
        limit = self.record[own].astype(np.int64)
        later = np.searchsorted(self.newest_s, self.time_s[own], side="right")
        known = later < len(self.newest_s)
        limit[known] = np.minimum(limit[known], self.newest_record[later[known]])
        asker = np.repeat(asker, self.ends[users + 1] - self.ends[users])
        pairs, place = np.unique(asker * item_count + self.item[own], return_inverse=True)
        taken = np.full(len(pairs), np.iinfo(np.int64).max)
        np.minimum.at(taken, place, limit)
        return pairs, taken


def surprise(
    holders: NDArray[np.float64], total: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much a shared item says: the log of its inverse popularity.

    Args:
        holders: float64[items]; how many hold each, each counted with its standing.
        total: the sum of everybody's standing; one, or one for each item.

    Returns:
        float64[items], at least 0. Who nobody of standing holds counts as held by one.
    """
    result: NDArray[np.float64] = np.log(np.maximum(total, 1.0) / np.maximum(holders, 1.0))
    return np.where(result > ROUNDING, result, 0.0)  # what all hold is added up in another order


def adoption(
    arrivals: Arrivals,
    egos: Sequence[int],
    surprises: NDArray[np.float64],
    volumes: NDArray[np.integer],
    rejected: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Return how far ego follows everybody.

    Args:
        arrivals: who held what, since when.
        egos: ego's user numbers, public and private; -1 is skipped.
        surprises: float64[items]; see `surprise`.
        volumes: int[users]; how many items each holds.
        rejected: int32; numbers of the items that ego rejected; -1 is skipped.

    Returns:
        float64[users], at least 0; ego's own is 0.
    """
    found = adoptions(arrivals, [egos], lambda _, item: surprises[item], volumes, [rejected])
    return found.reshape(-1)


def adoptions(
    arrivals: Arrivals,
    askers: Sequence[Sequence[int]],
    surprise_of: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
    volumes: NDArray[np.integer],
    rejected: Sequence[NDArray[np.int32]],
) -> NDArray[np.float64]:
    """Return what `adoption` does for each of several egos, bit for bit, in one pass.

    Args:
        arrivals: who held what, since when.
        askers: user numbers of each ego.
        surprise_of: returns how much items say to egos, by the egos' places in `askers` and the
            numbers of the items, one each; see `surprise`.
        volumes: int[users].
        rejected: of each ego.

    Returns:
        float64[egos, users].
    """
    user_count, item_count = len(volumes), len(arrivals.item_ends) - 1
    taken, limits = arrivals.taken_up_by(askers, item_count)
    refused = [numbers[(numbers >= 0) & (numbers < item_count)] for numbers in rejected]
    known = np.concatenate(
        [at * item_count + items.astype(np.int64) for at, items in enumerate(refused)]
    )
    # Rising, so that each user's items are added up in their order. Others' credit is 0.
    pairs = np.union1d(taken, known) if len(known) else taken
    before = np.full(len(pairs), -1)
    before[np.searchsorted(pairs, taken)] = limits
    asker, item = np.divmod(pairs, item_count)
    places = entries(arrivals.item_ends, item)
    counts = np.diff(arrivals.item_ends)[item]
    says = surprise_of(asker, item)
    credit = np.repeat(says, counts)
    credit[arrivals.holder_record[places] >= np.repeat(before, counts)] = 0.0
    key = np.repeat(asker * user_count, counts) + arrivals.holder[places]
    size = len(askers) * user_count
    found = np.bincount(key, weights=credit, minlength=size)
    if len(known):
        earned = found
        credit -= np.repeat(np.where(np.isin(pairs, known), says, 0.0), counts)
        found = np.bincount(key, weights=credit, minlength=size)
        found[found <= ROUNDING * earned] = 0.0  # a rest of it would be all that ego follows
    total = found.astype(np.float64, copy=False).reshape(len(askers), user_count)
    for own, egos in zip(total, askers, strict=True):
        own[[ego for ego in egos if ego >= 0]] = 0.0
    result: NDArray[np.float64] = (
        np.maximum(total, 0.0) / np.maximum(volumes, 1) ** _VOLUME_EXPONENT
    )
    return result

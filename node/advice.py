"""A user's question answered: trust, ranking, slate and reasons put together.

This is where the pure packages meet: `reputation` says who counts, `ranking` what that makes of the
window. Results are plain values with the signed records behind them by id.
"""

from collections.abc import Collection, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.node.answers import Advice, AdviceReason, SybilBound
from tastemesh.node.reach import Reach
from tastemesh.node.record_book import RecordBook
from tastemesh.node.scorer import EGOS_A_PASS, Scored, Scorer, ScorerParameters
from tastemesh.node.wish import ANY, Wish
from tastemesh.ranking import slate
from tastemesh.ranking.contacts import CONTACT_LIMIT, POOL
from tastemesh.ranking.influence import trust_needed
from tastemesh.ranking.largest import kth_largest
from tastemesh.ranking.reasons import Reason, explain_many
from tastemesh.ranking.view import View
from tastemesh.ranking.workers import ONE_WORKER, Workers
from tastemesh.reputation.graph import EndorsementGraph

BOUND_LIST_LENGTH = 10  # the list that the reported bound is about: what a user sees first


def check_length(k: int) -> None:
    """Check the length of a list that somebody asks for.

    Raises:
        UsageError: it is not 1 to 1,000.
    """
    if not isinstance(k, int):
        raise UsageError(f"k is {k!r}; expected a whole number, 1 to 1000")
    if not 1 <= k <= 1000:
        raise UsageError(f"k is {k}; expected 1 to 1000")


class Advisor:
    """Answers questions on one view and one endorsement graph; changes neither.

    Args:
        view: the window as arrays.
        endorsements: who vouches for whom.
        book: record numbers.
        parameters: of the rule.
        workers: make several users' lists together.
    """

    def __init__(
        self,
        view: View,
        endorsements: EndorsementGraph,
        book: RecordBook,
        parameters: ScorerParameters | None = None,
        workers: Workers = ONE_WORKER,
    ) -> None:
        self._view = view
        self._book = book
        self._scorer = Scorer(view, endorsements, parameters, workers)

    def note_private(self, holder: bytes) -> None:
        """Note under which id the view keeps a local user's private interactions."""
        self._scorer.note_private(holder)

    def has_reach(self, ego: bytes) -> bool:
        """Tell whether `reach` is known, and costs no walk."""
        return self._scorer.has_reach(ego)

    def reach(self, ego: bytes) -> Reach:
        """Return whom ego's endorsements reach, and how much."""
        return self._scorer.reach(ego)

    def reached(self, ego: bytes) -> list[bytes]:
        """Return the ids of the identities whom ego's trust reaches."""
        return self._scorer.reached(ego)

    def numbers(self) -> NDArray[np.int32]:
        """Return the view's number of each identity that endorsements name; -1 where none."""
        return self._scorer.numbers()

    def recommend(self, ego: bytes, k: int, now_s: int) -> list[Advice]:
        """Return up to `k` items that ego does not have, best first.

        All of them are marked `unverified` where ego has endorsed nobody; else those in the slots
        that `exploration_share` gives away are.
        """
        return self.recommend_many([ego], k, now_s)[0]

    def refresh(self) -> None:
        """Take in what came since the last list, which the next one would do first."""
        self._scorer.refresh()

    def recommend_many(
        self, egos: Sequence[bytes], k: int, now_s: int, wishes: Sequence[Wish] = ()
    ) -> list[list[Advice]]:
        """Return what `recommend` returns for each of several egos, for less than each alone.

        Args:
            egos: ids.
            k: length of each list.
            now_s: seconds since 1970.
            wishes: what each wishes; default: nothing.
        """
        wishes = wishes or [ANY] * len(egos)
        basis = self._scorer.basis(now_s)
        numbered = {each: self._numbered(each) for each in dict.fromkeys(wishes)}
        advised: list[list[Advice]] = []
        for start in range(0, len(egos), EGOS_A_PASS):
            asked, wanted = egos[start : start + EGOS_A_PASS], wishes[start : start + EGOS_A_PASS]
            refused = [self._book.rejected_items(ego) for ego in asked]
            likes = [wish.like for wish in wanted]
            scores = self._scorer.score_many(asked, refused, basis, likes)
            found = [
                (self._cut(scored, k, ego, *numbered[wish]), scored)
                for ego, wish, scored in zip(asked, wanted, scores, strict=True)
            ]
            advised += self._with_reasons(found)
        return advised

    def explain(
        self, ego: bytes, item: str, now_s: int, like: Collection[str] = ()
    ) -> Advice | None:
        """Return one item's score and reasons, or None if nothing speaks for it.

        Args:
            ego: id.
            item: its id.
            now_s: seconds since 1970.
            like: what the list is like that the item is on; empty for what ego holds.
        """
        if self._view.item_number(item) < 0:
            return None  # what nobody holds costs no ranking
        scored = self._score(ego, now_s, like)
        number = self._view.item_number(item)
        scores, is_loose = scored.scores.items, False
        if scores[number] <= 0 and scored.unverified is not None:
            scores, is_loose = scored.unverified, True
        if scores[number] <= 0:
            return None
        found = slate.Recommendation(item, float(scores[number]), is_loose)
        return self._with_reasons([([found], scored)])[0][0]

    def sybil_bound(self, ego: bytes, now_s: int) -> SybilBound:
        """Return the bound of ego's own graph and list; see `SybilBound`."""
        if not self.reach(ego).contacts:
            return SybilBound(0.0, "", 0.0)  # its whole list is marked: no ranking for nothing
        scored = self._score(ego, now_s)
        shares = scored.trust.shares
        contacts = scored.trust.contacts
        if not shares.nnz:
            return SybilBound(0.0, "", 0.0)
        row = np.repeat(np.arange(len(contacts)), np.diff(shares.indptr))
        by_contact = np.bincount(row, shares.data, len(contacts))
        by_contact[[n for n, contact in enumerate(contacts) if contact == POOL]] = 0.0
        heaviest = int(np.argmax(by_contact))
        share = min(1.0, float(by_contact[heaviest]))
        return SybilBound(self._trust_needed(ego, scored), contacts[heaviest].hex(), share)

    def _trust_needed(self, ego: bytes, scored: Scored) -> float:
        scores = scored.scores.items.copy()
        rejected = self._rejected(ego)
        scores[rejected[rejected >= 0]] = 0.0
        if len(scores) < BOUND_LIST_LENGTH:
            return 0.0
        last = float(kth_largest(scores[None], BOUND_LIST_LENGTH)[0])
        last *= 1.0 - scored.variety.strength  # `tastemesh.ranking.diversity`
        if not last > 0:
            return 0.0
        # Anybody whom ego endorses may be deceived, those whom it leads to nobody yet included.
        contacts = min(len(self.reach(ego).contacts), CONTACT_LIMIT + 1)
        # Of what is too old for a number nothing is left to start from.
        has_profile = any(scored.matrix.volumes[own] > 0 for own in scored.egos if own >= 0)
        return trust_needed(last, scored.scores, contacts=contacts, has_profile=has_profile)

    def _score(self, ego: bytes, now_s: int, like: Collection[str] = ()) -> Scored:
        return self._scorer.score(ego, now_s, self._book.rejected_items(ego), like)

    def _numbered(self, wish: Wish) -> tuple[NDArray[np.int32] | None, NDArray[np.int32]]:
        """Return the numbers of a wish's candidates, if any, and of what it does not want."""
        unwanted = self._view.item_numbers([*wish.exclude, *wish.like])
        if wish.candidates is None:
            return None, unwanted
        return self._view.item_numbers(list(wish.candidates)), unwanted

    def _cut(
        self,
        scored: Scored,
        k: int,
        ego: bytes,
        candidates: NDArray[np.int32] | None,
        unwanted: NDArray[np.int32],
    ) -> list[slate.Recommendation]:
        excluded = np.concatenate([unwanted, self._rejected(ego)])
        return cut(self._view, scored, k, ego, excluded=excluded, candidates=candidates)

    def _rejected(self, ego: bytes) -> NDArray[np.int32]:
        return self._view.item_numbers(self._book.rejected_items(ego))

    def _with_reasons(
        self, found: Sequence[tuple[list[slate.Recommendation], Scored]]
    ) -> list[list[Advice]]:
        """Return lists that were cut from one basis with what stands behind their items."""
        asked = [(scored.scores, [line.item for line in listed]) for listed, scored in found]
        reasons = explain_many(self._view, found[0][1].matrix, asked)
        return [
            [self._advice(line, why) for line, why in zip(listed, behind, strict=True)]
            for (listed, _), behind in zip(found, reasons, strict=True)
        ]

    def _advice(self, line: slate.Recommendation, why: tuple[Reason, ...]) -> Advice:
        return Advice(
            line.item,
            line.score,
            line.unverified,
            tuple(
                AdviceReason(
                    "" if reason.contact == POOL else reason.contact.hex(),
                    reason.share,
                    tuple([known.hex() for known in self._book.record_ids(reason.records)]),
                )
                for reason in why
            ),
        )


def cut(
    view: View,
    scored: Scored,
    k: int,
    ego: bytes,
    *,
    excluded: NDArray[np.int32],
    candidates: NDArray[np.int32] | None = None,
) -> list[slate.Recommendation]:
    """Cut ego's list from its scores.

    Args:
        view: names the items.
        scored: what was found for ego.
        k: length of the list.
        ego: id.
        excluded: numbers of items that are not listed, beside ego's own; -1 is skipped.
        candidates: as in `tastemesh.ranking.slate.cut`.
    """
    own = slate.own_items(scored.matrix, scored.egos)
    return slate.cut(
        view,
        scored.scores.items,
        k,
        excluded=np.concatenate([own, excluded]).astype(np.int32),
        key=tie_key(ego),
        candidates=candidates,
        unverified=scored.unverified,
        unverified_share=scored.unverified_share,
        variety=scored.variety,
    )


def tie_key(ego: bytes) -> bytes:
    """Return the key that breaks ties in `ego`'s lists; his own: no item wins ties everywhere."""
    return blake2b(ego, key=b"tastemesh/ties", digest_size=16).digest()

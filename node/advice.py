"""A user's question answered: trust, ranking, slate and reasons put together.

This is where the pure packages meet: `reputation` says who counts, `ranking` what that makes of the
window. Results are plain values with the signed records behind them by id.
"""

from hashlib import blake2b, sha256

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.node.record_book import RecordBook
from tastemesh.ranking import salsa, slate
from tastemesh.ranking.contacts import POOL, ContactTrust, gather_trust
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.influence import sybil_bound
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.reasons import explain
from tastemesh.ranking.view import View
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.walks import WalkMass, walk_mass

# Half-life of an interaction's weight: a month's window of taste, one week (guess until measured).
HALF_LIFE_S = 7 * 24 * 3600.0


class AdviceReason(msgspec.Struct, frozen=True):
    """One contact behind a recommendation.

    Attributes:
        contact: id of the identity that the user endorsed, as hex; empty for the pool of those
            whom no endorsement reaches.
        share: of the item's score, 0 to 1.
        record_ids: signed records that carry it, heaviest first, as hex.
    """

    contact: str
    share: float
    record_ids: tuple[str, ...]


class Advice(msgspec.Struct, frozen=True):
    """One recommended item.

    Attributes:
        item: its id.
        score: above 0; comparable within one list only.
        unverified: True if nobody whom the user trusts stands behind it.
        reasons: heaviest first.
    """

    item: str
    score: float
    unverified: bool
    reasons: tuple[AdviceReason, ...]


class SybilBound(msgspec.Struct, frozen=True):
    """What hostile identities can get out of this user's list at most; docs/theory.md.

    Attributes:
        one_contact: the most that an item can score which is held only by identities that hold
            all the trust of the heaviest contact, i.e. if that contact turns hostile or is
            deceived with all he has.
        contact: that contact, as hex; empty if the user endorsed nobody.
        trust: the share of all trust that comes through it, 0 to 1.
    """

    one_contact: float
    contact: str
    trust: float


class Advisor:
    """Answers questions on one view and one endorsement graph; changes neither.

    Args:
        view: the window as arrays.
        endorsements: who vouches for whom.
        book: record numbers.
        parameters: of the ranking.
    """

    def __init__(
        self,
        view: View,
        endorsements: EndorsementGraph,
        book: RecordBook,
        parameters: SalsaParameters | None = None,
    ) -> None:
        self._view = view
        self._endorsements = endorsements
        self._book = book
        self._parameters = parameters or SalsaParameters()
        self._walks: dict[bytes, tuple[bytes, WalkMass]] = {}

    def reached(self, ego: bytes) -> list[bytes]:
        """Return the ids of the identities whom ego's trust reaches."""
        ids = self._endorsements.csr().ids
        return [ids[n] for n in np.flatnonzero(self._walked(ego).hits).tolist()]

    def recommend(self, ego: bytes, k: int, now_s: int) -> list[Advice]:
        """Return up to `k` items that ego does not have, best first."""
        matrix, trust, scores = self._scores(ego, now_s)
        listed = slate.cut(
            self._view,
            scores.items,
            k,
            excluded=self._excluded(ego, matrix),
            key=tie_key(ego),
        )
        return self._with_reasons(listed, matrix, trust, scores)

    def explain(self, ego: bytes, item: str, now_s: int) -> Advice | None:
        """Return one item's score and reasons, or None if nothing speaks for it."""
        matrix, trust, scores = self._scores(ego, now_s)
        number = self._view.item_number(item)
        if number < 0 or scores.items[number] <= 0:
            return None
        found = slate.Recommendation(item, float(scores.items[number]), False)
        return self._with_reasons([found], matrix, trust, scores)[0]

    def sybil_bound(self, ego: bytes) -> SybilBound:
        """Return the bound of ego's own graph; see `SybilBound`."""
        trust = self._trust(ego)
        by_contact = np.asarray(trust.shares.sum(axis=1)).ravel()
        if not len(by_contact):
            return SybilBound(0.0, "", 0.0)
        heaviest = int(np.argmax(by_contact))
        epsilon = min(1.0, float(by_contact[heaviest]))
        bound = sybil_bound(epsilon, self._parameters)
        return SybilBound(bound, trust.contacts[heaviest].hex(), epsilon)

    def _walked(self, ego: bytes) -> WalkMass:
        """Return ego's walks over the endorsements as they stand; walked anew when they change."""
        digest = self._endorsements.digest()
        known = self._walks.get(ego)
        if known is None or known[0] != digest:
            known = (digest, walk_mass(self._endorsements, ego, seed=ego))
            self._walks[ego] = known
        return known[1]

    def _trust(self, ego: bytes) -> ContactTrust:
        walks = self._walked(ego)
        ids = self._endorsements.csr().ids
        return gather_trust(
            [ids[contact] for contact in walks.contacts.tolist()],
            walks.contact_mass,
            self._view.user_numbers(ids),
            self._view.user_count,
        )

    def _egos(self, ego: bytes) -> list[int]:
        return [self._view.user_number(ego), self._view.user_number(private_shadow(ego))]

    def _scores(self, ego: bytes, now_s: int) -> tuple[HoldingMatrix, ContactTrust, salsa.Scores]:
        matrix = self._view.matrix(now_s, HALF_LIFE_S)
        trust = self._trust(ego)
        return matrix, trust, salsa.rank(matrix, trust, self._egos(ego), self._parameters)

    def _excluded(self, ego: bytes, matrix: HoldingMatrix) -> NDArray[np.int32]:
        own = slate.own_items(matrix, self._egos(ego))
        rejected = self._view.item_numbers(self._book.rejected_items(ego))
        return np.union1d(own, rejected[rejected >= 0]).astype(np.int32)

    def _with_reasons(
        self,
        listed: list[slate.Recommendation],
        matrix: HoldingMatrix,
        trust: ContactTrust,
        scores: salsa.Scores,
    ) -> list[Advice]:
        reasons = explain(self._view, matrix, scores, [line.item for line in listed])
        return [
            Advice(
                line.item,
                line.score,
                line.unverified,
                tuple(
                    AdviceReason(
                        "" if reason.contact == POOL else reason.contact.hex(),
                        reason.share,
                        tuple(
                            record_id.hex()
                            for number in reason.records
                            if (record_id := self._book.record_id(number)) is not None
                        ),
                    )
                    for reason in why
                ),
            )
            for line, why in zip(listed, reasons, strict=True)
        ]


def private_shadow(author: bytes) -> bytes:
    """Return the id under which the view keeps what `author` did in private.

    Nobody can sign for it, and only `author`'s own ranking reads it.
    """
    return sha256(b"tastemesh/private\x00" + author).digest()


def tie_key(ego: bytes) -> bytes:
    """Return the key that breaks ties in `ego`'s lists; his own: no item wins ties everywhere."""
    return blake2b(ego, key=b"tastemesh/ties", digest_size=16).digest()

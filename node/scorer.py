"""The rule by which a node ranks for one of its users: trust, standing, evidence, in one place.

The daemon asks it through `tastemesh.node.advice`, experiments through
`tastemesh.sim.systems.tastemesh`: what is measured is what runs.

For an ego that has endorsed somebody the list is anchored: only endorsements decide who is heard,
and an identity that no chain of them reaches changes nothing. For one that has not, nothing can be
anchored, and the whole list is exploration, to be marked `unverified`.
"""

from collections.abc import Collection, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.errors import UsageError
from tastemesh.node.basis import Basis, Question
from tastemesh.node.numbered import Numbered
from tastemesh.node.reach import Hit, Reach, Reaches
from tastemesh.node.unanchored import explored
from tastemesh.ranking.contacts import ContactTrust, Shares, gather_trusts
from tastemesh.ranking.diversity import STRENGTH_MAX, Variety
from tastemesh.ranking.holdings import HoldingMatrix
from tastemesh.ranking.parameters import SalsaParameters
from tastemesh.ranking.profile import RECENCY_HALF_LIFE_ITEMS, even_profile, recent_profiles
from tastemesh.ranking.push import Asked, Pushed, push_many
from tastemesh.ranking.salsa import Scores
from tastemesh.ranking.slate import own_items
from tastemesh.ranking.view import View
from tastemesh.ranking.workers import ONE_WORKER, Workers
from tastemesh.reputation.adoption import Arrivals, adoptions, surprise
from tastemesh.reputation.graph import EndorsementGraph
from tastemesh.reputation.standing import standing
from tastemesh.reputation.trust import TrustParameters, endorsed_mass, tilted
from tastemesh.reputation.walks import WalkMass, walk_mass, whom_walks_hit

# Egos who are scored in one pass over the window. With 8 a list takes 6 to 10 % longer, with 32 up
# to 7 % less, and others wait for twice as long (measured, by one worker and by two).
EGOS_A_PASS = 16


class ScorerParameters(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node's ranking depends on beside its window.

    Attributes:
        ranking: of the anchored list. Contacts are combined by Pixie's booster: what several of
            ego's contacts lead to counts for more than what one leads to. Measured as in
            `tastemesh.reputation.trust`: ndcg +.002, and exposure of an attacked contact's friends
            falls from .08 to 0.
        trust: of endorsements and adoption.
        recency_items: half-life of ego's own taste, in items.
        half_life_s: half-life of everybody's holdings; None: the window's bound on age is all.
            Ageing within it is off, as MeritRank's authors measured their epoch decay as harmful.
        diversity: strength of `tastemesh.ranking.diversity`, 0 to .9. Off: docs/accuracy.md has
            what it costs and brings.
        exploration_share: of the list of an ego that has endorsed somebody, how much may be filled
            with what no trust anchors, in marked slots, 0 to 1. Off: anybody can buy those slots.
    """

    ranking: SalsaParameters = SalsaParameters(contact_exponent=0.5)
    trust: TrustParameters = TrustParameters()
    recency_items: float = RECENCY_HALF_LIFE_ITEMS
    half_life_s: float | None = None
    diversity: float = 0.0
    exploration_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.exploration_share <= 1.0:
            raise UsageError(f"exploration_share {self.exploration_share}; expected 0 to 1")
        if not 0.0 <= self.diversity <= STRENGTH_MAX:
            raise UsageError(f"diversity {self.diversity}; expected 0 to {STRENGTH_MAX}")


class Scored(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was found for one ego.

    Attributes:
        matrix: who holds what.
        egos: ego's user numbers, public and private; -1 where it holds nothing.
        trust: by contact.
        scores: the anchored ranking; nothing in it where ego endorses nobody.
        unverified: float64[items]; the exploration, None where the list has no room for it.
        unverified_share: how much of the list it may fill: all for an ego that endorses nobody.
        variety: how much like entries get in each other's way.
    """

    matrix: HoldingMatrix
    egos: list[int]
    trust: ContactTrust
    scores: Scores
    unverified: NDArray[np.float64] | None
    unverified_share: float
    variety: Variety


class Scorer:
    """Scores items on one view and one endorsement graph; changes neither.

    Args:
        view: the window as arrays.
        endorsements: who vouches for whom.
        parameters: of the rule.
        workers: share the egos of a pass among them.
    """

    def __init__(
        self,
        view: View,
        endorsements: EndorsementGraph,
        parameters: ScorerParameters | None = None,
        workers: Workers = ONE_WORKER,
    ) -> None:
        self.parameters = parameters or ScorerParameters()
        self._workers = workers
        self._view = view
        self._endorsements = endorsements
        self._private: dict[bytes, None] = {}
        self._reaches = Reaches[Reach](endorsements)
        self._hits = Reaches[Hit](endorsements)  # of who was never asked for more
        self._arrivals: tuple[int, Arrivals] | None = None
        self._numbered = Numbered(view, endorsements)

    def note_private(self, holder: bytes) -> None:
        """Note a shadow (`private_shadow`), so that it shapes its own author's lists only."""
        self._private[holder] = None

    def has_reach(self, ego: bytes) -> bool:
        """Tell whether `reach` is known, and costs no walk."""
        return self._reaches.known(ego) is not None

    def reach(self, ego: bytes) -> Reach:
        """Return whom ego's endorsements reach; walked anew where one of theirs has changed."""
        known = self._reaches.known(ego)
        if known is None:
            walks, ids = self._walks(ego), self._endorsements.ids
            contacts = [ids[contact] for contact in walks.contacts.tolist()]
            known = Reach(ids, contacts, self._mass(ego, walks), self._endorsements.version)
            self._reaches.remember(ego, known)
        return known

    def reached(self, ego: bytes) -> list[bytes]:
        """Return the ids of those whom `reach` gives a mass, for less where nobody asks for that.

        Who has asked for a list may do so again: then his next one finds the mass there.
        """
        graph, trust = self._endorsements, self.parameters.trust
        if ego in self._reaches or trust.beta == 1.0:  # which may leave nothing of a mass
            found = self.reach(ego)
            return [found.ids[n] for n in np.flatnonzero(found.total).tolist()]
        known = self._hits.known(ego)
        if known is None:
            hit = whom_walks_hit(graph, ego, seed=ego, parameters=trust.walks)
            known = Hit(graph.ids, hit, graph.version)
            self._hits.remember(ego, known)
        return [known.ids[n] for n in known.hit.tolist()]

    def _walks(self, ego: bytes) -> WalkMass:
        """Walk from ego; comparison systems of the simulator walk otherwise."""
        return walk_mass(self._endorsements, ego, seed=ego, parameters=self.parameters.trust.walks)

    def _mass(self, ego: bytes, walks: WalkMass) -> Shares:
        """Return each contact's mass; comparison systems of the simulator count otherwise."""
        return endorsed_mass(walks, self.parameters.trust.beta)

    def egos(self, ego: bytes) -> list[int]:
        """Return ego's user numbers, public and private; -1 where it holds nothing."""
        return [self._view.user_number(ego), self._view.user_number(private_shadow(ego))]

    def trust(self, ego: bytes, rejected: Sequence[str] = ()) -> ContactTrust:
        """Return ego's trust in the users of the view, by contact.

        Args:
            ego: id.
            rejected: items that ego said no to.
        """
        (asked,) = self._questions([ego], [rejected], self.basis(0), [()])
        return asked.trust

    def refresh(self) -> tuple[HoldingMatrix, Arrivals]:
        """Take in what came since the last score, which the next one would do first.

        Returns:
            (who holds what as of the newest interaction, who held what first).
        """
        half_life_s = self.parameters.half_life_s
        newest = self._view.matrix(0, half_life_s)
        if self._arrivals is None or self._arrivals[0] != self._view.version:
            # What was said in private dates nothing for others, nor for its author.
            private = self._view.user_numbers(list(self._private))
            witnessed = self._view.firsts(half_life_s), self._view.rises(private)
            self._arrivals = self._view.version, Arrivals.of(newest.reference, *witnessed)
        return newest, self._arrivals[1]

    def basis(self, now_s: int) -> Basis:
        """Return what scores are made from; it holds until anything changes.

        Args:
            now_s: seconds since 1970.
        """
        newest, arrivals = self.refresh()
        volumes = np.diff(newest.reference.by_user.indptr)
        numbers = self.numbers().copy()
        # Who holds nothing any more has his number for a while, and would have trust with it.
        holds = np.append(volumes > 0, False)  # the last for who has no number
        numbers[~holds[numbers]] = -1
        return Basis(
            matrix=self._view.matrix(now_s, self.parameters.half_life_s),
            newest=newest,
            arrivals=arrivals,
            numbers=numbers,
            held=np.flatnonzero(numbers >= 0),
            volumes=volumes,
        )

    def numbers(self) -> NDArray[np.int32]:
        """Return the view's number of each identity that endorsements name; -1 where none."""
        return self._numbered.numbers()

    def score(
        self, ego: bytes, now_s: int, rejected: Sequence[str] = (), like: Collection[str] = ()
    ) -> Scored:
        """Score every item for ego.

        Args:
            ego: id.
            now_s: seconds since 1970.
            rejected: items that ego said no to.
            like: as for `score_many`.
        """
        (scored,) = self.score_many([ego], [rejected], self.basis(now_s), [like])
        return scored

    def score_many(
        self,
        egos: Sequence[bytes],
        rejected: Sequence[Sequence[str]],
        basis: Basis,
        likes: Sequence[Collection[str]] = (),
    ) -> Iterator[Scored]:
        """Score every item for each of several egos, in their order; as `score` does, bit for bit.

        Args:
            egos: ids.
            rejected: items that each said no to.
            basis: of this moment.
            likes: items that each one's list shall be like, as if it held no others; empty for
                those that it holds. Default: for all.
        """
        likes = likes or [()] * len(egos)
        for start in range(0, len(egos), EGOS_A_PASS):
            asked = slice(start, start + EGOS_A_PASS)
            questions = self._questions(egos[asked], rejected[asked], basis, likes[asked])
            asks = [_asked(question, basis.matrix) for question in questions]
            pushed = push_many(basis.matrix, asks, self.parameters.ranking, self._workers)
            for question, found in zip(questions, pushed, strict=True):
                yield self._answered(question, found, basis)

    def _questions(
        self,
        egos: Sequence[bytes],
        rejected: Sequence[Sequence[str]],
        basis: Basis,
        likes: Sequence[Collection[str]],
    ) -> list[Question]:
        """Return each ego's question; what all have in common is found in one pass."""
        reaches = [self.reach(ego) for ego in egos]
        voices = [self._voices(reach, basis) for reach in reaches]
        popularity = basis.newest.spread(np.stack(voices, axis=1)).T
        totals = np.array([heard_by.sum() for heard_by in voices])
        users = [self.egos(ego) for ego in egos]
        heard = adoptions(
            basis.arrivals,
            users,
            lambda asker, item: surprise(popularity[asker, item], totals[asker]),
            basis.volumes,
            [self._view.item_numbers(refused) for refused in rejected],
        )
        followed = np.zeros((len(egos), len(basis.numbers)))
        followed[:, basis.held] = heard[:, basis.numbers[basis.held]]
        trusts = gather_trusts(
            [reach.contacts for reach in reaches],
            [
                tilted(reach.mass, by_ego, self.parameters.trust)
                for reach, by_ego in zip(reaches, followed, strict=True)
            ],
            basis.numbers,
            self._view.user_count,
        )
        profiles = recent_profiles(self._view, basis.matrix, users, self.parameters.recency_items)
        for profile, like in zip(profiles, likes, strict=True):
            if like:
                profile[:] = even_profile(self._view.item_numbers(list(like)), len(profile))
        return [
            Question(
                ego=ego,
                egos=numbers,
                rejected=refused,
                profile=profile,
                wishes=bool(like),
                trust=trust,
                voices=heard_by,
            )
            for ego, numbers, refused, profile, like, trust, heard_by in zip(
                egos, users, rejected, profiles, likes, trusts, voices, strict=True
            )
        ]

    def _answered(self, question: Question, pushed: Pushed, basis: Basis) -> Scored:
        matrix, egos, trust = basis.matrix, question.egos, question.trust
        scores = pushed.spread_out(matrix, trust.without(egos, matrix.shape[0]))
        voices = question.voices
        has_endorsed = bool(self.reach(question.ego).contacts)
        share = self.parameters.exploration_share if has_endorsed else 1.0
        unverified = None
        if share:
            audience = self._audience(question.ego, matrix)
            unverified = explored(self._view, audience, question, basis)
            if not has_endorsed:
                voices = audience
        return Scored(
            matrix=matrix,
            egos=egos,
            trust=trust,
            scores=scores,
            unverified=unverified,
            unverified_share=share,
            variety=Variety(matrix, voices, self.parameters.diversity),
        )

    def _voices(self, reach: Reach, basis: Basis) -> NDArray[np.float64]:
        """Return everybody's standing, float64[users]."""
        mass = reach.total[basis.held]
        voices = np.zeros(self._view.user_count)
        voices[basis.numbers[basis.held]] = standing(mass, self.parameters.trust.reference_mass)
        return voices

    def _audience(self, ego: bytes, matrix: HoldingMatrix) -> NDArray[np.float64]:
        """Return 1 for whom ego hears where nothing is anchored, 0 for whom it blocks."""
        ids = self._endorsements.ids
        index = self._endorsements.index_of(ego)
        blocked = [] if index is None else [ids[n] for n in self._endorsements.walls(ego).tolist()]
        unheard = [name for name in self._private if name != private_shadow(ego)] + blocked
        silent = self._view.user_numbers(unheard)
        voices = np.ones(matrix.shape[0])
        voices[silent[silent >= 0]] = 0.0
        return voices


def _asked(question: Question, matrix: HoldingMatrix) -> Asked:
    known = np.flatnonzero(question.profile).astype(np.int32)
    own = known if question.wishes else own_items(matrix, question.egos)
    heard = np.flatnonzero(question.voices).astype(np.int32)
    return Asked(
        trust=question.trust,
        egos=question.egos,
        profile=(own, question.profile[own]),
        has_profile=question.wishes or bool(question.profile.any()),
        standing=(heard, question.voices[heard]),
    )


def private_shadow(author: bytes) -> bytes:
    """Return the id under which the view keeps what `author` did in private.

    It is longer than an identity's, so that nobody can sign for it, and nobody can endorse it:
    only `author`'s own ranking reads it.
    """
    return author + b"/private"

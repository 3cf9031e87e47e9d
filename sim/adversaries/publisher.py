"""Attackers on the ranking: they publish what a plan has them say, or find out what to say.

`Publisher` follows one strategy of `tastemesh attack`. `Adaptive` reads every public record off the
brokers, runs our own ranking over them for people of its choice, tries each strategy on that copy,
and publishes the one that would get its target farthest; then it looks again.
"""

from collections import deque
from typing import Any

import numpy as np

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import codec, inputs
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.bundles import unpack_bundle
from tastemesh.gossip.effects import Send
from tastemesh.gossip.record import Endorsement, Interaction, Said
from tastemesh.sim.adversaries.intruder import Intruder, Means
from tastemesh.sim.adversaries.plans import Plan, draw_up
from tastemesh.sim.adversaries.strategies import mount
from tastemesh.sim.attack.stage import fitted
from tastemesh.sim.interactions import Endorsements, Interactions

_SIGNED_A_SECOND = 50  # identities whose statements it signs at a time

# Those of one entry: the deceived endorse the first identity before it is known what to do.
_CANDIDATES = ("star", "cycle", "copycat", "early-spam", "bandwagon", "segment")
_VICTIMS = 12  # people whose lists it works out for each candidate
_RANK_DEPTH = 200
_REVIEW_MS = 300_000
_REVIEWS = 3
_HEARD_COUNT = 50_000  # statements remembered


class Publisher(Intruder):
    """Publishes a plan.

    Args:
        means: what it has.
        plan: what to say, if that is known beforehand.
    """

    def __init__(self, means: Means, plan: Plan | None) -> None:
        super().__init__(means)
        self._pens = Authorship(means.signers, means.network, means.limits)
        self._early: deque[tuple[bytes, tuple[Said, ...]]] = deque()
        self._late: deque[tuple[bytes, tuple[Said, ...]]] = deque()
        self._ready: deque[Send] = deque()
        self._back_dated_ms = 0
        if plan is not None:
            self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """Add a plan to what is to be said."""
        self._back_dated_ms = plan.back_dated_ms
        for signer, early, late in zip(self.means.signers, plan.early, plan.late, strict=True):
            if early:
                self._early.append((signer.id, early))
            if late:
                self._late.append((signer.id, late))

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        for waiting in (self._early, self._late) if begun else (self._early,):
            for _ in range(min(_SIGNED_A_SECOND, len(waiting))):
                author, said = waiting.popleft()
                _, records = self._pens.write(author, said, wall_ms - self._back_dated_ms)
                self._ready.extend(self.bundles(author, [r.envelope for r in records]))
        return [self._ready.popleft() for _ in range(min(room, len(self._ready)))]


class Adaptive(Publisher):
    """Reads what is public, and does what would work best against our rules.

    Args:
        means: what it has.
        seed: of its plans.
    """

    listens = ("r",)

    def __init__(self, means: Means, seed: int) -> None:
        super().__init__(means, None)
        self._seed = seed
        self._own = {signer.id: None for signer in means.signers}
        self._held: dict[tuple[bytes, str], None] = {}
        self._vouched: dict[tuple[bytes, bytes], float] = {}
        self._next_review_ms = round(means.policy.start_s * 1000)
        self._reviews: list[dict[str, Any]] = []

    def hear(self, event: inputs.Received, now_ms: int) -> None:
        """Remember what was said."""
        if len(self._held) + len(self._vouched) > _HEARD_COUNT:
            return
        try:
            for envelope in unpack_bundle(event.payload, self.means.limits):
                record = codec.parse(envelope, self.means.network, self.means.limits)
                for said in record.statements:
                    if isinstance(said, Interaction) and record.author not in self._own:
                        self._held[record.author, said.item] = None
                    elif isinstance(said, Endorsement):
                        self._vouched[record.author, said.subject] = said.weight
        except RemoteProtocolError:
            return

    def act(self, now_ms: int, wall_ms: int, begun: bool, room: int) -> list[Send]:
        """See `Intruder.act`."""
        if begun and now_ms >= self._next_review_ms and len(self._reviews) < _REVIEWS:
            self._next_review_ms = now_ms + _REVIEW_MS
            self._review(now_ms)
        return super().act(now_ms, wall_ms, begun, room)

    def findings(self) -> dict[str, Any]:
        """Return what it tried and chose."""
        return {"reviews": self._reviews}

    def _review(self, now_ms: int) -> None:
        people, interactions, endorsements = self._public()
        if endorsements is None or len(people) < 2:
            return
        edges = len(
            {
                a
                for (a, b), w in self._vouched.items()
                if b in self._own and a not in self._own and w > 0
            }
        )
        vouching = np.unique(endorsements.source)
        victims = self.means.rng.choice(vouching, min(_VICTIMS, len(vouching)), replace=False)
        tried = {
            name: self._try(name, interactions, endorsements, victims.astype(np.int32), edges)
            for name in _CANDIDATES
        }
        best = max(tried, key=lambda name: tried[name])
        self._reviews.append(
            {"at_s": now_ms // 1000, "chosen": best, "expected_exposure@10": tried[best][0]}
        )
        self.follow(
            draw_up(
                best,
                interactions,
                endorsements,
                people,
                list(self._own),
                target=self.means.target,
                attack_edges=0,
                seed=self._seed,
            )
        )

    def _try(
        self,
        name: str,
        interactions: Interactions,
        endorsements: Endorsements,
        victims: "np.ndarray[tuple[int], np.dtype[np.int32]]",
        edges: int,
    ) -> tuple[float, float]:
        """Return (exposure, mean of 1/rank) that a strategy would get among the victims."""
        attacked = mount(
            name,
            interactions,
            endorsements,
            victims,
            identities=len(self._own),
            attack_edges=min(edges, len(np.unique(endorsements.source))),
            seed=self._seed,
        )
        system = fitted("tastemesh", attacked.train, attacked.endorsements, self._seed)
        found = system.rank(victims, _RANK_DEPTH) == attacked.target
        exposed = float(found[:, :10].any(axis=1).mean())
        near = float(np.where(found.any(axis=1), 1.0 / (found.argmax(axis=1) + 1.0), 0.0).mean())
        return exposed, near

    def _public(self) -> tuple[list[bytes], Interactions, Endorsements | None]:
        """Return what it has heard of the others, as data."""
        rows = list(self._held)
        edges = [
            (a, b, w)
            for (a, b), w in self._vouched.items()
            if a not in self._own and b not in self._own
        ]
        people = list(dict.fromkeys([*(a for a, _ in rows), *(p for e in edges for p in e[:2])]))
        items = list(dict.fromkeys(item for _, item in rows))
        place = {who: number for number, who in enumerate(people)}
        shelf = {item: number for number, item in enumerate(items)}
        names = tuple(who.hex() for who in people)
        interactions = Interactions(
            user_ids=names,
            item_ids=tuple(items),
            user=np.array([place[a] for a, _ in rows], np.int32),
            item=np.array([shelf[item] for _, item in rows], np.int32),
            weight=np.ones(len(rows), np.float32),
            time_s=np.arange(1, len(rows) + 1, dtype=np.int64),
        )
        if not edges or not rows:
            return people, interactions, None
        endorsements = Endorsements(
            ids=names,
            source=np.array([place[a] for a, _, _ in edges], np.int32),
            subject=np.array([place[b] for _, b, _ in edges], np.int32),
            weight=np.array([w for _, _, w in edges], np.float32),
        )
        return people, interactions, endorsements

"""An attacker who knows the rule, reads all public records, and tries before he attacks.

He runs the very system that he attacks (`Tastemesh`, the code of a node) on the honest data with a
plan of his added, looks at the lists of some victims, and changes one thing of the plan at a time
for as long as that brings him more. What he can change is all that his budget leaves open:

- whom to deceive: people drawn by lot, or the most endorsed;
- how many of his identities to use, and how many of those the deceived endorse;
- how they endorse one another (`tastemesh.sim.adversaries.staging.shape`);
- what they hold beside the target: nothing, what brings most over all victims, or each what brings
  most from one victim. Mass enters a holder from an item in proportion to ego's interest in it and
  in inverse proportion to kappa and the trust that holds it already (docs/theory.md, section 1);
  that quotient is what he goes by.

He compares plans by exposure first, and where that is equal by how near the target came to the
tenth place. A local optimum is all that such a search finds; the theorem's bound, which every cell
reports beside, holds for the best plan there is.
"""

from typing import Any, Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from tastemesh.sim.adversaries.camouflage import Profile
from tastemesh.sim.adversaries.staging import Attacked, Plan, endorsing, shape, staged
from tastemesh.sim.interactions import Endorsements, Interactions
from tastemesh.sim.systems.tastemesh import Tastemesh

WHITE_BOX = "white-box"
TRIES = "know the exact rule and everybody's records, and try plans until none is better"

VICTIMS_LOOKED_AT = (
    40  # a look at one costs some 10 ms (measured); he needs a direction, not a figure
)
LIST_LENGTH = 10
_PASSES = 2  # over all that can be changed; a third changed nothing on HetRec Last.fm (measured)

Holding = Literal["nothing", "common", "aimed"]
Shape = Literal["none", "star", "clique", "cycle", "ladder"]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What the attacker decides.

    Attributes:
        central: deceive the most endorsed, not somebody.
        used: identities that take part; the others hold the target and nobody knows them.
        entries: identities that the deceived endorse.
        shape: of endorsements among those who take part.
        holding: what they hold beside the target.
        count: items of that.
    """

    central: bool = False
    used: int
    entries: int = 1
    shape: Shape = "star"
    holding: Holding = "aimed"
    count: int = 20


class _Worth(msgspec.Struct, frozen=True, order=True):
    """What a plan brings; compared field by field."""

    exposure: float
    nearness: float


class WhiteBox:
    """A search for the best plan against ours.

    Args:
        train: the honest interactions.
        endorsements: aligned with their users.
        egos: positions of the users whose lists are at stake.
        identities: hostile ones, 1 and up.
        attack_edges: honest users who can be deceived.
        seed: of the draws.

    Raises:
        UsageError: there are not enough honest users to deceive.
    """

    def __init__(
        self,
        train: Interactions,
        endorsements: Endorsements,
        egos: NDArray[np.int32],
        *,
        identities: int,
        attack_edges: int,
        seed: int,
    ) -> None:
        self._train = train
        self._endorsements = endorsements
        self._identities = identities
        self._edges = attack_edges
        self._rng_key = [seed, identities, attack_edges, 7]
        rng = np.random.default_rng(self._rng_key)
        able = endorsing(endorsements, attack_edges)
        liked = np.bincount(
            endorsements.subject[endorsements.weight > 0], minlength=int(able.max(initial=0)) + 1
        )[able]
        self._drawn = np.sort(rng.choice(able, attack_edges, replace=False)).astype(np.int32)
        most = able[np.argsort(-liked, kind="stable")[:attack_edges]]
        self._central = np.sort(most).astype(np.int32)
        self._victims = np.sort(rng.permutation(egos)[:VICTIMS_LOOKED_AT]).astype(np.int32)
        honest = Tastemesh(seed)
        honest.fit(train, endorsements, honest.grid(True)[0])
        self._openings = [honest.openings(victim) for victim in self._victims.tolist()]
        self._seed = seed

    def attack(self) -> Attacked:
        """Return the best plan found, carried out."""
        draft = Draft(used=max(1, min(self._identities, self._edges)))
        if self._edges:  # without an edge nothing that he does changes a list
            best = self._worth(draft)
            for _ in range(_PASSES):
                before = draft
                for other in self._neighbours(draft):
                    # Changes of one thing are tried on the best so far, not on where they began.
                    tried = msgspec.structs.replace(draft, **other)
                    if tried == draft:
                        continue
                    found = self._worth(tried)
                    if found > best:
                        draft, best = tried, found
                if draft == before:
                    break
        return self._carried_out(draft)

    def _neighbours(self, draft: Draft) -> list[dict[str, Any]]:
        everybody, few = self._identities, max(1, min(self._identities, self._edges))
        return [
            {"central": not draft.central},
            {"holding": "nothing"},
            *({"holding": kind, "count": n} for kind in ("common", "aimed") for n in (5, 20, 60)),
            *({"used": n} for n in sorted({1, few, min(10 * few, everybody), everybody})),
            *({"shape": name} for name in get_args(Shape)),
            *({"entries": n} for n in sorted({1, few})),
        ]

    def _carried_out(self, draft: Draft) -> Attacked:
        plan = Plan(
            profiles=tuple(self._profile(draft, number) for number in range(self._identities)),
            inner=shape(draft.shape, draft.entries, draft.used),
            entries=draft.entries,
            deceived=self._central if draft.central else self._drawn,
        )
        return staged(plan, self._train, self._endorsements, np.random.default_rng(self._rng_key))

    def _profile(self, draft: Draft, number: int) -> Profile:
        if draft.holding == "nothing" or number >= draft.used or not self._openings:
            return Profile(np.empty(0, np.int64), early=False)
        if draft.holding == "common":
            wanted = np.sum(self._openings, axis=0)
        else:
            wanted = self._openings[number % len(self._openings)]
        best = np.argsort(-wanted, kind="stable")[: draft.count]
        return Profile(best[wanted[best] > 0].astype(np.int64), early=False)

    def _worth(self, draft: Draft) -> _Worth:
        attacked = self._carried_out(draft)
        system = Tastemesh(self._seed)
        system.fit(attacked.train, attacked.endorsements, system.grid(True)[0])
        aside = np.union1d(attacked.deceived, self._friends_of(attacked.deceived))
        far = np.setdiff1d(self._victims, aside)
        nearness = [
            system.nearness(victim, attacked.target, LIST_LENGTH)
            for victim in (far if len(far) else self._victims).tolist()
        ]
        reached = np.array(nearness)
        return _Worth(float((reached > 1.0).mean()), float(np.minimum(reached, 1.0).mean()))

    def _friends_of(self, deceived: NDArray[np.int32]) -> NDArray[np.int32]:
        people = self._endorsements
        return people.source[np.isin(people.subject, deceived) & (people.weight > 0)]

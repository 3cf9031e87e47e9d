"""A node's people, for whoever shows them: a local user's neighbourhood, and who backs an item."""

from collections.abc import Iterable

import numpy as np

from tastemesh.errors import UsageError
from tastemesh.gossip.identity import format_id
from tastemesh.node.answers import Backing, Neighbourhood, Person
from tastemesh.node.backing import backing
from tastemesh.node.clock import Clock
from tastemesh.node.core import Core
from tastemesh.node.identities import DEFAULT_IDENTITY, KeyRing
from tastemesh.node.neighbourhood import nearest, shares, vouchings
from tastemesh.node.plays import check_text, several


class People:
    """Questions about people; they change nothing.

    Args:
        core: knows who vouches for whom and who holds what.
        keys: the local users.
        clock: time.
    """

    def __init__(self, core: Core, keys: KeyRing, clock: Clock) -> None:
        self._core = core
        self._keys = keys
        self._clock = clock

    def around(self, limit: int, *, identity: str = DEFAULT_IDENTITY) -> Neighbourhood:
        """Return a local user's neighbourhood.

        Args:
            limit: people at most, himself included, 1 and up.
            identity: his local name.

        Raises:
            UsageError: nobody has this name, or the limit is no such number.
        """
        _check_limit(limit)
        ego = self._keys.signer(identity).id
        core = self._core
        reach = core.reach(ego)
        people, edges = nearest(core.endorsements, reach, ego, limit)
        placed, through = shares(core.endorsements, reach, [person for person, _ in people])
        window, proofs = core.engine.window, core.engine.intake.proofs
        return Neighbourhood(
            people=[
                Person(
                    identity=format_id(person),
                    distance=distance,
                    trust=placed.get(person, 0.0),
                    through=through.get(person, 0.0),
                    weight=core.endorsements.weight(ego, person),
                    interactions=window.author_interaction_count(person),
                    convicted=person in proofs,
                )
                for person, distance in people
            ],
            endorsements=vouchings(edges),
            reached=int(np.count_nonzero(reach.total)),
            sybil_bound=core.sybil_bound(ego, self._clock.wall_ms()),
        )

    @property
    def equivocators(self) -> list[bytes]:
        """Ids of those proved to have equivocated, oldest proof first."""
        return list(self._core.engine.intake.proofs)

    def behind(self, items: Iterable[str], *, identity: str = DEFAULT_IDENTITY) -> list[Backing]:
        """Return who stands behind each item for a local user.

        Raises:
            UsageError: nobody has this name, or an item is no text.
        """
        items = several("items", items, "ids")
        for item in items:
            check_text("item", item)
        core = self._core
        reach = core.reach(self._keys.signer(identity).id)
        now_s = self._clock.wall_ms() // 1000
        return backing(core.view, core.endorsements, reach, core.numbers(), items, now_s)


def _check_limit(limit: object) -> None:
    if not isinstance(limit, int) or limit < 1:
        raise UsageError(f"limit is {limit!r}; expected a whole number, 1 or more")

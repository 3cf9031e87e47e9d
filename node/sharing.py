"""What leaves the node: a user's own rules for keeping things private.

Two rules beside `private=True`. Kinds that are never published: "skip", say. And k-anonymity for
rare items: what fewer than k others are known to share would single its user out, so it stays on
the node. It counts whom this node knows of, and nobody can be made to forget; see docs/privacy.md.
"""

from collections.abc import Callable, Sequence

import msgspec

from tastemesh.errors import ConfigError, RemoteProtocolError
from tastemesh.gossip.inputs import Recorded
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import WEIGHT_SCALE, Interaction
from tastemesh.gossip.statements import check_statement
from tastemesh.node.field_types import check_field_types
from tastemesh.node.plays import Play, as_interaction


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """Which interactions may be published; all of them by default.

    Attributes:
        private_kinds: kinds of interaction that stay on the node.
        least_holders: an item is published only if so many other authors in the window have
            published that they hold it; 0 asks nothing.
        nothing: publish nothing at all.
    """

    private_kinds: tuple[str, ...] = ()
    least_holders: int = 0
    nothing: bool = False

    def __post_init__(self) -> None:
        check_field_types(self)  # a text would be a kind a letter, and its own kind published
        if not 0 <= self.least_holders <= 1_000:
            raise ConfigError(f"least_holders is {self.least_holders}; expected 0 to 1000")
        for kind in self.private_kinds:
            try:
                check_statement(Interaction("any", kind, WEIGHT_SCALE), Limits())
            except RemoteProtocolError:
                expected = "1 to 32 of a-z, 0-9 and -"
                raise ConfigError(f"kind {kind!r}; expected {expected}") from None

    def events(
        self,
        author: bytes,
        plays: Sequence[Play],
        wall_ms: int,
        holder_count: Callable[[str], int],
    ) -> list[Recorded]:
        """Return the inputs that say these plays: first what is published, then what stays.

        Args:
            author: id of the local user.
            plays: what he did.
            wall_ms: wall clock.
            holder_count: how many others have published that they hold an item; asked only where
                it matters.

        Raises:
            UsageError: a play has a wrong value.
        """
        published: list[Interaction] = []
        kept: list[Interaction] = []
        for play in plays:
            said = as_interaction(play, wall_ms)
            (published if self.allows(play, holder_count) else kept).append(said)
        done = [Recorded(author, tuple(published), wall_ms)] if published else []
        return done + ([Recorded(author, tuple(kept), wall_ms, private=True)] if kept else [])

    def allows(self, play: Play, holder_count: Callable[[str], int]) -> bool:
        """Tell whether a play may be published; see `events`."""
        if self.nothing or play.kind in self.private_kinds:
            return False
        return not self.least_holders or holder_count(play.item) >= self.least_holders


NOTHING_SHARED = Sharing(nothing=True)
"""What `private=True` asks for."""

"""What a local user says of others, so that nothing that he stands by is lost for it.

An author's quota of endorsements lets his oldest records go, whatever they say: a block or a
friendship would end unnoticed once enough was said after it. So before something is said, what
stands in the records that will leave for it is added, and the window keeps it as new. What is said
already is not said again, or an application that states a list of friends every night would use up
the quota with repetitions.
"""

from collections import defaultdict

from msgspec import structs

from tastemesh.errors import UsageError
from tastemesh.gossip import inputs
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.lineage import ROTATION_BYTES
from tastemesh.gossip.record import Endorsement
from tastemesh.gossip.window import Endorsing, Window
from tastemesh.reputation.graph import EndorsementGraph, Stated

# What was said within this share of the window's age is not said again: half of the time after
# which it is by itself, so a list that is stated every night never comes near its age.
_FRESH_SHARE = 1 / 3


class Vouching:
    """Completes what local users say of others.

    Args:
        window: what is held.
        endorsements: what it says of whom; what is in there is in the window.
        limits: the quota and the age of endorsements are used.
    """

    def __init__(self, window: Window, endorsements: EndorsementGraph, limits: Limits) -> None:
        self._window = window
        self._endorsements = endorsements
        self._most = limits.author_endorsement_count
        # Where a record holds little but its author's rotations the window counts it for more than
        # it says, which cannot be told before it is signed: so much is kept free.
        self._padding = -(-ROTATION_BYTES * limits.rotation_count // limits.statement_bytes)
        self._fresh_ms = round(_FRESH_SHARE * limits.endorsement_age_ms)

    def complete(self, event: inputs.Recorded) -> inputs.Recorded | None:
        """Return what is to be signed where a local user speaks of others and of nothing else.

        Args:
            event: what he says; returned as it is if it holds any other statement.

        Returns:
            What is new of it, after what would leave for it though it stands; None where nothing
            is new.

        Raises:
            UsageError: he would stand by more people than the window keeps of one author.
        """
        said = {each.subject: each for each in event.statements if isinstance(each, Endorsement)}
        if event.private or not all(isinstance(each, Endorsement) for each in event.statements):
            return event
        held = self._window.endorsing(event.author)
        standing = self._endorsements.said_by(event.author)
        fresh_ms = event.wall_ms - self._fresh_ms
        fresh = {each.slot for each in held if each.date_ms >= fresh_ms}
        new = [each for each in said.values() if not _repeats(each, standing, fresh)]
        if said and not new:
            return None
        for each in new:
            standing.pop(each.subject, None)
        again = self._leaving(held, standing, len(new))
        dates_ms = {each.date_ms for each in held}
        wall_ms = event.wall_ms
        while wall_ms in dates_ms:  # of one date it would be chance which leaves first
            wall_ms += 1
        return structs.replace(event, statements=(*again, *new), wall_ms=wall_ms)

    def _leaving(
        self, held: list[Endorsing], standing: dict[bytes, Stated], new_count: int
    ) -> list[Endorsement]:
        """Return what stands in the records that leave for new statements and for this."""
        lasting = {subject: each for subject, each in standing.items() if each.weight_q}
        if len(lasting) + new_count > self._most:
            raise UsageError(
                f"{len(lasting) + new_count} people endorsed or blocked; expected {self._most} at"
                " most: withdraw some first"
            )
        by_slot: dict[tuple[int, int], list[Endorsement]] = defaultdict(list)
        for subject, stated in lasting.items():
            by_slot[stated.slot].append(Endorsement(subject, stated.weight_q))
        again: list[Endorsement] = []
        count = sum(each.weight for each in held) + new_count + self._padding
        for each in held:
            if count + len(again) <= self._most:
                break
            count -= each.weight
            again.extend(by_slot[each.slot])
        return again


def _repeats(said: Endorsement, standing: dict[bytes, Stated], fresh: set[tuple[int, int]]) -> bool:
    """Tell whether a statement says what one that is held, and not old, says."""
    held = standing.get(said.subject)
    return held is not None and held.weight_q == said.weight_q and held.slot in fresh

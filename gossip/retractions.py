"""What a user took back on this device, and what of it his other devices have pushed out.

Past an author's quota of notices his oldest leave, and whoever was away brings back what they took
back. One device joins them before that (`tastemesh.node.forgetting`). Two that have not heard each
other push out each other's, and then the one that said it says it again, in fewer and longer
ranges. Only that one: another's may be a thief's, and what is said here outlasts a stolen key.

Each time it waits longer before the next, and takes less room where others have filled the quota.
So devices come to an end with this, and whoever has our key has us say a record an hour at most.
What is lost stays in the store until then: a device that ends meanwhile finds it at its next start.
"""

from itertools import chain
from typing import NamedTuple

import msgspec

from tastemesh.gossip.limits import DAY_MS, Limits
from tastemesh.gossip.record import Forget, Record
from tastemesh.gossip.tombstones import merged, uncovered

# After saying something again: twice as long each time, an hour at most (guess), during which what
# was taken back may stand again; from the beginning after a day without (guess).
FIRST_WAIT_MS = 120_000
LAST_WAIT_MS = 3_600_000
QUIET_MS = DAY_MS
# Ranges that are remembered as lost, in quotas: what is held at once is one, and some have been
# pushed out before them and are another's to say for now (guess).
_LOST_QUOTAS = 4

_TURNS = 32  # far past the last wait, and one range


class _Lost(NamedTuple):
    """What a record took back, with the author's date of it."""

    created_ms: int
    forgets: tuple[Forget, ...]


class Retractions(msgspec.Struct):
    """The forgets that one of our identities said on this device."""

    held: dict[bytes, tuple[Forget, ...]] = msgspec.field(default_factory=dict)  # in the window
    # By record, which stays in the store until then, and maybe said again since.
    lost: dict[bytes, _Lost] = msgspec.field(default_factory=dict)
    over: list[bytes] = msgspec.field(default_factory=list)  # records that were lost, to delete
    turn_count: int = 0
    due_ms: int = 0

    def add(self, record: Record) -> None:
        """Note a record that was said here and is in the window."""
        said = tuple(each for each in record.notices if isinstance(each, Forget))
        if said:
            self.held[record.id] = said

    def let_go(
        self, record_id: bytes, created_ms: int, is_pushed_out: bool, limits: Limits
    ) -> bool:
        """Note that a record left the window.

        Args:
            record_id: its id.
            created_ms: the author's date of it.
            is_pushed_out: whether others of its author's had no room for it, and it is still meant.
            limits: the author's quota.

        Returns:
            Whether it is to be said again.
        """
        before = self.lost.pop(record_id, None)  # it came again from somebody
        said = self.held.pop(record_id, before.forgets if before else ())
        if not said or not is_pushed_out:
            return False
        # Many leave at once, so they are looked through only where asked for.
        self.lost[record_id] = _Lost(created_ms, said)
        most = _LOST_QUOTAS * limits.author_notice_count
        if self._lost_count > most:
            self.still_lost()
            while self._lost_count > most:
                self._give_up(next(iter(self.lost)))
        if record_id in self.lost:
            return True
        self.over.remove(record_id)  # it goes with what lets it go
        return False

    @property
    def _lost_count(self) -> int:
        return sum(len(each.forgets) for each in self.lost.values())

    def still_lost(self) -> tuple[Forget, ...]:
        """Return what is lost, and forget about what was said again.

        What another device says too may leave with that one's, and would be said again here as a
        record that came back.
        """
        if not self.lost:
            return ()
        said = chain.from_iterable(each.forgets for each in self.lost.values())
        still = uncovered(said, chain.from_iterable(self.held.values()))
        lost, later = set(still), set[Forget]()
        for record_id, each in reversed(tuple(self.lost.items())):
            if lost.isdisjoint(each.forgets) or later.issuperset(each.forgets):
                self._give_up(record_id)
            later.update(each.forgets)
        return tuple(merged(still))

    def give_up(self, before_ms: int) -> None:
        """Forget about what was lost of records from before a date."""
        for record_id, each in tuple(self.lost.items()):
            if each.created_ms < before_ms:
                self._give_up(record_id)

    def _give_up(self, record_id: bytes) -> None:
        del self.lost[record_id]
        self.over.append(record_id)

    def turn(self, most: int, now_ms: int) -> int | None:
        """Return how many ranges may be said whatever others hold, or None where it is too soon.

        Half of the quota the first time, and half of that each time after it: so any number of
        devices find room beside each other.

        Args:
            most: the quota.
            now_ms: monotonic time.
        """
        if now_ms < self.due_ms:
            return None
        if now_ms >= self.due_ms + QUIET_MS:
            self.turn_count = 0
        wait_ms = min(FIRST_WAIT_MS << self.turn_count, LAST_WAIT_MS)
        self.due_ms = now_ms + wait_ms
        self.turn_count = min(self.turn_count + 1, _TURNS)
        return most >> self.turn_count

"""Where one of our identities stands: the slots that it has used, and whom it vouches for.

A slot is (epoch, number). Devices of one user share an identity and may not have heard each other,
so each writes in epochs of its own.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from operator import attrgetter

import msgspec

from tastemesh.gossip.lineage import Lineage, may_sign
from tastemesh.gossip.record import Endorsement, Record, Said
from tastemesh.gossip.retractions import Retractions
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH

# Epochs are dealt out in turn, a lane to each run of a device: however wrong its clock and however
# little it has heard, none begins an epoch of another lane. Two share one once in a million times.
# Once round the lanes is a second, and half of all epochs are left in 2106.
EPOCH_LANES = 1 << 20

# How near the last epoch and the last number of an epoch a record of ours that we did not write may
# bring us: who has our key must not be able to use them up. Once round the lanes goes for a restore
# or a rotation at the most; and nobody writes 2^32 records.
EPOCHS_LEFT = EPOCH_LANES << 8
NUMBERS_LEFT = 1 << 32

# By subject, what is said last, and in which record.
Latest = dict[bytes, tuple[int, Record]]


class Pen(msgspec.Struct):
    """Where one of our identities stands."""

    signer: Signer
    lane: int  # of the epochs that it begins
    # By id, the records that endorse somebody, and which of them left for others of the author's.
    vouching: dict[bytes, Record] = msgspec.field(default_factory=dict)
    crowded: set[bytes] = msgspec.field(default_factory=set)
    retractions: Retractions = msgspec.field(default_factory=Retractions)
    own: set[int] = msgspec.field(default_factory=set)  # epochs that no other device writes in
    epoch: int = 0
    next_seq: int = 1
    reserved: int = 1  # numbers below this one are committed as used
    is_resumed: bool = False  # the store knows of the numbers that the key in force has used
    prev: bytes = b""
    prev_seq: int = 0
    beyond: tuple[int, int] = (0, 0)  # highest slot of a later epoch, which another device writes
    known: Lineage | None = None  # its rotations as this node has heard them, on whichever device

    def __post_init__(self) -> None:
        # Where a crash came between a new key and the record that says so, the store knows nothing
        # of it, and slots up to the cut are the older keys'.
        cut = self.signer.lineage.steps[-1].cut if self.signer.lineage else (0, 0)
        if (self.epoch, self.next_seq) <= cut:
            self.turn_to(cut[0] + 1)

    @property
    def last(self) -> tuple[int, int]:
        """The last slot that is known to be used, here or on another device."""
        return max((self.epoch, self.next_seq - 1), self.beyond)

    def latest(self, records: Iterable[Record]) -> Latest:
        """Return what these records say last of each subject, and in which of them it stands.

        Without what stands above every slot that is known to be used, where only a thief can have
        put it: it would stand there whatever we say.
        """
        found: Latest = {}
        for record in sorted(records, key=attrgetter("slot")):
            if record.slot <= self.last:
                found.update((s.subject, (s.weight_q, record)) for s in record.endorsements)
        return found

    def overtake(self, subjects: AbstractSet[bytes]) -> None:
        """Have what has left for others of the author's say no more of these.

        Who speaks of them now may have forgotten already what has left, whatever its slot.
        """
        for record_id in self.crowded & self.vouching.keys():
            said = self.vouching[record_id]
            if any(each.subject in subjects for each in said.endorsements):
                stays = tuple(each for each in said.endorsements if each.subject not in subjects)
                self.vouching[record_id] = msgspec.structs.replace(said, statements=stays)

    @property
    def is_outdated(self) -> bool:
        """Whether another device has rotated the key in force: what it rotated would be a fork."""
        known, ours = self.known, self.signer.lineage
        return known not in (None, ours) and (ours is None or not ours.continues(known))

    @property
    def may_go_on(self) -> bool:
        """Whether the key in force may sign what comes next."""
        return self.may_sign((self.epoch, self.next_seq))

    def may_sign(self, slot: tuple[int, int]) -> bool:
        """Tell whether the key in force may sign a slot; what another device has not cut off."""
        return may_sign(self.known, self.signer.lineage, slot)

    def turn_to(self, epoch: int) -> None:
        """Go on in an epoch in which nothing has been signed."""
        self.epoch, self.next_seq, self.reserved = epoch, 1, 1
        self.prev, self.prev_seq, self.beyond = b"", 0, (0, 0)

    def fresh_epoch(self, wall_ms: int) -> int:
        """Return the next epoch of its lane above all that is known: nobody has signed in it.

        It is numbered by the clock, a round a second, so that those of one lane hardly meet; but
        no clock, however wrong, leaves no epoch for the next time or for a rotation.
        """
        by_clock = min(wall_ms // 1000 * EPOCH_LANES, MAX_EPOCH - EPOCHS_LEFT)
        return self.epoch_from(max(self.last[0] + 1, by_clock))

    def epoch_from(self, lowest: int) -> int:
        """Return the first epoch of its lane that is not below another one."""
        return min(lowest + (self.lane - lowest) % EPOCH_LANES, MAX_EPOCH)

    def overrules(self, statements: Iterable[Said]) -> bool:
        """Tell whether statements say something else than was said, and would not stand above it.

        Even where it was said here last: another device that writes in a later epoch may have said
        it there, in a record that has left here and not yet elsewhere.
        """
        said = {each.subject: each.weight_q for each in statements if isinstance(each, Endorsement)}
        if not said or not self.epoch < self.beyond[0] < MAX_EPOCH - EPOCHS_LEFT:
            return False
        return any(
            said.get(subject, weight_q) != weight_q
            for subject, (weight_q, _) in self.latest(self.vouching.values()).items()
        )

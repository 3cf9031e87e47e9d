"""What our own identities say: sequence numbers, batching, signing.

A sequence number must never be used twice, or two signed records with one (author, epoch, seq)
prove equivocation and the identity is dead for good. So numbers are reserved in blocks, committed
against power loss before the first of them is used; a restart goes on above the block.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from tastemesh.errors import UsageError
from tastemesh.gossip.codec import sign_record
from tastemesh.gossip.effects import Effect, EvictReason, ReserveSequence
from tastemesh.gossip.envelope import Opened, sign_again
from tastemesh.gossip.identity import format_id
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import ROTATION_BYTES, Lineage
from tastemesh.gossip.pen import EPOCH_LANES, EPOCHS_LEFT, NUMBERS_LEFT, Pen
from tastemesh.gossip.record import Endorsement, Forget, Interaction, Record, Rotation, Said
from tastemesh.gossip.renewals import renewals
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_EPOCH, MAX_INT64
from tastemesh.gossip.window import Gone

# Statements per record that we sign: at 64 the signature costs 2 to 4 us a statement, and a record
# that is evicted or refused takes little with it (ecosystem research, section 2).
BATCH_COUNT = 64

# Numbers reserved at a time: one durable commit in 64 records; at most 64 numbers lost a restart.
RESERVE_COUNT = 64

# Reserved up to here is an epoch that was this device's before its home was copied, and in which
# the other one may go on.
SHARED = 1 << 61

# What a record needs beside its statements: header, ids, keys and signature come to under 300.
_OVERHEAD_BYTES = 512
_STATEMENT_BYTES = 48  # the most that a statement needs beside its item id


class Authorship:
    """The local identities and their sequences.

    Args:
        signers: the local identities.
        network: network id.
        limits: wire limits.
        seed: keys what only this run begins; no other device has it.
    """

    __slots__ = ("_limits", "_network", "_pens", "_seed")

    def __init__(
        self, signers: tuple[Signer, ...], network: str, limits: Limits, seed: bytes = b""
    ) -> None:
        self._network = network
        self._limits = limits
        self._seed = seed
        self._pens: dict[bytes, Pen] = {}
        for signer in signers:
            self.add(signer)

    def __contains__(self, author: bytes) -> bool:
        return author in self._pens

    @property
    def authors(self) -> tuple[bytes, ...]:
        """Ids of the local identities, in the order in which they were added."""
        return tuple(self._pens)

    def add(self, signer: Signer) -> None:
        """Add a local identity; adding it again changes nothing."""
        # Not one lane for all of a device, or it would tell who uses it together.
        lane = int.from_bytes(sha256(self._seed + signer.id).digest()) % EPOCH_LANES
        self._pens.setdefault(signer.id, Pen(signer, lane))

    def resume(self, author: bytes, epoch: int, until: int) -> None:
        """Go on above the numbers that were reserved before a restart.

        Those of a key before the one in force say nothing of what this one has signed: another
        device may have rotated it, and its file was brought here.
        """
        pen = self._pens.get(author)
        if pen is None:
            return
        if until < SHARED:
            pen.own.add(epoch)
        if (epoch, until) >= (pen.epoch, pen.next_seq):
            pen.epoch, pen.next_seq, pen.reserved = epoch, until, until
            pen.is_resumed = True

    def start_epochs(self, wall_ms: int, *, everybody: bool = True) -> list[Effect]:
        """Begin new epochs for identities that may have signed something elsewhere.

        Args:
            wall_ms: wall clock.
            everybody: also for those that were resumed.

        Returns:
            What commits it for everybody, as a copy is one no longer then. Who was not resumed
            begins another one at each start, until something is signed: a start needs no disk.
        """
        done: list[Effect] = []
        for author, pen in self._pens.items():
            if everybody or not pen.is_resumed:
                pen.turn_to(pen.fresh_epoch(wall_ms))
            if everybody:
                done += [ReserveSequence(author, epoch, SHARED) for epoch in sorted(pen.own)]
                done.append(ReserveSequence(author, pen.epoch, 1))
                pen.own.clear()
        return done

    def witness(self, record: Record, *, said_here: bool = False) -> None:
        """Note a record of one of ours that is in the window, from the store or from others.

        Numbers go on above it where it is of our epoch. A later epoch is another device's, and left
        to it: were both to write there, two that have not heard each other would take one number.
        """
        pen = self._pens.get(record.author)
        if pen is None:
            return
        if said_here:
            pen.retractions.add(record)
        if record.endorsements:
            pen.overtake({each.subject for each in record.endorsements})
            pen.vouching[record.id] = record
        if record.slot < (pen.epoch, pen.next_seq - 1):
            if record.epoch == pen.epoch and record.seq > pen.prev_seq:
                pen.prev, pen.prev_seq = record.id, record.seq
            return
        if record.epoch > MAX_EPOCH - EPOCHS_LEFT or record.seq > MAX_INT64 - NUMBERS_LEFT:
            return
        if record.epoch > pen.epoch:
            pen.beyond = max(pen.beyond, record.slot)
            return
        pen.next_seq = record.seq + 1
        pen.prev, pen.prev_seq = record.id, record.seq

    def note_refused(self, record: Record, why: RejectReason) -> bool:
        """Note that the window refused what was said here, as another device's is dated later.

        Returns:
            Whether it is to be said again, and must not be lost until then.
        """
        pen = self._pens.get(record.author)
        if pen is None:
            return False
        pen.retractions.add(record)
        is_pushed_out = why is RejectReason.AUTHOR_QUOTA
        limits = self._limits
        return pen.retractions.let_go(record.id, record.created_ms, is_pushed_out, limits)

    def let_go(self, gone: Gone, why: EvictReason) -> bool:
        """Note that a record left the window.

        What it says of others is said again where it had to make room for others, or a busy crowd
        would end its author's friendships; and where it was over its author's quota: before one
        device says anything, what will leave for it is said again (`tastemesh.node.vouching`), but
        another device may not have heard of it. Only by the one that said it, or they would push
        out each other's copies; what others withdrew counts until then, or it would stand again.

        Args:
            gone: held until now.
            why: it left.

        Returns:
            Whether it takes something back and is to be said again.
        """
        pen = self._pens.get(gone.author)
        if pen is None:
            return False
        is_pushed_out = why is EvictReason.AUTHOR_QUOTA
        limits = self._limits
        again = pen.retractions.let_go(gone.record_id, gone.created_ms, is_pushed_out, limits)
        self._stop_vouching(pen, gone, why)
        return again

    def _stop_vouching(self, pen: Pen, gone: Gone, why: EvictReason) -> None:
        if gone.record_id not in pen.vouching or why is EvictReason.WINDOW:
            return
        if why is EvictReason.AUTHOR_QUOTA:
            pen.crowded.add(gone.record_id)
        else:
            del pen.vouching[gone.record_id]

    def renewals(
        self, before_ms: int, after_ms: int, date_ms: Callable[[bytes], int | None]
    ) -> list[tuple[bytes, tuple[Endorsement, ...]]]:
        """Return, by author, the endorsements of ours that are to be said again now.

        Args:
            before_ms: what was last said before this date is old.
            after_ms: what is dated after this, by a clock that was ahead, others refuse.
            date_ms: of a record, as the window has it; None where it is not held.
        """
        due = (
            (author, renewals(pen, before_ms, after_ms, date_ms, self._limits))
            for author, pen in self._pens.items()
        )
        return [each for each in due if each[1] and self._may_renew(*each)]

    def note_rotated(self, lineage: Lineage) -> None:
        """Note the rotations that count for an author from now on, if it is one of ours."""
        pen = self._pens.get(lineage.author)
        if pen is not None:
            pen.known = lineage

    def check_key(self, author: bytes, *, rotates: bool = False) -> None:
        """Check that what an identity of ours would say next counts, as far as is known here.

        Args:
            author: a local identity.
            rotates: check that its next key could be put in force.

        Raises:
            UsageError: its keys were rotated on another device.
        """
        pen = self._pens[author]
        if pen.is_outdated if rotates else not pen.may_go_on:
            raise _outdated(author)

    def _may_renew(self, author: bytes, again: tuple[Endorsement, ...]) -> bool:
        """Tell whether this device may say something again, or one that has rotated the key."""
        pen = self._pens[author]
        if pen.is_outdated and pen.overrules(again):  # in a new epoch, above what is left to it
            return False
        return pen.may_go_on

    @property
    def losing(self) -> tuple[bytes, ...]:
        """Ids of the local identities that can say again which forgets other devices pushed out."""
        return tuple(
            author for author, pen in self._pens.items() if pen.retractions.lost and pen.may_go_on
        )

    def lost_forgets(self, author: bytes) -> tuple[Forget, ...]:
        """Return what an identity of ours took back here, where its other devices pushed that out.

        Others' forgets may be in force that cover some of it.
        """
        return self._pens[author].retractions.still_lost()

    def give_up(self, before_ms: int) -> tuple[bytes, ...]:
        """Return the ids of records that the store need not keep any more to have them said again.

        Args:
            before_ms: what was taken back before this date is older than every window.
        """
        found: list[bytes] = []
        for pen in self._pens.values():
            pen.retractions.give_up(before_ms)
            found += pen.retractions.over
            pen.retractions.over.clear()
        return tuple(found)

    def rejoining(self, author: bytes, now_ms: int) -> int | None:
        """Begin a turn of saying what is lost again; see `Retractions.turn`."""
        return self._pens[author].retractions.turn(self._limits.author_notice_count, now_ms)

    def epochs(self, author: bytes) -> frozenset[int]:
        """Return those in which an identity of ours wrote on this device, and on no other."""
        pen = self._pens[author]
        return frozenset((*pen.own, pen.epoch))

    def rotate(self, signer: Signer) -> Rotation:
        """Put an identity's next key in force; return what announces it.

        It begins in the next epoch of this device's behind the cut and all that it has written in,
        wherever the older keys have come to: what they signed there, a thief may have, and is void.
        Not in one of another device's: that would take its older numbers there for the new key's,
        once it has the file. Nor in one of its own again: what another device has taken back there,
        where the cut leaves that in force, would take back what the new key says.

        Raises:
            UsageError: the identity is not local, the signer has no newer key, its cut leaves no
                epoch, or another device has rotated it; nothing has changed then.
        """
        pen = self._pens.get(signer.id)
        if pen is None:
            raise UsageError(f"{format_id(signer.id)} is not an identity of this node")
        known = len(pen.signer.lineage.steps) if pen.signer.lineage else 0
        if signer.lineage is None or len(signer.lineage.steps) <= known:
            raise UsageError("the signer has no newer key than the one in force")
        self.check_key(signer.id, rotates=True)
        steps = signer.lineage.steps
        if steps[-1].cut_epoch >= MAX_EPOCH:
            raise UsageError(f"cut {steps[-1].cut}; expected an epoch below {MAX_EPOCH}")
        pen.signer = signer
        pen.turn_to(pen.epoch_from(max(steps[-1].cut_epoch, pen.epoch) + 1))
        # What has left for others has nobody take it out once it is void: it would be said again.
        holds = signer.lineage.holds
        pen.vouching = {i: r for i, r in pen.vouching.items() if holds(r.lineage, r.slot)}
        pen.retractions.give_up(MAX_INT64)  # what still counts of it is said with the rotation
        return Rotation(len(steps))

    def sign_again(self, opened: Opened, author: bytes, slot: tuple[int, int]) -> bytes | None:
        """Return a record of ours as we sign it now, or None where a newer key is in force.

        Args:
            opened: its envelope; the body must be what it was.
            author: who must have said it.
            slot: (epoch, seq) of it.
        """
        pen = self._pens.get(author)
        if pen is None:
            return None
        lineage = pen.signer.lineage
        if lineage is not None and not lineage.holds(lineage, slot):
            return None
        return sign_again(opened, pen.signer)

    def lineage(self, author: bytes) -> Lineage | None:
        """Return the rotations of an identity of ours so far, or None."""
        return self._pens[author].signer.lineage

    def last_slot(self, author: bytes) -> tuple[int, int]:
        """Return the last slot (epoch, seq) that an identity of ours may have signed."""
        pen = self._pens[author]
        return max((pen.epoch, max(pen.next_seq, pen.reserved) - 1), pen.beyond)

    def write(
        self, author: bytes, statements: tuple[Said, ...], wall_ms: int
    ) -> tuple[list[Effect], list[Record]]:
        """Sign statements in as few records as the limits allow, each kind apart.

        Endorsements and notices get records of their own, so that a busy listener's quota of
        interactions does not push out whom he vouches for and what he took back.

        Of two endorsements the one in the higher slot counts. So where another device writes in a
        later epoch, what says something else than was said last begins a new one.

        Returns:
            The reservations to commit first, and the records.

        Raises:
            UsageError: the author is not local, there is no statement, one breaks a limit, or
                another device has rotated his keys; nothing is signed then.
        """
        pen = self._pens.get(author)
        if pen is None:
            raise UsageError(f"{format_id(author)} is not an identity of this node")
        if not statements:
            raise UsageError("nothing to record: expected at least one statement")
        batches = [
            *self._batches([s for s in statements if isinstance(s, Forget | Rotation)]),
            *self._batches([s for s in statements if isinstance(s, Endorsement)]),
            *self._batches([s for s in statements if isinstance(s, Interaction)]),
        ]
        records: list[Record] = []
        epoch, seq, prev = pen.epoch, pen.next_seq, pen.prev
        if pen.overrules(statements):
            epoch, seq, prev = pen.fresh_epoch(wall_ms), 1, b""
        if not pen.may_sign((epoch, seq + len(batches) - 1)):
            raise _outdated(author)
        for batch in batches:
            records.append(
                sign_record(
                    pen.signer, self._network, epoch, seq, prev, wall_ms, batch, self._limits
                )
            )
            seq, prev = seq + 1, records[-1].id
        effects: list[Effect] = []
        if epoch != pen.epoch:
            pen.turn_to(epoch)
        if seq > pen.reserved:
            pen.reserved = seq - 1 + RESERVE_COUNT
            effects.append(ReserveSequence(author, pen.epoch, pen.reserved))
            pen.own.add(pen.epoch)
        pen.next_seq, pen.prev, pen.prev_seq = seq, prev, seq - 1
        return effects, records

    def _batches(self, statements: Sequence[Said]) -> list[tuple[Said, ...]]:
        room_bytes = (
            self._limits.record_bytes
            - _OVERHEAD_BYTES
            - ROTATION_BYTES * self._limits.rotation_count
        )
        count = min(BATCH_COUNT, self._limits.statement_count)
        batches: list[tuple[Said, ...]] = []
        batch: list[Said] = []
        size = 0
        for statement in statements:
            cost = _STATEMENT_BYTES
            if isinstance(statement, Interaction):
                cost += len(statement.item.encode(errors="replace")) + len(statement.kind)
            if batch and (len(batch) >= count or size + cost > room_bytes):
                batches.append(tuple(batch))
                batch, size = [], 0
            batch.append(statement)
            size += cost
        if batch:
            batches.append(tuple(batch))
        return batches


def _outdated(author: bytes) -> UsageError:
    return UsageError(
        f"the keys of {format_id(author)} were rotated on another device, and what this one signs "
        "counts no more; expected that device's key file in this home"
    )

"""What this node holds: authenticated records on their way into the window, and out of it.

Everything that follows from a record's coming or going happens here, in one order: the lineage that
it carries and what that voids, the slot that it takes, the tombstones that it brings, the records
that leave for it. So does everything that follows from two records in one slot.

What reconciliation brings and is refused for something that is held against its author or his key
is passed over for an hour. Not for longer, as that may change, and as who has a key that was
rotated out can sign somebody's newest record, whose id is that of its body, before we have it.
"""

from collections import Counter

from tastemesh.errors import RemoteProtocolError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.disputes import Disputes
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.envelope import Opened
from tastemesh.gossip.horizon import Horizon
from tastemesh.gossip.intake import Intake
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.lineage import Lineage, StoredLineage
from tastemesh.gossip.proofs import encode_proof, open_proof
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Forget, Record
from tastemesh.gossip.sync import Sync
from tastemesh.gossip.tombstones import covering
from tastemesh.gossip.topics import control_topic, shard_of
from tastemesh.gossip.window import Gone, Window

# How long what is held against an author's records stands unquestioned. Two nodes that will not
# agree about an author send each other all that he said once in that time, 27 MB at the most if he
# is many: strangers' fifth of the window. Guess.
_REVIEW_PERIOD_MS = 60 * 60 * 1000


class Rejections(Counter[str]):
    """What was refused, counted by reason."""

    def refuse(self, reason: str, author: bytes = b"", detail: str = "") -> Effect:
        """Count a refusal and return the report of it.

        Args:
            reason: a `RejectReason`.
            author: whom the refused thing names, unverified; empty where nobody.
            detail: what was wrong and what was expected.
        """
        self[reason] += 1
        return effects.Misbehaved(RejectReason(reason), author, detail)


class Admission:
    """The one way into the window.

    Args:
        network: network id.
        limits: wire and local limits.
        authorship: the local identities.
        intake: lineages, tombstones and proofs.
        sync: the set that is reconciled; kept equal to the window.
        reader: decodes what was stored.
        rejected: where refusals are counted.
        seed: keys the delays before a proof is told.
    """

    __slots__ = (
        "_authorship", "_disputes", "_doubted", "_horizon", "_intake", "_limits", "_network",
        "_reader", "_rejected", "_review_at_ms", "_sync", "reached", "window",
    )  # fmt: skip

    def __init__(
        self,
        network: str,
        limits: Limits,
        authorship: Authorship,
        intake: Intake,
        sync: Sync,
        reader: Reader,
        rejected: Rejections,
        seed: bytes,
    ) -> None:
        self.window = Window(limits)
        self.reached: set[bytes] = set()
        """Whom the trust of a local identity reaches."""
        self._network = network
        self._limits = limits
        self._authorship = authorship
        self._intake = intake
        self._sync = sync
        self._reader = reader
        self._rejected = rejected
        self._disputes = Disputes(seed, limits.relay_spread_ms)
        self._horizon = Horizon(limits.window_age_ms)
        # Authors of records that are passed over until the next review; one for each that is passed
        # over at most.
        self._doubted: set[bytes] = set()
        self._review_at_ms: int | None = None

    def restore(self, stored: inputs.Stored) -> list[Effect]:
        """Take back a record that was authenticated when it came.

        One that is not what was stored goes, too: the network has it, and cannot bring it while
        its id is taken.
        """
        opened = self._reader.open(stored.envelope)
        if opened.record_id != stored.record_id:
            return self._discard(stored.record_id, "its bytes have changed on the disk")
        try:
            record = self._reader.parse_known(opened)
        except RemoteProtocolError as error:
            return self._discard(stored.record_id, error.detail)
        author, own = record.author, record.author in self._authorship
        # Whom trust reaches is not known yet: nobody's stored rotations go for others'.
        done = self._learn(record) if self._intake.lineages.has_room(author) else []
        if author in self._intake.proofs and not own:
            return [*done, effects.Evict((record.id,), EvictReason.CONVICTED)]
        if not self._intake.lineages.holds(author, record.lineage, record.slot):
            return [*done, effects.Evict((record.id,), EvictReason.REVOKED)]
        if own and not record.notices and self._intake.tombstones.cover(author, *record.slot):
            # It came back while the forget of it was set aside, for which there is room now.
            return [*done, effects.Evict((record.id,), EvictReason.FORGOTTEN)]
        refusal, freed = self._place(record, stored.first_seen_ms, stored.said_here)
        if refusal is not None:
            if stored.said_here and self._authorship.note_refused(record, refusal):
                return done  # it waits there to be said again
            return [*done, effects.Evict((record.id,), EvictReason.WINDOW)]  # tighter limits
        return [*done, effects.Accepted(record, stored.first_seen_ms, own), *freed]

    def _discard(self, record_id: bytes, detail: str) -> list[Effect]:
        said = f"stored record {record_id.hex()}: {detail}"
        return [
            self._rejected.refuse(RejectReason.DAMAGED, detail=said),
            effects.Evict((record_id,), EvictReason.DAMAGED),
        ]

    def inspect(self, event: inputs.Inspected, now_ms: int) -> list[Effect]:
        """Look at stored records again, signatures included; let go of those that have changed.

        What we said ourselves is signed again where only the signature has changed: nobody else may
        have it. Others' records come back from the network.
        """
        return [effect for stored in event.records for effect in self._look_at(stored)]

    def _look_at(self, stored: inputs.Stored) -> list[Effect]:
        opened = self._reader.open(stored.envelope)
        is_same = opened.record_id == stored.record_id
        record, detail = None, "its bytes have changed on the disk"
        try:
            record = self._reader.parse(opened)
            if is_same:
                self._intake.lineages.check(record.author, record.lineage, record.slot)
                self._reader.authenticate(record, opened)
                return []
        except RemoteProtocolError as error:
            if error.reason is RejectReason.REVOKED_KEY and stored.record_id not in self.window:
                return [effects.Evict((stored.record_id,), EvictReason.REVOKED)]  # on its way out
            detail = error.detail
        done = self._discard(stored.record_id, detail)
        if record is not None and is_same and stored.record_id in self.window:
            envelope = self._authorship.sign_again(opened, record.author, record.slot)
            if envelope is not None:
                again = self._reader.parse(self._reader.open(envelope))
                done.append(effects.Persist(again, stored.first_seen_ms, True))
                done.append(effects.Accepted(again, stored.first_seen_ms, True))
                return done
        for record_id in (stored.record_id, opened.record_id):
            gone = self.window.drop(record_id)
            if gone is not None:
                done.extend(self._leave([(gone, EvictReason.DAMAGED)]))
        return done

    def restore_lineage(self, stored: StoredLineage) -> list[Effect]:
        """Take back an author's rotations, which were verified when they came."""
        lineage = stored.opened()
        if lineage is None:
            said = f"the stored rotations of {stored.author.hex()} have changed on the disk"
            refusal = self._rejected.refuse(RejectReason.DAMAGED, detail=said)
            return [refusal, effects.DropLineage(stored.author)]
        let_off = self._intake.lineages.learn(stored.author, lineage, self.reached)
        self._authorship.note_rotated(lineage)
        return [effects.DropLineage(let_off)] if let_off else []

    def restore_proof(self, proof: bytes) -> list[Effect]:
        """Take back a proof that was verified when it came, and the lineages in it."""
        try:
            pair = open_proof(proof, self._network, self._limits)
        except RemoteProtocolError as error:
            return [self._rejected.refuse(error.reason, detail=f"stored proof: {error.detail}")]
        learnt = [effect for record in pair for effect in self._learn(record)]
        author = pair[0].author
        self._intake.proofs.add(author, proof, self.reached)
        return [*learnt, effects.Convicted(author, author in self._authorship)]

    def take(
        self, record: Record, opened: Opened, shard: int | None, event: inputs.Received, now_ms: int
    ) -> list[Effect]:
        """Pass a record through the checks, and into the window.

        Args:
            record: as `Intake.read` returned it; not held, nor passed over.
            opened: what it was read from.
            shard: of the topic that it was pushed to, None where reconciliation brought it.
            event: what it came in.
            now_ms: monotonic time.

        Raises:
            RemoteProtocolError: with the reason; nothing follows from the record then.
        """
        author = record.author
        own, reached = author in self._authorship, author in self.reached
        objection = self._intake.admit(
            record, opened, shard, event.broker, now_ms, own=own, reached=reached
        )
        if objection is not None:
            self._overrule(record)
            raise objection
        if record.lineage is None:
            return self.admit(record, event.wall_ms)
        learnt = self._learn(record)
        objection = self._intake.objection(record)
        if objection is not None:  # what its lineage does not void
            if shard is None:
                self._overrule(record)
            return [*learnt, self._rejected.refuse(objection.reason, detail=objection.detail)]
        return [*learnt, *self.admit(record, event.wall_ms)]

    def _overrule(self, record: Record) -> None:
        """Pass an authentic record over until the next review."""
        self._sync.pass_over(record)
        self._doubt(record.author)

    def _reopen(self, author: bytes) -> None:
        """Have room that an author made be filled, with what was passed over from the next review.

        Others have what he took back together with what had left here for it.
        """
        if self.window.reopen(author):
            self._doubt(author)

    def _doubt(self, author: bytes) -> None:
        self._doubted.add(author)
        if len(self._doubted) > self._limits.passed_count:
            self._review()

    def _review(self) -> None:
        self._sync.want_again(frozenset(self._doubted))
        self._doubted.clear()
        self._review_at_ms = None

    def admit(self, record: Record, first_seen_ms: int, *, said_here: bool = False) -> list[Effect]:
        """Take an authenticated record into the window, if there is room for it.

        Args:
            record: not held; its signature fits.
            first_seen_ms: wall clock.
            said_here: whether a user of this node said it on this node.
        """
        learnt = self._learn(record)
        refusal, freed = self._place(record, first_seen_ms, said_here)
        if refusal is RejectReason.EQUIVOCATION:
            detail = "a number is taken"
            return [*learnt, self._rejected.refuse(refusal, record.author, detail), *freed]
        if refusal is not None:
            if said_here and self._authorship.note_refused(record, refusal):
                learnt.append(effects.Persist(record, first_seen_ms, said_here))
            self._sync.pass_over(record)
            return [*learnt, self._rejected.refuse(refusal, record.author, "not kept")]
        own = record.author in self._authorship
        return [
            *learnt,  # first: of two endorsements the one in the higher slot counts
            effects.Persist(record, first_seen_ms, said_here),
            effects.Accepted(record, first_seen_ms, own),
            *freed,
        ]

    def age_ms(self, record_id: bytes, wall_ms: int) -> int | None:
        """Return how old a record is that is held or passed over, or None where it is neither."""
        date_ms = self.window.date_ms(record_id)
        if date_ms is None:
            date_ms = self._sync.passed_ms(record_id)
        return None if date_ms is None else wall_ms - date_ms

    def note_time(self, wall_ms: int) -> None:
        """Offer nobody what is older than the window, and forget having passed it over."""
        self._sync.leave_out(wall_ms - self._limits.window_age_ms)

    def expire(self, now_ms: int, wall_ms: int) -> list[Effect]:
        """Let go of what is older than the window, no faster than time can have passed."""
        self.note_time(wall_ms)
        if self._doubted and self._review_at_ms is None:
            self._review_at_ms = now_ms + _REVIEW_PERIOD_MS
        if self._review_at_ms is not None and now_ms >= self._review_at_ms:
            self._review()
        horizon_ms = self._horizon.advance(now_ms, wall_ms, self.window.oldest_ms)
        aged = self.window.expire(horizon_ms, wall_ms)
        done = self._leave([(gone, EvictReason.AGE) for gone in aged])
        over = self._authorship.give_up(horizon_ms)
        over = tuple(each for each in over if each not in self.window)  # somebody brought it again
        return [*done, effects.Evict(over, EvictReason.AUTHOR_QUOTA)] if over else done

    def _place(
        self, record: Record, first_seen_ms: int, said_here: bool
    ) -> tuple[RejectReason | None, list[Effect]]:
        """Put a record into the window and all that follows it, or say why not.

        Returns:
            (None, what leaves for it) or (why it is refused, what to do about that).
        """
        author = record.author
        occupant = self.window.occupant(author, record.epoch, record.seq)
        if occupant is not None:
            self._disputes.open(record)
            topic = control_topic(self._network, shard_of(author))
            return RejectReason.EQUIVOCATION, [effects.Fetch((occupant,), topic)]
        taken_back: dict[bytes, None] = {}
        if record.notices:  # few records have any
            unwanted = covering(said for said in record.notices if isinstance(said, Forget))
            taken_back = dict.fromkeys(self.window.covered(author, unwanted, notices=False))
        refusal, left = self.window.add(record, first_seen_ms)
        if refusal is not None:
            return refusal, []
        self._sync.add(record)
        if record.notices:
            self._intake.tombstones.add(record)
            self._reopen(author)
        if taken_back:  # what has just left for the forget was taken back all the same
            left = [
                (gone, EvictReason.FORGOTTEN if gone.record_id in taken_back else why)
                for gone, why in left
            ]
            dropped = [self.window.drop(each) for each in taken_back]
            left.extend((gone, EvictReason.FORGOTTEN) for gone in dropped if gone is not None)
        self._authorship.witness(record, said_here=said_here)
        return None, self._leave(left)

    def _learn(self, record: Record) -> list[Effect]:
        """Take in the lineage of an authentic record: what it voids leaves, a proof included."""
        author, lineage, lineages = record.author, record.lineage, self._intake.lineages
        if lineage is None or not lineages.is_news(author, lineage):
            return []
        before = lineages.known(author) or Lineage(lineage.key, lineage.next_digest, ())
        let_off = lineages.learn(author, lineage, self.reached)
        self._authorship.note_rotated(lineage)
        done: list[Effect] = [effects.PersistLineage(StoredLineage.of(lineage), let_off)]
        voided = self.window.take_out(
            author, lambda *slot: lineage.owner(slot) != before.owner(slot), notices=True
        )
        done.extend(self._leave([(gone, EvictReason.REVOKED) for gone in voided]))
        self._doubt(author)  # all that he had here may have gone, and with it what it had left out
        proof = self._intake.proofs.proof(author)
        if proof is not None and self._intake.is_outdated(proof):
            self._intake.proofs.drop(author)
            done.append(effects.DropProof(author))
        return done

    def _leave(self, left: list[tuple[Gone, EvictReason]]) -> list[Effect]:
        """Forget records that the window let go, and order their deletion, grouped by reason."""
        if not left:
            return []
        done: list[Effect] = []
        for reason in EvictReason:
            together = [gone for gone, why in left if why is reason]
            if not together:
                continue
            crowded_out = reason in (EvictReason.AUTHOR_QUOTA, EvictReason.WINDOW)
            others: list[bytes] = []
            aside: list[bytes] = []
            for gone in together:
                self._sync.remove(gone, pass_over=crowded_out)
                self._intake.tombstones.remove(gone.author, gone.record_id)
                is_again = self._authorship.let_go(gone, reason)
                (aside if is_again else others).append(gone.record_id)
            for ids, why in ((others, reason), (aside, EvictReason.SET_ASIDE)):
                if ids:
                    done.append(effects.Evict(tuple(ids), why))
        return done

    # --- equivocation ----------------------------------------------------------------------

    def settle(self, envelopes: tuple[bytes, ...], now_ms: int) -> list[Effect]:
        """Prove what these records, fetched from the store, are disputed for."""
        done: list[Effect] = []
        for envelope in envelopes:
            try:
                opened = self._reader.open(envelope)
                first = self._reader.parse(opened)
                self._reader.authenticate(first, opened)  # or nobody would believe the proof
                self._intake.lineages.verify(first.author, first.lineage)
            except RemoteProtocolError as error:  # `inspect` will come upon it, too
                said = f"a disputed stored record: {error.detail}"
                done.append(self._rejected.refuse(RejectReason.DAMAGED, detail=said))
                continue
            second = self._disputes.close(first)
            if second is None or first.author in self._intake.proofs:
                continue
            if self._intake.proves(first, second):  # no rotation has come in between
                done.extend(self._convict(first.author, encode_proof(first, second)))
                if first.author not in self._authorship:
                    self._disputes.tell_later(first.author, now_ms)
        return done

    def hear_proof(self, proof: bytes, now_ms: int, *, to_all: bool) -> list[Effect]:
        """Take a proof that somebody sent.

        Args:
            proof: as received.
            now_ms: monotonic time.
            to_all: whether all who read its author's shard were told, and need not be again.

        Raises:
            RemoteProtocolError: it proves nothing, or nothing new.
        """
        author = self._intake.proofs.author_of(proof)
        if author is not None:  # the very proof that we hold
            if to_all:
                self._disputes.told(author)
            return []
        untold = self._disputes if to_all else ()
        pair = self._intake.verify_proof(proof, now_ms, untold)
        learnt = [effect for record in pair for effect in self._learn(record)]
        author = pair[0].author
        if to_all:
            self._disputes.told(author)
        if author in self._intake.proofs:  # for something else, which their lineage does not void
            return learnt
        return [*learnt, *self._convict(author, proof)]

    def tell_proofs(self, now_ms: int) -> list[Effect]:
        """Send the proofs whose time has come to whoever reads their authors' shards."""
        told: list[Effect] = []
        for author in self._disputes.due(now_ms):
            proof = self._intake.proofs.proof(author)
            if proof is not None:
                told.append(effects.Send(control_topic(self._network, shard_of(author)), proof))
        return told

    def _convict(self, author: bytes, proof: bytes) -> list[Effect]:
        """Keep a verified proof; its author counts for nothing from now on.

        Our own identity's records stay with us: nobody else counts them any more.
        """
        own = author in self._authorship
        let_off = self._intake.proofs.add(author, proof, self.reached)
        theirs = [] if own else self.window.take_out_all(author)
        return [
            effects.PersistProof(author, proof, let_off or b""),
            effects.Convicted(author, own),
            *self._leave([(gone, EvictReason.CONVICTED) for gone in theirs]),
        ]

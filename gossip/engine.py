"""The protocol of one node as a pure state machine: `handle(input, now_ms) -> list[Effect]`.

A received record passes, cheapest check first::

    size -> bundle -> envelope -> known already? -> the checks of `tastemesh.gossip.intake`
    -> slot (author, epoch, seq) free? -> window
    -> Persist, Accepted

Whatever fails is counted by reason and reported as `Misbehaved`; no bytes from outside raise.
State keyed by remote data: the window, the peers, rates, sightings, lineages, proofs, and what was
passed over; each has its bound in `Limits`.
"""

from collections import Counter
from collections.abc import Callable

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.brokers import RELAY_TIMER, Brokers
from tastemesh.gossip.disputes import Disputes
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.intake import Intake
from tastemesh.gossip.interest import Interest
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.proofs import ConvictedError, encode_proof, open_proof
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Interaction, Record, Said
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.sync import Sync
from tastemesh.gossip.topics import (
    channel_of,
    check_network,
    control_topic,
    inbox_topic,
    presence_topic,
    records_topic,
    shard_in,
    shard_of,
    shard_topics,
)
from tastemesh.gossip.window import Window

EXPIRE_PERIOD_MS = 60_000  # records leave at most a minute after their age; a scan is O(leaving)

# How soon a node answers a newcomer's presence with its own, and syncs with its first peer: spread
# over this time by the node's id, so that a crowd does not answer at once.
GREETING_MS = 1_000

# Presence messages remembered, so that what comes through several brokers is checked once.
_GREETING_COUNT = 512

# Endorsements are said again at two thirds of the window's age: ten days are left, at the default,
# in which to be online.
_RENEWAL_SHARE = 2 / 3


class GossipEngine:
    """One node's protocol.

    Args:
        node: the node's own key, which signs presence and names the inbox.
        signers: the local identities.
        network: network id.
        limits: wire and local limits.
        seed: keys this node's random choices; same seed, same inputs: same effects.
        reader: decodes and checks signatures; a plain one where None.

    Raises:
        UsageError: the network id cannot stand in a topic.
    """

    def __init__(
        self,
        node: Signer,
        signers: tuple[Signer, ...],
        network: str,
        limits: Limits,
        seed: bytes,
        reader: Reader | None = None,
    ) -> None:
        self.network = check_network(network)
        self._reader = reader or Reader(network, limits)
        self.limits = limits
        self.node = node
        self.authorship = Authorship(signers, network, limits)
        self.window = Window(limits)
        self.peers = Peers(limits, seed + b"peers")
        self.brokers = Brokers(network, limits, seed + b"brokers")
        self.interest = Interest(limits.inbound_bytes_per_s, seed + b"interest")
        self.intake = Intake(network, limits, self._reader)
        self.rejected: Counter[str] = Counter()
        self._presence_interest = Interest(limits.presence_bytes_per_s, seed + b"presence")
        self._disputes = Disputes(seed + b"disputes", limits.relay_spread_ms)
        self._sync = Sync(node.id, network, limits, self.peers, seed + b"sync")
        self._reached: frozenset[bytes] = frozenset()
        self._convinced: dict[bytes, None] = {}
        self._greetings: dict[bytes, None] = {}
        self._greeting_set = False
        self._handlers: dict[type, Callable[..., list[Effect]]] = {
            inputs.Restored: self._on_restored,
            inputs.Started: self._on_started,
            inputs.Recorded: self._on_recorded,
            inputs.ForgotPrivate: self._on_forgot_private,
            inputs.Rotated: self._on_rotated,
            inputs.Received: self._on_received,
            inputs.TimerFired: self._on_timer_fired,
            inputs.BrokerUp: self._on_broker_up,
            inputs.BrokerDown: self._on_broker_down,
            inputs.Dropped: self._on_dropped,
            inputs.Fetched: self._on_fetched,
            inputs.TrustChanged: self._on_trust_changed,
        }
        self._timers: dict[str, Callable[[int, int], list[Effect]]] = {
            "presence": self._announce,
            "greeting": self._greet,
            "sync": self._exchange,
            "expire": self._expire,
            "interest": self._choose_shards,
            RELAY_TIMER: self._relay,
        }

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        """Take one input and return what is to be done, in order.

        Args:
            event: any member of `tastemesh.gossip.inputs`.
            now_ms: monotonic clock, milliseconds, never falling.

        Raises:
            UsageError: a local caller's value is wrong (`Recorded`, `ForgotPrivate` and `Rotated`
                only); the state is unchanged.
        """
        return self._handlers[type(event)](event, now_ms)

    # --- the node's own life ---------------------------------------------------------------

    def _on_restored(self, event: inputs.Restored, now_ms: int) -> list[Effect]:
        for author, epoch, until in event.sequences:
            self.authorship.resume(author, epoch, until)
        done: list[Effect] = []
        for proof in event.proofs:
            done.extend(self._restore_proof(proof))
        for stored in event.records:
            done.extend(self._restore(stored, event.wall_ms))
        done.extend(
            effects.AcceptedPrivate(author, interaction, wall_ms)
            for author, interaction, wall_ms in event.private
        )
        return done

    def _restore(self, stored: inputs.Stored, wall_ms: int) -> list[Effect]:
        """Take back a record that was authenticated when it came; let go of one that aged."""
        try:
            record = self._reader.parse(stored.envelope)
        except RemoteProtocolError as error:
            return [self._reject(error.reason, detail=f"stored record: {error.detail}")]
        if record.created_ms < wall_ms - self.limits.window_age_ms:
            return [effects.Evict((record.id,), EvictReason.AGE)]
        own = record.author in self.authorship
        if record.author in self.intake.proofs and not own:
            return [effects.Evict((record.id,), EvictReason.CONVICTED)]
        refusal, freed = self._place(record, stored.first_seen_ms)
        if refusal is not None:  # the limits have become tighter
            return [effects.Evict((record.id,), EvictReason.WINDOW)]
        return [effects.Accepted(record, stored.first_seen_ms, own), *freed]

    def _restore_proof(self, proof: bytes) -> list[Effect]:
        """Take back a proof that was verified when it came."""
        try:
            first, _ = open_proof(proof, self.network, self.limits)
        except RemoteProtocolError as error:
            return [self._reject(error.reason, detail=f"stored proof: {error.detail}")]
        self.intake.proofs.add(first.author, proof, self._reached)
        return [effects.Convicted(first.author, first.author in self.authorship)]

    def _on_started(self, event: inputs.Started, now_ms: int) -> list[Effect]:
        limits = self.limits
        return [
            self._subscribe(),
            effects.SetTimer("presence", limits.presence_period_ms),
            effects.SetTimer("sync", limits.sync_period_ms),
            effects.SetTimer("expire", EXPIRE_PERIOD_MS),
            effects.SetTimer("interest", limits.interest_period_ms),
        ]

    def _subscribe(self) -> Effect:
        wanted = self.interest.mask
        return effects.Subscribe(
            (
                *shard_topics(self.network, "r", wanted),
                *shard_topics(self.network, "c", wanted),
                *shard_topics(self.network, "h", self._presence_interest.mask),
                inbox_topic(self.network, self.node.id),
            )
        )

    def _on_timer_fired(self, event: inputs.TimerFired, now_ms: int) -> list[Effect]:
        if event.timer not in self._timers:
            raise UsageError(f"timer {event.timer!r} was never set")
        return self._timers[event.timer](now_ms, event.wall_ms)

    def _announce(self, now_ms: int, wall_ms: int) -> list[Effect]:
        self.peers.forget_silent(now_ms)
        return [
            self._presence(wall_ms),
            effects.SetTimer("presence", self.limits.presence_period_ms),
        ]

    def _greet(self, now_ms: int, wall_ms: int) -> list[Effect]:
        self._greeting_set = False
        return [self._presence(wall_ms), *self._initiate(now_ms)]

    def _exchange(self, now_ms: int, wall_ms: int) -> list[Effect]:
        self._convinced.clear()
        return [
            *self._initiate(now_ms),
            effects.SetTimer("sync", self.limits.sync_period_ms),
        ]

    def _initiate(self, now_ms: int) -> list[Effect]:
        return self._sync.initiate(self.interest.mask, self.brokers.up, now_ms)

    def _expire(self, now_ms: int, wall_ms: int) -> list[Effect]:
        age_ms = self.limits.window_age_ms
        done = self._leave([(i, EvictReason.AGE) for i in self.window.expire(wall_ms)])
        self._sync.want_again(frozenset(), wall_ms - age_ms)
        for author, old in self.authorship.ageing(wall_ms - round(_RENEWAL_SHARE * age_ms)):
            done.extend(self._say(author, old, wall_ms))
        return [*done, effects.SetTimer("expire", EXPIRE_PERIOD_MS)]

    def _choose_shards(self, now_ms: int, wall_ms: int) -> list[Effect]:
        period_ms = self.limits.interest_period_ms
        changed = self.interest.refresh(period_ms, now_ms)
        changed |= self._presence_interest.refresh(period_ms, now_ms)
        again = effects.SetTimer("interest", period_ms)
        return [self._subscribe(), again] if changed else [again]

    def _relay(self, now_ms: int, wall_ms: int) -> list[Effect]:
        told: list[Effect] = []
        for author in self._disputes.due(now_ms):
            proof = self.intake.proofs.proof(author)
            if proof is not None:
                told.append(effects.Send(control_topic(self.network, shard_of(author)), proof))
        return [*told, *self.brokers.turn(self.interest, now_ms, wall_ms)]

    def _on_broker_up(self, event: inputs.BrokerUp, now_ms: int) -> list[Effect]:
        ticking = self.brokers.come_up(event.broker, now_ms, event.wall_ms)
        return [self._presence(event.wall_ms), *ticking]

    def _on_broker_down(self, event: inputs.BrokerDown, now_ms: int) -> list[Effect]:
        self.brokers.go_down(event.broker)
        return []

    def _on_dropped(self, event: inputs.Dropped, now_ms: int) -> list[Effect]:
        self.rejected["inbox-overflow"] += event.count
        return []

    def _on_trust_changed(self, event: inputs.TrustChanged, now_ms: int) -> list[Effect]:
        before, self._reached = self._reached, frozenset(event.reached)
        self.window.set_reached(event.reached)
        self.interest.set_contacts(Counter(shard_of(author) for author in event.reached))
        if self._reached - before:
            self._sync.want_again(self._reached - before, 0)
        return []

    def _presence(self, wall_ms: int) -> Effect:
        topic = presence_topic(self.network, shard_of(self.node.id))
        return effects.Send(
            topic, sign_presence(self.node, self.network, wall_ms, self.interest.mask)
        )

    # --- what we say -----------------------------------------------------------------------

    def _on_recorded(self, event: inputs.Recorded, now_ms: int) -> list[Effect]:
        if event.private:
            return self._keep_private(event)
        return self._say(event.author, event.statements, event.wall_ms)

    def _say(self, author: bytes, statements: tuple[Said, ...], wall_ms: int) -> list[Effect]:
        done, records = self.authorship.write(author, statements, wall_ms)
        for record in records:
            done.extend(self._admit(record, wall_ms))
        topic = records_topic(self.network, shard_of(author))
        envelopes = [record.envelope for record in records]
        done.extend(
            effects.Send(topic, bundle) for bundle in codec.pack_bundles(envelopes, self.limits)
        )
        return done

    def _on_rotated(self, event: inputs.Rotated, now_ms: int) -> list[Effect]:
        notice = self.authorship.rotate(event.signer)
        return self._say(event.signer.id, (notice,), event.wall_ms)

    def _on_forgot_private(self, event: inputs.ForgotPrivate, now_ms: int) -> list[Effect]:
        if event.author not in self.authorship:
            raise UsageError("forget: the author is not an identity of this node")
        return [effects.PurgePrivate(event.author, event.item)]

    def _keep_private(self, event: inputs.Recorded) -> list[Effect]:
        if event.author not in self.authorship:
            raise UsageError("private: the author is not an identity of this node")
        done: list[Effect] = []
        for statement in event.statements:
            if not isinstance(statement, Interaction):
                raise UsageError("private: only interactions can be private, not endorsements")
            try:
                codec.check_statement(statement, self.limits)
            except RemoteProtocolError as error:
                raise UsageError(error.detail) from None
        for statement in event.statements:
            assert isinstance(statement, Interaction)
            done.append(effects.PersistPrivate(event.author, statement, event.wall_ms))
            done.append(effects.AcceptedPrivate(event.author, statement, event.wall_ms))
        return done

    # --- what we hear ----------------------------------------------------------------------

    def _on_received(self, event: inputs.Received, now_ms: int) -> list[Effect]:
        channel = channel_of(event.topic, self.network)
        try:
            if channel == "n" and event.topic == inbox_topic(self.network, self.node.id):
                return self._take_inbox(event, now_ms)
            shard = shard_in(event.topic)
            if channel == "r" and shard >= 0:
                self.interest.hear(shard, len(event.payload))
                return self._take_bundle(event.payload, shard, event, now_ms)
            if channel == "h" and shard >= 0:
                self._presence_interest.hear(shard, len(event.payload))
                return self._hear_presence(event, now_ms)
            if channel == "c" and shard >= 0:
                return self._hear_proof(event.payload, now_ms)
        except RemoteProtocolError as error:
            return [self._reject(error.reason, detail=error.detail)]
        return [self._reject(RejectReason.UNEXPECTED_TOPIC, detail="not a topic of ours")]

    def _take_bundle(
        self,
        payload: bytes,
        shard: int | None,
        event: inputs.Received,
        now_ms: int,
        sender: bytes = b"",
    ) -> list[Effect]:
        """Take records that were pushed to a shard, or that reconciliation brought (None)."""
        done: list[Effect] = []
        for envelope, record_id in self._reader.unpack(payload):
            try:
                done.extend(self._take_envelope(envelope, record_id, shard, event, now_ms))
            except RemoteProtocolError as error:
                done.append(self._reject(error.reason, detail=error.detail))
                if isinstance(error, ConvictedError):
                    done.extend(self._convince(sender, error.author, event.broker))
        return done

    def _take_envelope(
        self,
        envelope: bytes,
        record_id: bytes,
        shard: int | None,
        event: inputs.Received,
        now_ms: int,
    ) -> list[Effect]:
        """Pass one record through the checks and into the window."""
        broker = "" if shard is None else event.broker
        if record_id in self.window or self._sync.has_passed(record_id):
            self.rejected[RejectReason.DUPLICATE] += 1
            if broker:
                self.brokers.note_again(record_id, broker, now_ms)
            return []
        record = self.intake.read(envelope, event.wall_ms)
        self.intake.admit(
            record,
            shard,
            now_ms,
            own=record.author in self.authorship,
            reached=record.author in self._reached,
        )
        done = self._admit(record, event.wall_ms)
        if record_id in self.window:
            self.brokers.note_new(record, broker, now_ms, len(self.peers))
        return done

    def _admit(self, record: Record, first_seen_ms: int) -> list[Effect]:
        """Take an authenticated record into the window, if there is room for it."""
        refusal, freed = self._place(record, first_seen_ms)
        if refusal is RejectReason.EQUIVOCATION:
            return [self._reject(refusal, record.author, "a number is taken"), *freed]
        if refusal is not None:
            self._sync.pass_over(record)
            return [self._reject(refusal, record.author, "not kept")]
        own = record.author in self.authorship
        return [
            effects.Persist(record, first_seen_ms, own),
            effects.Accepted(record, first_seen_ms, own),
            *freed,
        ]

    def _place(
        self, record: Record, first_seen_ms: int
    ) -> tuple[RejectReason | None, list[Effect]]:
        """Put a record into the window and all that follows it, or say why not.

        Returns:
            (None, what leaves for it) or (why it is refused, what to do about that).
        """
        author = record.author
        cut = self.intake.lineages.learn(author, record.lineage, self._reached)
        voided = self.window.take_out(author, lambda *slot: slot > cut) if cut else []
        freed = self._leave([(i, EvictReason.REVOKED) for i in voided])
        occupant = self.window.occupant(author, record.epoch, record.seq)
        if occupant is not None:
            self._disputes.open(record)
            topic = control_topic(self.network, shard_of(author))
            return RejectReason.EQUIVOCATION, [*freed, effects.Fetch((occupant,), topic)]
        refusal, left = self.window.add(record, first_seen_ms)
        if refusal is not None:
            return refusal, freed
        self._sync.add(record)
        for said in self.intake.tombstones.add(record):
            gone = self.window.take_out(author, said.covers)
            left.extend((i, EvictReason.FORGOTTEN) for i in gone)
            self.authorship.forget(author, said)
        self.authorship.witness(record)
        return None, [*freed, *self._leave(left)]

    def _leave(self, left: list[tuple[bytes, EvictReason]]) -> list[Effect]:
        """Forget records that the window let go, and order their deletion, grouped by reason."""
        if not left:
            return []
        done: list[Effect] = []
        for reason in EvictReason:
            ids = tuple(record_id for record_id, why in left if why is reason)
            if not ids:
                continue
            crowded_out = reason in (EvictReason.AUTHOR_QUOTA, EvictReason.WINDOW)
            for record_id in ids:
                author = self._sync.remove(record_id, pass_over=crowded_out)
                self.intake.tombstones.remove(author, record_id)
            done.append(effects.Evict(ids, reason))
        return done

    def _hear_presence(self, event: inputs.Received, now_ms: int) -> list[Effect]:
        if event.payload in self._greetings:  # the same, through another broker
            return []
        heard = self._reader.presence(event.payload)
        heard.check_date(event.wall_ms, self.limits)
        self._reader.authenticate_presence(event.payload)
        self._greetings[event.payload] = None
        if len(self._greetings) > _GREETING_COUNT:
            del self._greetings[next(iter(self._greetings))]
        if heard.node == self.node.id or not self.peers.hear(heard.node, now_ms, heard.mask):
            return []
        done: list[Effect] = [effects.PeerSeen(heard.node)]
        if not self._greeting_set:
            self._greeting_set = True
            spread_ms = int.from_bytes(self.node.id[:4], "big") % GREETING_MS
            done.append(effects.SetTimer("greeting", spread_ms))
        return done

    def _take_inbox(self, event: inputs.Received, now_ms: int) -> list[Effect]:
        message = self._sync.open(event.payload)
        if message.is_proof:
            return self._hear_proof(message.content, now_ms)
        if not message.is_bundle:
            return self._sync.answer(message, event.broker, now_ms)
        if not self._sync.expects(message.sender):
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "records that nobody asked for")
        done = self._take_bundle(message.content, None, event, now_ms, message.sender)
        accepted = [e.record.author for e in done if isinstance(e, effects.Accepted)]
        if accepted:
            self._sync.note_brought()
        if accepted and (self._reached.intersection(accepted) or not self._has_contacts):
            self.peers.credit(message.sender)
        return done

    @property
    def _has_contacts(self) -> bool:
        return any(author not in self.authorship for author in self._reached)

    def _on_fetched(self, event: inputs.Fetched, now_ms: int) -> list[Effect]:
        match channel_of(event.topic, self.network):
            case "r":
                bundles = codec.pack_bundles(list(event.envelopes), self.limits)
                return [effects.Send(event.topic, bundle, event.broker) for bundle in bundles]
            case "c":
                return self._settle(event.envelopes, now_ms)
        return self._sync.deliver(event)

    # --- equivocation ----------------------------------------------------------------------

    def _settle(self, envelopes: tuple[bytes, ...], now_ms: int) -> list[Effect]:
        """Prove what the fetched records are disputed for."""
        done: list[Effect] = []
        for envelope in envelopes:
            first = self._reader.parse(envelope)
            second = self._disputes.close(first)
            if second is not None and first.author not in self.intake.proofs:
                done.extend(self._convict(first.author, encode_proof(first, second)))
                if first.author not in self.authorship:
                    self._disputes.tell_later(first.author, now_ms)
        return done

    def _hear_proof(self, proof: bytes, now_ms: int) -> list[Effect]:
        author = self.intake.proofs.author_of(proof)
        if author is not None:  # the very proof that we hold: somebody has told everybody
            self._disputes.told(author)
            return []
        return self._convict(self.intake.verify_proof(proof, now_ms).author, proof)

    def _convict(self, author: bytes, proof: bytes) -> list[Effect]:
        """Keep a verified proof; its author counts for nothing from now on.

        Our own identity's records stay with us: nobody else counts them any more.
        """
        own = author in self.authorship
        let_off = self.intake.proofs.add(author, proof, self._reached)
        gone = () if own else self.window.take_out_all(author)
        return [
            effects.PersistProof(author, proof, let_off or b""),
            effects.Convicted(author, own),
            *self._leave([(i, EvictReason.CONVICTED) for i in gone]),
        ]

    def _convince(self, peer: bytes, author: bytes, broker: str) -> list[Effect]:
        """Send a peer, once a period, the proof against whom it still listens to."""
        proof = self.intake.proofs.proof(author)
        if proof is None or not peer or peer in self._convinced:
            return []
        self._convinced[peer] = None
        return [self._sync.convince(peer, proof, broker)]

    # --- what we refuse --------------------------------------------------------------------

    def _reject(self, reason: str, author: bytes = b"", detail: str = "") -> Effect:
        self.rejected[reason] += 1
        return effects.Misbehaved(RejectReason(reason), author, detail)

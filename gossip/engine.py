"""The protocol of one node as a pure state machine: `handle(input, now_ms) -> list[Effect]`.

A received record passes, cheapest check first::

    size -> bundle -> envelope -> known already? -> body, limits, network -> date -> shard -> rate
    -> the key is the author's, signature -> slot (author, epoch, seq) free? -> window
    -> Persist, Accepted

Whatever fails is counted by reason and reported as `Misbehaved`; no bytes from outside raise.
State keyed by remote data: the window, the peers, the push rates; each has its bound in `Limits`.
"""

from collections import Counter
from collections.abc import Callable

from tastemesh.errors import RemoteProtocolError, UsageError
from tastemesh.gossip import codec, effects, inputs
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.effects import Effect, EvictReason
from tastemesh.gossip.identity import Signer
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.presence import Peers, decode_presence, sign_presence
from tastemesh.gossip.rates import AuthorRates
from tastemesh.gossip.record import Interaction, Record
from tastemesh.gossip.sync import Sync
from tastemesh.gossip.topics import (
    channel_of,
    check_network,
    inbox_topic,
    presence_topic,
    records_topic,
    shard_of,
)
from tastemesh.gossip.window import Window

EXPIRE_PERIOD_MS = 60_000  # records leave at most a minute after their age; a scan is O(leaving)

# How soon a node answers a newcomer's presence with its own, and syncs with its first peer: spread
# over this time by the node's id, so that a crowd does not answer at once.
GREETING_MS = 1_000


class GossipEngine:
    """One node's protocol.

    Args:
        node: the node's own key, which signs presence and names the inbox.
        signers: the local identities.
        network: network id.
        limits: wire and local limits.
        seed: keys this node's random choices; same seed, same inputs: same effects.

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
    ) -> None:
        self.network = check_network(network)
        self.limits = limits
        self.node = node
        self.authorship = Authorship(signers, network, limits)
        self.window = Window(limits)
        self.peers = Peers(limits, seed + b"peers")
        self.rejected: Counter[str] = Counter()
        self._rates = AuthorRates(limits)
        self._sync = Sync(node.id, network, limits, self.peers, seed + b"sync")
        self._greeting_set = False
        self._handlers: dict[type, Callable[..., list[Effect]]] = {
            inputs.Restored: self._on_restored,
            inputs.Started: self._on_started,
            inputs.Recorded: self._on_recorded,
            inputs.Received: self._on_received,
            inputs.TimerFired: self._on_timer_fired,
            inputs.BrokerUp: self._on_broker_up,
            inputs.BrokerDown: self._on_broker_down,
            inputs.Dropped: self._on_dropped,
            inputs.Fetched: self._on_fetched,
            inputs.TrustChanged: self._on_trust_changed,
        }

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        """Take one input and return what is to be done, in order.

        Args:
            event: any member of `tastemesh.gossip.inputs`.
            now_ms: monotonic clock, milliseconds, never falling.

        Raises:
            UsageError: a local caller's value is wrong (`Recorded` only); the state is unchanged.
        """
        return self._handlers[type(event)](event, now_ms)

    # --- the node's own life ---------------------------------------------------------------

    def _on_restored(self, event: inputs.Restored, now_ms: int) -> list[Effect]:
        for author, epoch, until in event.sequences:
            self.authorship.resume(author, epoch, until)
        done: list[Effect] = []
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
            record = codec.parse(stored.envelope, self.network, self.limits)
        except RemoteProtocolError as error:
            return [self._reject(error.reason, detail=f"stored record: {error.detail}")]
        if record.created_ms < wall_ms - self.limits.window_age_ms:
            return [effects.Evict((record.id,), EvictReason.AGE)]
        refusal, left = self._place(record, stored.first_seen_ms)
        if refusal is not None:  # the limits have become tighter
            return [effects.Evict((record.id,), EvictReason.WINDOW)]
        own = record.author in self.authorship
        return [effects.Accepted(record, stored.first_seen_ms, own), *self._leave(left)]

    def _on_started(self, event: inputs.Started, now_ms: int) -> list[Effect]:
        network = self.network
        return [
            effects.Subscribe(
                (
                    f"{records_topic(network, 0).rsplit('/', 1)[0]}/+",
                    f"{presence_topic(network, 0).rsplit('/', 1)[0]}/+",
                    inbox_topic(network, self.node.id),
                )
            ),
            effects.SetTimer("presence", self.limits.presence_period_ms),
            effects.SetTimer("sync", self.limits.sync_period_ms),
            effects.SetTimer("expire", EXPIRE_PERIOD_MS),
        ]

    def _on_timer_fired(self, event: inputs.TimerFired, now_ms: int) -> list[Effect]:
        if event.timer == "presence":
            self.peers.forget_silent(now_ms)
            return [
                self._presence(event.wall_ms),
                effects.SetTimer("presence", self.limits.presence_period_ms),
            ]
        if event.timer == "greeting":
            self._greeting_set = False
            return [self._presence(event.wall_ms), *self._sync.initiate()]
        if event.timer == "sync":
            return [
                *self._sync.initiate(),
                effects.SetTimer("sync", self.limits.sync_period_ms),
            ]
        if event.timer == "expire":
            return [
                *self._leave([(i, EvictReason.AGE) for i in self.window.expire(event.wall_ms)]),
                effects.SetTimer("expire", EXPIRE_PERIOD_MS),
            ]
        raise UsageError(f"timer {event.timer!r} was never set")

    def _on_broker_up(self, event: inputs.BrokerUp, now_ms: int) -> list[Effect]:
        return [self._presence(event.wall_ms)]

    def _on_broker_down(self, event: inputs.BrokerDown, now_ms: int) -> list[Effect]:
        return []

    def _on_dropped(self, event: inputs.Dropped, now_ms: int) -> list[Effect]:
        self.rejected["inbox-overflow"] += event.count
        return []

    def _on_trust_changed(self, event: inputs.TrustChanged, now_ms: int) -> list[Effect]:
        self.window.set_reached(event.reached)
        return []

    def _presence(self, wall_ms: int) -> Effect:
        topic = presence_topic(self.network, shard_of(self.node.id))
        return effects.Send(topic, sign_presence(self.node, self.network, wall_ms))

    # --- what we say -----------------------------------------------------------------------

    def _on_recorded(self, event: inputs.Recorded, now_ms: int) -> list[Effect]:
        if event.private:
            return self._keep_private(event)
        done, records = self.authorship.write(event.author, event.statements, event.wall_ms)
        for record in records:
            done.extend(self._admit(record, event.wall_ms, own=True))
        topic = records_topic(self.network, shard_of(event.author))
        envelopes = [record.envelope for record in records]
        done.extend(
            effects.Send(topic, bundle) for bundle in codec.pack_bundles(envelopes, self.limits)
        )
        return done

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
            if channel == "r":
                shard = event.topic.rsplit("/", 1)[1]
                return self._take_bundle(event.payload, shard, now_ms, event.wall_ms)
            if channel == "h":
                return self._hear_presence(event, now_ms)
            if channel == "n" and event.topic == inbox_topic(self.network, self.node.id):
                return self._take_inbox(event, now_ms)
        except RemoteProtocolError as error:
            return [self._reject(error.reason, detail=error.detail)]
        return [self._reject(RejectReason.UNEXPECTED_TOPIC, detail="not a topic of ours")]

    def _take_bundle(
        self, payload: bytes, shard: str | None, now_ms: int, wall_ms: int
    ) -> list[Effect]:
        """Take records that were pushed to a shard, or that reconciliation brought (None)."""
        done: list[Effect] = []
        for envelope in codec.unpack_bundle(payload, self.limits):
            try:
                done.extend(self._take_envelope(envelope, shard, now_ms, wall_ms))
            except RemoteProtocolError as error:
                done.append(self._reject(error.reason, detail=error.detail))
        return done

    def _take_envelope(
        self, envelope: bytes, shard: str | None, now_ms: int, wall_ms: int
    ) -> list[Effect]:
        """Pass one record through the checks, the signature last: it costs more than the rest."""
        if codec.peek_id(envelope, self.limits) in self.window:
            self.rejected[RejectReason.DUPLICATE] += 1
            return []
        record = codec.parse(envelope, self.network, self.limits)
        self._check_date(record, wall_ms)
        limited = shard is not None and record.author not in self.authorship
        if shard is not None and shard != str(shard_of(record.author)):
            raise RemoteProtocolError(RejectReason.UNEXPECTED_TOPIC, "another author's shard")
        if limited and not self._rates.allows(record.author, now_ms):
            raise RemoteProtocolError(RejectReason.RATE, "pushed too fast")
        codec.authenticate(record, self.limits)
        if limited:
            self._rates.spend(record.author, now_ms)
        return self._admit(record, wall_ms)

    def _check_date(self, record: Record, wall_ms: int) -> None:
        if record.created_ms < wall_ms - self.limits.window_age_ms:
            raise RemoteProtocolError(RejectReason.TOO_OLD, "older than the window")
        if record.created_ms > wall_ms + self.limits.skew_ms:
            raise RemoteProtocolError(RejectReason.FROM_FUTURE, "dated ahead of our clock")

    def _admit(self, record: Record, first_seen_ms: int, *, own: bool = False) -> list[Effect]:
        """Take an authenticated record into the window, if there is room for it."""
        refusal, left = self._place(record, first_seen_ms)
        if refusal is not None:
            return [self._reject(refusal, record.author, "not kept")]
        own = own or record.author in self.authorship
        return [
            effects.Persist(record, first_seen_ms, own),
            effects.Accepted(record, first_seen_ms, own),
            *self._leave(left),
        ]

    def _place(
        self, record: Record, first_seen_ms: int
    ) -> tuple[RejectReason | None, list[tuple[bytes, EvictReason]]]:
        """Put a record into the window and all that follows it; or say why not."""
        if self.window.occupant(record.author, record.epoch, record.seq) is not None:
            return RejectReason.EQUIVOCATION, []
        refusal, left = self.window.add(record, first_seen_ms)
        if refusal is None:
            self._sync.add(record)
            if record.author in self.authorship:
                self.authorship.witness(record)
        return refusal, left

    def _leave(self, left: list[tuple[bytes, EvictReason]]) -> list[Effect]:
        """Forget records that the window let go, and order their deletion, grouped by reason."""
        done: list[Effect] = []
        for reason in EvictReason:
            ids = tuple(record_id for record_id, why in left if why is reason)
            if ids:
                self._sync.remove(ids)
                done.append(effects.Evict(ids, reason))
        return done

    def _hear_presence(self, event: inputs.Received, now_ms: int) -> list[Effect]:
        node = decode_presence(event.payload, self.network, event.wall_ms, self.limits)
        if node == self.node.id or not self.peers.hear(node, now_ms):
            return []
        done: list[Effect] = [effects.PeerSeen(node)]
        if not self._greeting_set:
            self._greeting_set = True
            spread_ms = int.from_bytes(self.node.id[:4], "big") % GREETING_MS
            done.append(effects.SetTimer("greeting", spread_ms))
        return done

    def _take_inbox(self, event: inputs.Received, now_ms: int) -> list[Effect]:
        message = self._sync.open(event.payload)
        if message.is_bundle:
            return self._take_bundle(message.content, None, now_ms, event.wall_ms)
        return self._sync.answer(message, now_ms)

    def _on_fetched(self, event: inputs.Fetched, now_ms: int) -> list[Effect]:
        return self._sync.deliver(event)

    # --- what we refuse --------------------------------------------------------------------

    def _reject(self, reason: str, author: bytes = b"", detail: str = "") -> Effect:
        self.rejected[reason] += 1
        return effects.Misbehaved(RejectReason(reason), author, detail)

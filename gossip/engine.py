"""The protocol of one node as a pure state machine: `handle(input, now_ms) -> list[Effect]`.

A received record passes, cheapest check first::

    size -> bundle -> envelope -> known already? -> the checks of `tastemesh.gossip.intake`
    -> `tastemesh.gossip.admission`: slot (author, epoch, seq) free? -> window
    -> Persist, Accepted

Whatever fails is counted by reason and reported as `Misbehaved`; no bytes from outside raise.
State keyed by remote data: the window, the peers, rates, sightings, lineages, proofs, and what was
passed over; each has its bound in `Limits`.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from tastemesh.errors import InternalError, RemoteProtocolError, UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.admission import Admission, Rejections
from tastemesh.gossip.announcements import Announcements
from tastemesh.gossip.authorship import Authorship
from tastemesh.gossip.brokers import RELAY_TIMER, Brokers
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.envelope import Opened
from tastemesh.gossip.greetings import GREETER_COUNT, Greetings
from tastemesh.gossip.inbox import read_message
from tastemesh.gossip.intake import Intake
from tastemesh.gossip.interest import Interest
from tastemesh.gossip.limits import Limits, RejectReason
from tastemesh.gossip.presence import sign_presence
from tastemesh.gossip.private import kept
from tastemesh.gossip.proofs import ConvictedError
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Said
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.signer import Signer
from tastemesh.gossip.statements import MAX_INT64
from tastemesh.gossip.sync import Sync
from tastemesh.gossip.topics import (
    ALL_SHARDS,
    channel_of,
    check_network,
    inbox_topic,
    place_of,
    presence_topic,
    records_topic,
    shard_of,
    shard_topics,
)

EXPIRE_PERIOD_MS = 60_000  # records leave at most a minute after their age; a scan is O(leaving)

# A burst that is taken in before less is read, in periods' budgets: a crowd of some thousands that
# starts at one moment and says all that it has (guess).
_BURST_PERIODS = 4.0

# Endorsements are said again at two thirds of their age: ten days are left, at the default, in
# which to be online.
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

    __slots__ = (
        "_convinced", "_greetings", "_held", "_inbox", "_presence_interest", "_reader", "_sync",
        "announcements", "authorship", "brokers", "intake", "interest", "limits", "network", "node",
        "peers", "rejected", "window",
    )  # fmt: skip

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
        self._inbox = inbox_topic(network, node.id)
        self.authorship = Authorship(signers, network, limits, seed + b"epochs")
        self.peers = Peers(limits, seed + b"peers")
        self.brokers = Brokers(network, limits, seed + b"brokers")
        period_ms = limits.interest_period_ms
        self.interest = Interest(
            limits.inbound_bytes_per_s, period_ms, seed + b"interest", _BURST_PERIODS
        )
        self.intake = Intake(network, limits, self._reader)
        self.rejected = Rejections()
        self._presence_interest = Interest(
            limits.presence_bytes_per_s, period_ms, seed + b"presence", _BURST_PERIODS
        )
        self.announcements = Announcements(limits, seed + b"announcements")
        present = partial(sign_presence, node, network)
        self._sync = Sync(node.id, network, limits, self.peers, seed + b"sync", present)
        self._held = Admission(
            network,
            limits,
            self.authorship,
            self.intake,
            self._sync,
            self._reader,
            self.rejected,
            seed + b"disputes",
        )
        self.window = self._held.window
        self._convinced: dict[bytes, None] = {}
        self._greetings = Greetings(node.id)

    def handle(self, event: inputs.Input, now_ms: int) -> list[Effect]:
        """Take one input and return what is to be done, in order.

        Args:
            event: any member of `tastemesh.gossip.inputs`.
            now_ms: monotonic clock, milliseconds, never falling.

        Raises:
            UsageError: a local caller's value is wrong (`Recorded`, `ForgotPrivate` and `Rotated`
                only); the state is unchanged.
        """
        return self._HANDLERS[type(event)](self, event, now_ms)

    # --- the node's own life ---------------------------------------------------------------

    def _on_restored(self, event: inputs.Restored, now_ms: int) -> list[Effect]:
        for author, epoch, until in event.sequences:
            self.authorship.resume(author, epoch, until)
        done = [effect for each in event.lineages for effect in self._held.restore_lineage(each)]
        done.extend(effect for each in event.proofs for effect in self._held.restore_proof(each))
        done.extend(effect for each in event.records for effect in self._held.restore(each))
        self._held.note_time(event.wall_ms)
        done.extend(effects.AcceptedPrivate(*private) for private in event.private)
        if event.copied or event.knows_ours:
            done.extend(self.authorship.start_epochs(event.wall_ms, everybody=event.copied))
        return done

    def _on_started(self, event: inputs.Started, now_ms: int) -> list[Effect]:
        for each in (self.interest, self._presence_interest, self._greetings):
            each.begin(now_ms)
        return [
            self._subscribe(),
            effects.SetTimer("presence", self.announcements.wait_ms(now_ms)),
            effects.SetTimer("sync", self.limits.sync_period_ms),
            effects.SetTimer("expire", EXPIRE_PERIOD_MS),
            effects.SetTimer("interest", self.limits.interest_period_ms),
        ]

    def _subscribe(self) -> Effect:
        wanted = self.interest.mask
        return effects.Subscribe(
            shard_topics(self.network, "r", wanted),
            (
                *shard_topics(self.network, "c", wanted),
                *shard_topics(self.network, "h", self._presence_interest.mask),
                self._inbox,
            ),
        )

    def _on_timer_fired(self, event: inputs.TimerFired, now_ms: int) -> list[Effect]:
        if event.timer not in self._TIMERS:
            raise UsageError(f"timer {event.timer!r} was never set")
        return self._TIMERS[event.timer](self, now_ms, event.wall_ms)

    def _announce(self, now_ms: int, wall_ms: int) -> list[Effect]:
        timing = self.announcements
        timing.reconsider(self.peers, self._presence_interest, len(self.brokers.up), now_ms)
        said = [] if timing.wait_ms(now_ms) else [self._presence(now_ms, wall_ms)]
        return [*said, effects.SetTimer("presence", timing.wait_ms(now_ms))]

    def _greet(self, now_ms: int, wall_ms: int) -> list[Effect]:
        greeting = self._presence(now_ms, wall_ms)
        self._greetings.is_set = False
        if len(self.peers) > GREETER_COUNT:
            return [greeting]
        return [greeting, *self._initiate(now_ms, wall_ms)]  # it may be new itself

    def _exchange(self, now_ms: int, wall_ms: int) -> list[Effect]:
        self._convinced.clear()
        again = effects.SetTimer("sync", self.limits.sync_period_ms)
        return [*self._initiate(now_ms, wall_ms), again]

    def _initiate(self, now_ms: int, wall_ms: int) -> list[Effect]:
        return self._sync.initiate(self.interest.mask, self.brokers.up, now_ms, wall_ms)

    def _expire(self, now_ms: int, wall_ms: int) -> list[Effect]:
        self.peers.forget_silent(now_ms - self.announcements.age_ms)
        done = self._held.expire(now_ms, wall_ms)
        renewed_ms = wall_ms - round(_RENEWAL_SHARE * self.limits.endorsement_age_ms)
        # Whose clock nobody shares may be the one that is wrong, as in 1970 before it is set.
        ahead_ms = wall_ms + self.limits.skew_ms if len(self.peers) else MAX_INT64
        try:
            for author, old in self.authorship.renewals(renewed_ms, ahead_ms, self.window.date_ms):
                done.extend(self._say(author, old, wall_ms))
        except Exception as error:  # of ours; what has left is gone all the same
            raise InternalError(done) from error
        return [*done, effects.SetTimer("expire", EXPIRE_PERIOD_MS)]

    def _choose_shards(self, now_ms: int, wall_ms: int) -> list[Effect]:
        changed = self.interest.refresh(now_ms)
        presence = self._presence_interest
        # Twice the time in which all of a shard announce themselves, or nobody would be counted.
        presence.rotation_ms = max(self.interest.rotation_ms, 2 * self.announcements.period_ms)
        changed |= presence.refresh(now_ms)
        again = effects.SetTimer("interest", self.limits.interest_period_ms)
        return [self._subscribe(), again] if changed else [again]

    def _relay(self, now_ms: int, wall_ms: int) -> list[Effect]:
        told = self._held.tell_proofs(now_ms)
        return [*told, *self.brokers.turn(self.interest, now_ms, wall_ms)]

    def _on_broker_up(self, event: inputs.BrokerUp, now_ms: int) -> list[Effect]:
        ticking = self.brokers.come_up(event.broker, now_ms)
        return [self._presence(now_ms, event.wall_ms, event.broker), *ticking]

    def _on_broker_down(self, event: inputs.BrokerDown, now_ms: int) -> list[Effect]:
        self.brokers.go_down(event.broker)
        return []

    def _on_dropped(self, event: inputs.Dropped, now_ms: int) -> list[Effect]:
        self.rejected[RejectReason.INBOX_OVERFLOW] += event.count
        return []

    def _on_trust_changed(self, event: inputs.TrustChanged, now_ms: int) -> list[Effect]:
        self._held.reached.update(event.gained)
        self._held.reached.difference_update(event.lost)
        self.window.move(event.gained, event.lost)
        own = map(shard_of, self.authorship.authors)
        self.interest.move(map(shard_of, event.gained), map(shard_of, event.lost), own)
        self._sync.want_again(frozenset(event.gained))
        return []

    def _presence(self, now_ms: int, wall_ms: int, broker: str = "") -> Effect:
        if self.brokers.up == (broker,) or not broker:  # else the others have not heard it
            self.announcements.note_said(now_ms)
        said = sign_presence(self.node, self.network, wall_ms, self.interest.mask)
        return effects.Send(presence_topic(self.network, shard_of(self.node.id)), said, broker)

    # --- what we say -----------------------------------------------------------------------

    def _on_recorded(self, event: inputs.Recorded, now_ms: int) -> list[Effect]:
        if event.private and event.author not in self.authorship:
            raise UsageError("private: the author is not an identity of this node")
        if event.private:
            return kept(event, self.limits)
        return self._say(event.author, event.statements, event.wall_ms)

    def _say(self, author: bytes, statements: tuple[Said, ...], wall_ms: int) -> list[Effect]:
        done, records = self.authorship.write(author, statements, wall_ms)
        for record in records:
            done.extend(self._held.admit(record, wall_ms, said_here=True))
        topic = records_topic(self.network, shard_of(author))
        return [*done, *self.brokers.push(topic, [record.envelope for record in records])]

    def _on_rotated(self, event: inputs.Rotated, now_ms: int) -> list[Effect]:
        notice = self.authorship.rotate(event.signer)
        return self._say(event.signer.id, (notice, *event.forgets), event.wall_ms)

    def _on_forgot_private(self, event: inputs.ForgotPrivate, now_ms: int) -> list[Effect]:
        if event.author not in self.authorship:
            raise UsageError("forget: the author is not an identity of this node")
        return [effects.PurgePrivate(event.author, event.item)]

    # --- what we hear ----------------------------------------------------------------------

    def receive(self, event: inputs.Received, now_ms: int) -> list[Effect]:
        """Take a message; what `handle` does with the commonest of its inputs."""
        channel, shard = place_of(event.topic, self.network)
        shed = self._shed(channel, shard, event, now_ms)
        made: list[Effect] = []
        try:
            done = self._hear(channel, shard, event, now_ms, made)
        except RemoteProtocolError as error:
            done = [*made, self.rejected.refuse(error.reason, detail=error.detail)]
        except Exception as error:  # of ours; what it is about is held already
            raise InternalError(made + shed) from error
        return done + shed if shed else done

    def _hear(
        self, channel: str, shard: int, event: inputs.Received, now_ms: int, made: list[Effect]
    ) -> list[Effect]:
        if channel == "h" and shard >= 0:
            return self._hear_presence(event, now_ms)
        if channel == "r" and shard >= 0:
            return self._take_bundle(event.payload, shard, event, now_ms, made)
        if channel == "n" and event.topic == self._inbox:
            return self._take_inbox(event, now_ms, made)
        if channel == "c" and shard >= 0:
            return self._held.hear_proof(event.payload, now_ms, to_all=True)
        raise RemoteProtocolError(RejectReason.UNEXPECTED_TOPIC, "not a topic of ours")

    def _shed(self, channel: str, shard: int, event: inputs.Received, now_ms: int) -> list[Effect]:
        """Count what others sent, and read less at once where a period's budget is used up."""
        if shard < 0 or channel not in ("r", "h", "c"):
            return []
        if channel == "r" and self.brokers.is_echo(event.broker, event.payload):
            return []
        interest = self._presence_interest if channel == "h" else self.interest
        if interest.hear(shard, len(event.payload)) and interest.refresh(now_ms, early=True):
            return [self._subscribe()]
        return []

    def _take_bundle(
        self,
        payload: bytes,
        shard: int | None,
        event: inputs.Received,
        now_ms: int,
        done: list[Effect],
        sender: bytes = b"",
    ) -> list[Effect]:
        """Take records that were pushed to a shard, or that reconciliation brought (None)."""
        for opened in self._reader.unpack(payload):
            try:
                done += self._take_envelope(opened, shard, event, now_ms)
            except RemoteProtocolError as error:
                done.append(self.rejected.refuse(error.reason, detail=error.detail))
                if isinstance(error, ConvictedError):
                    done.extend(self._convince(sender, error.author, event.broker))
        return done

    def _take_envelope(
        self, opened: Opened, shard: int | None, event: inputs.Received, now_ms: int
    ) -> list[Effect]:
        """Pass one record through the checks and into the window."""
        broker = "" if shard is None else event.broker
        record_id = opened.record_id
        age_ms = self._held.age_ms(record_id, event.wall_ms)
        if age_ms is not None and self.brokers.note_again(opened, shard, broker, now_ms, age_ms):
            self.rejected[RejectReason.DUPLICATE] += 1
            return []
        record = self.intake.read(opened, event.wall_ms)
        if age_ms is not None:  # other bytes around a body that we hold: no push of its author's
            objection = self.intake.admit(record, opened, None, event.broker, now_ms, own=True)
            if objection is None:
                self.brokers.note_valid(record_id, broker, now_ms)
            raise objection or RemoteProtocolError(RejectReason.DUPLICATE, "in another envelope")
        done = self._held.take(record, opened, shard, event, now_ms)
        if record_id in self.window:
            self.brokers.note_new(record, broker, now_ms, self._carrying_count)
        return done

    def _carrying_count(self) -> int:
        # No more than the table holds, or enough fakes would have nobody carry anything.
        return max(len(self.peers), min(self.announcements.node_count, self.limits.peer_count))

    def _hear_presence(self, event: inputs.Received, now_ms: int) -> list[Effect]:
        if self._greetings.has_heard(event.payload):  # the same, through another broker
            return []
        heard = self._reader.presence(event.payload)
        heard.check_date(event.wall_ms, self.limits)
        self.intake.pay_presence(now_ms)
        self._reader.authenticate_presence(event.payload)
        self._greetings.note_heard(event.payload)
        is_ours = heard.node == self.node.id
        if is_ours or not self.peers.hear(heard.node, now_ms, heard.mask, heard.sent_ms):
            return []
        done: list[Effect] = [effects.PeerSeen(heard.node)]
        if not self._greetings.is_set and self._greets(heard.node, now_ms):
            self._greetings.is_set = True
            done.append(effects.SetTimer("greeting", self._greetings.spread_ms))
        return done

    def _greets(self, newcomer: bytes, now_ms: int) -> bool:
        """Tell whether it is on us to greet a newcomer.

        Where there are more nodes than one cares to hear of, a newcomer hears one within seconds
        as it is; and who is new to us may be an old node on a shard that we did not read.
        """
        reads_all = self._presence_interest.mask == ALL_SHARDS
        return reads_all and self._greetings.is_up_to_us(newcomer, len(self.peers), now_ms)

    def _take_inbox(self, event: inputs.Received, now_ms: int, made: list[Effect]) -> list[Effect]:
        message, mask = read_message(event.payload, self.limits), self.interest.mask
        if not (message.is_bundle or message.is_proof):
            return self._sync.answer(message, mask, self._reader, event, now_ms)
        if not self._sync.expects(message.sender):
            raise RemoteProtocolError(RejectReason.SYNC_BUDGET, "records that nobody asked for")
        self._sync.pay(len(message.content), now_ms)
        if message.is_proof:
            return self._held.hear_proof(message.content, now_ms, to_all=False)
        done = self._take_bundle(message.content, None, event, now_ms, made, message.sender)
        accepted = [e.record.author for e in done if isinstance(e, effects.Accepted)]
        if accepted:
            self._sync.note_brought()
        if accepted and (self._held.reached.intersection(accepted) or not self._has_contacts):
            self.peers.credit(message.sender)
        return done

    @property
    def _has_contacts(self) -> bool:
        return any(author not in self.authorship for author in self._held.reached)

    def _on_fetched(self, event: inputs.Fetched, now_ms: int) -> list[Effect]:
        match channel_of(event.topic, self.network):
            case "r":
                return self.brokers.push(event.topic, list(event.envelopes), event.broker)
            case "c":
                return self._held.settle(event.envelopes, now_ms)
        return self._sync.deliver(event, now_ms)

    def _convince(self, peer: bytes, author: bytes, broker: str) -> list[Effect]:
        """Send a peer, once a period, the proof against whom it still listens to."""
        proof = self.intake.proofs.proof(author)
        if proof is None or not peer or peer in self._convinced:
            return []
        self._convinced[peer] = None
        return [self._sync.convince(peer, proof, broker)]

    # Of the class: a node that points at itself is a cycle, freed by nothing but a search for it.
    _HANDLERS: ClassVar[dict[type, Callable[..., list[Effect]]]] = {
        inputs.Restored: _on_restored,
        inputs.Inspected: lambda self, event, now_ms: self._held.inspect(event, now_ms),
        inputs.Started: _on_started,
        inputs.StartedAlone: lambda *_: [effects.SetTimer("expire", EXPIRE_PERIOD_MS)],
        inputs.Recorded: _on_recorded,
        inputs.ForgotPrivate: _on_forgot_private,
        inputs.Rotated: _on_rotated,
        inputs.Received: receive,
        inputs.TimerFired: _on_timer_fired,
        inputs.BrokerUp: _on_broker_up,
        inputs.BrokerDown: _on_broker_down,
        inputs.Dropped: _on_dropped,
        inputs.Fetched: _on_fetched,
        inputs.TrustChanged: _on_trust_changed,
    }
    _TIMERS: ClassVar[dict[str, Callable[..., list[Effect]]]] = {
        "presence": _announce,
        "greeting": _greet,
        "sync": _exchange,
        "expire": _expire,
        "interest": _choose_shards,
        RELAY_TIMER: _relay,
    }

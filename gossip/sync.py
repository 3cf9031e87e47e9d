"""Anti-entropy: what pushing lost, reconciliation finds.

Every sync period a node picks a random peer and starts an exchange (`tastemesh.gossip.reconcile`)
through the peers' inboxes (`tastemesh.gossip.inbox`); each side then sends the records that the
other turns out to lack. A newcomer catches up the same way, with several peers at once until one
has been of use.

A frame is answered only if it belongs to an exchange that its sender or this node began, within a
budget per peer and one for all (`tastemesh.gossip.exchanges`); what goes out is bounded in bytes
(`tastemesh.gossip.shipments`). Records are taken only while an exchange with their sender goes on.

Only the shards that both read are compared. The first frame of an exchange brings its sender's
presence with it (tag 3; `tastemesh.gossip.guests`), which says what he reads now. What the other
reads now he may not know: so whoever is asked for other shards than both read begins anew with
those, and shows his own presence. The salt stays: by it the other knows that he is answered.

Records that this node refused or evicted stay in the compared set for a while (*passed over*), or
every exchange would bring them again. So two sets may differ for good in what neither side sends,
and an exchange, which deals with the newest first, may spend all its frames on that. So after one
that used them up the next begins somewhere in the midst, and the one after that with the newest.

What comes in has a budget. In a network larger than a node reads, the shards that it reads change,
and each brings a history that it lacks: more than it ever has room for. So an exchange compares
everything only while what earlier ones brought is paid for, at the rate at which pushed records are
taken in; until then it compares the last minutes, which mends what pushing lost. A node begins with
a window's worth, or a newcomer would wait for hours. Both sides pay for what comes to them, so in
the mean this bounds what a node is asked for by honest others, too.
"""

from collections.abc import Callable

import msgspec

from tastemesh.gossip import inbox, reconcile
from tastemesh.gossip.bundles import pack_bundles
from tastemesh.gossip.effects import Effect, Fetch, Send
from tastemesh.gossip.exchanges import Exchanges
from tastemesh.gossip.guests import Guests
from tastemesh.gossip.inputs import Fetched, Received
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.rates import Bucket
from tastemesh.gossip.reader import Reader
from tastemesh.gossip.record import Record
from tastemesh.gossip.sampling import Peers
from tastemesh.gossip.shipments import Shipments
from tastemesh.gossip.topics import inbox_topic, shard_of
from tastemesh.gossip.window import Gone

# What an exchange compares where there is no budget for more: ten sync periods, so that a fifth of
# all exchanges may fail and a record lost by pushing still meets several that succeed (guess).
_RECENT_PERIODS = 10

# Peers asked at once by a node that has reason to think it is behind: it is new, none answered in
# the last period, or some brought records. With ten fakes to an honest node, forty
# draws in ten periods miss every honest one in 2 of 100 cases, a hundred in 1 of 10,000; where a
# fifth of all messages is lost, one exchange in four comes to its end. One record is enough: if two
# were asked for, 1,000 nodes that lose one message in a hundred would save 1.5 % of their traffic,
# and a minute after the last record lack .0004 of all instead of nothing, or .0023 instead of .0007
# where they read a part of the shards (measured).
_EAGER_PEERS = 4
_NEWCOMER_PERIODS = 10

# Peers asked in a period by a node that reads shards anew: where draws of shards change every ten
# minutes and presence comes every seven, three of four who announced one have left it (measured).
_ASKED_PEERS = 12

# Rounds in a row in which nothing that is due was compared, after which one is for anybody: of two
# one succeeds in seven cases of eight where a fifth of all messages is lost (guess).
_VAIN_ROUNDS = 2

# A peer's records are taken for this many periods after a frame was sent or answered: the last
# bundle of a long exchange may be late.
_PARTNER_PERIODS = 4


class Sync:
    """This node's side of every exchange.

    Args:
        node: our node id.
        network: network id.
        limits: budgets and frame size.
        peers: whom to exchange with.
        seed: keys the salts.
        present: returns our presence of a date (ms), given the shards that we read and what it is
            signed for.
    """

    __slots__ = (
        "_answered_us", "_asked", "_asked_count", "_began_amid", "_behind", "_due", "_exchanges",
        "_guests", "_items", "_limits", "_network", "_node", "_opened_round",
        "_paid_bytes", "_partners", "_passed", "_peers", "_period_began_ms", "_present", "_read",
        "_rounds", "_shipments", "_uncompared", "_vain_rounds", "_wrapped",
    )  # fmt: skip

    def __init__(
        self,
        node: bytes,
        network: str,
        limits: Limits,
        peers: Peers,
        seed: bytes,
        present: Callable[[int, int, bytes], bytes],
    ) -> None:
        self._node = node
        self._network = network
        self._limits = limits
        self._peers = peers
        self._guests = Guests(limits, peers)
        self._exchanges = Exchanges(limits, seed)
        self._shipments = Shipments(limits)
        payload_bytes = limits.payload_bytes - inbox.WRAPPER_BYTES
        self._wrapped = msgspec.structs.replace(limits, payload_bytes=payload_bytes)
        self._present = present
        self._asked_count = 0
        self._items = reconcile.ItemSet()
        self._passed: dict[bytes, tuple[int, bytes]] = {}  # (date, author), oldest memory first
        self._period_began_ms = 0
        self._partners: dict[bytes, int] = {}
        self._asked: dict[bytes, int] = {}  # with whom this node began, this period: over what mask
        self._answered_us = False
        self._behind = False
        self._rounds = self._opened_round = 0
        # Masks: shards read; those that nobody compared yet; and those that nobody compared since
        # all were: in a large network a partner reads few of ours, and each is to have its turn.
        self._read = self._uncompared = self._due = 0
        self._vain_rounds = 0  # in a row in which nothing of what is due was compared
        self._began_amid = False
        mean_bytes = limits.statement_bytes / 2  # 336; of one statement, measured: 336 to 350
        self._paid_bytes = Bucket(
            limits.inbound_bytes_per_s,
            limits.window_statement_count * mean_bytes,
            limits.sync_record_count * mean_bytes,
        )

    def add(self, record: Record) -> None:
        """Take a record of the window into the set that is compared."""
        if self._passed.pop(record.id, None) is None:
            self._items.insert(record.created_ms, record.id, shard_of(record.author))

    def remove(self, gone: Gone, *, pass_over: bool = False) -> None:
        """Note that a record left the window.

        Args:
            gone: held until now.
            pass_over: remember it as if we had it, so that it does not come again.
        """
        if pass_over:
            self._pass_over(gone.record_id, gone.created_ms, gone.author)
        else:
            self._items.remove(gone.created_ms, gone.record_id, shard_of(gone.author))

    def pass_over(self, record: Record) -> None:
        """Remember a record that was refused as if we had it."""
        if record.id not in self._passed:
            self._items.insert(record.created_ms, record.id, shard_of(record.author))
            self._pass_over(record.id, record.created_ms, record.author)

    def _pass_over(self, record_id: bytes, created_ms: int, author: bytes) -> None:
        self._passed[record_id] = (created_ms, author)
        if len(self._passed) > self._limits.passed_count:
            self._want(next(iter(self._passed)))

    def passed_ms(self, record_id: bytes) -> int | None:
        """Return the date of a record that was refused or evicted, or None where it is not one."""
        passed = self._passed.get(record_id)
        return None if passed is None else passed[0]

    def want_again(self, authors: frozenset[bytes]) -> None:
        """Forget having passed over what these authors said."""
        for record_id in [i for i, (_, author) in self._passed.items() if author in authors]:
            self._want(record_id)

    def leave_out(self, horizon_ms: int) -> None:
        """Compare nothing from before a date from now on; others take no such record."""
        self._items.leave_out(horizon_ms)
        for record_id in [i for i, (date_ms, _) in self._passed.items() if date_ms < horizon_ms]:
            self._want(record_id)

    def _want(self, record_id: bytes) -> None:
        created_ms, author = self._passed.pop(record_id)
        self._items.remove(created_ms, record_id, shard_of(author))

    def initiate(
        self,
        mask: int,
        brokers: tuple[str, ...],
        now_ms: int,
        wall_ms: int,
    ) -> list[Effect]:
        """Start an exchange with the next peers that read something of what we read.

        An exchange stays on one broker, and the next one takes the next: what one of them
        withholds, another brings.

        Args:
            mask: the shards that we read.
            brokers: those that we are connected to.
            now_ms: monotonic time.
            wall_ms: wall clock, from which the last minutes are counted.
        """
        horizon_ms = now_ms - _PARTNER_PERIODS * self._limits.sync_period_ms
        self._partners = {n: at for n, at in self._partners.items() if at >= horizon_ms}
        self._rounds += 1
        self._note_read(mask)
        if self._rounds - self._opened_round > _NEWCOMER_PERIODS:
            self._uncompared = 0  # we know of nobody who reads these
        is_settled = self._rounds > _NEWCOMER_PERIODS and not self._uncompared
        calm = is_settled and self._answered_us and not self._behind
        wanted = 1 if calm else _EAGER_PEERS
        self._answered_us = self._behind = False
        self._asked = {}
        chosen = self._chosen(wanted, mask)
        self._vain_rounds = (self._vain_rounds + 1) % (_VAIN_ROUNDS + 1)
        self._answered_us |= not chosen
        done: list[Effect] = []
        for peer in chosen:
            self._asked_count += 1
            broker = brokers[self._asked_count % len(brokers)] if brokers else ""
            done.append(self._ask(peer, mask, broker, now_ms, wall_ms))
        return done

    def _ask(self, peer: bytes, mask: int, broker: str, now_ms: int, wall_ms: int) -> Send:
        """Begin an exchange with a peer."""
        common = self._asked[peer] = self._peers.mask(peer) & mask
        self._partners[peer] = now_ms
        salt, since_ms = self._exchanges.begin(peer), self._since_ms(now_ms, wall_ms)
        extent = since_ms, self._below(salt, since_ms, common)
        return self._introduce(peer, salt, mask, extent, common, broker, wall_ms)

    def _below(self, salt: bytes, since_ms: int, common: int) -> bytes:
        """Return below what to compare: everything, or what a draw says if one was cut off."""
        is_due = self._exchanges.was_cut_off and not common & self._uncompared
        self._began_amid = is_due and not self._began_amid
        if not self._began_amid:
            return reconcile.END
        self._exchanges.was_cut_off = False
        return reconcile.drawn_bound(self._items, salt, since_ms)

    def _introduce(
        self,
        peer: bytes,
        salt: bytes,
        mask: int,
        extent: tuple[int, bytes],
        common: int,
        broker: str,
        wall_ms: int,
    ) -> Send:
        """Send a first frame, of the shards that both read, and our presence."""
        since_ms, below = extent
        frame = reconcile.initiate(self._items, salt, self._limits, since_ms, common, below)
        content = inbox.introduction(self._present(wall_ms, mask, peer + salt), frame)
        return self._to(peer, inbox.INTRODUCED, content, common, broker)

    def _asked_instead(
        self, lacking: int, mask: int, broker: str, now_ms: int, wall_ms: int
    ) -> list[Effect]:
        """Ask somebody else at once, if anybody, where the one we asked did not read these."""
        wanted = lacking & self._uncompared
        if not wanted or len(self._asked) >= _ASKED_PEERS:
            return []
        peer = self._peers.pick(wanted)
        if peer is None or peer in self._asked:
            return []
        return [self._ask(peer, mask, broker, now_ms, wall_ms)]

    def _since_ms(self, now_ms: int, wall_ms: int) -> int:
        """Return from which date on there is credit to compare."""
        if self._paid_bytes.tokens(now_ms) >= 0.0:
            return 0
        return max(0, wall_ms - _RECENT_PERIODS * self._limits.sync_period_ms)

    def _chosen(self, count: int, mask: int) -> dict[bytes, None]:
        """Draw up to so many partners: first for what nobody compared, then for what is due.

        And now and then for anything, if nothing of it was compared: who alone says that he reads a
        shard, and compares nothing, would be the only one whom a calm node asks.
        """
        chosen: dict[bytes, None] = {}
        uncompared, due = self._uncompared, self._due if self._vain_rounds < _VAIN_ROUNDS else 0
        for _ in range(2 * count):
            peer = self._peers.pick(uncompared) or self._peers.pick(due) or self._peers.pick(mask)
            if peer is None:
                break
            chosen[peer] = None
            uncompared &= ~self._peers.mask(peer)
            due &= ~self._peers.mask(peer)
            if len(chosen) == count:
                break
        return chosen

    def _note_read(self, mask: int) -> None:
        """Note which shards are read now; of those that are new nothing has been compared yet."""
        if mask & ~self._read:
            self._opened_round = self._rounds
        self._uncompared = (self._uncompared | mask & ~self._read) & mask
        self._due = (self._due & mask) or mask
        self._read = mask

    def _begin_period(self, now_ms: int) -> None:
        if now_ms - self._period_began_ms >= self._limits.sync_period_ms:
            for each in (self._exchanges, self._guests, self._shipments):
                each.begin_period()
            self._period_began_ms = now_ms

    def note_brought(self) -> None:
        """Note that an exchange brought records: there may be more to come."""
        self._behind = True

    def pay(self, size_bytes: int, now_ms: int) -> None:
        """Count what an exchange costs: a message that was expected."""
        self._paid_bytes.spend(size_bytes, now_ms)

    def expects(self, sender: bytes) -> bool:
        """Tell whether an exchange with this node goes on."""
        return sender in self._partners

    def answer(
        self, message: inbox.Message, mask: int, reader: Reader, event: Received, now_ms: int
    ) -> list[Effect]:
        """Answer a reconciliation frame, and send what the peer turns out to lack.

        Args:
            message: with a frame.
            mask: the shards that we read.
            reader: checks who introduces himself.
            event: what the message came in; the answer goes the same way.
            now_ms: monotonic time.

        Raises:
            RemoteProtocolError: the frame is malformed, of no exchange, or over its budget.
        """
        broker, wall_ms, sender = event.broker, event.wall_ms, message.sender
        self._begin_period(now_ms)
        introduction, common = message.introduction, message.mask
        frame = message.content if introduction is None else introduction.frame
        salt = reconcile.salt_of(frame, self._limits)
        self._exchanges.check(sender, salt, introduced=introduction is not None)
        is_ours = self._exchanges.is_ours(sender, salt)
        if introduction is not None:
            common = mask & self._guests.look_at(
                sender,
                introduction.presence,
                self._node + salt,
                reader,
                wall_ms,
                now_ms,
                asked=is_ours,
            )
        self._exchanges.charge(sender, salt)
        self.pay(len(frame), now_ms)
        if sender in self._partners:
            self._answered_us = True
        self._partners[sender] = now_ms
        done: list[Effect] = []
        asked = self._asked.get(sender)
        if asked is not None:  # what others claim to compare is no news
            compared = common if introduction is not None else common & asked
            self._asked[sender] = compared
            self._uncompared &= ~compared
            if self._due & compared:
                self._vain_rounds = 0
            self._due &= ~compared
            done += self._asked_instead(asked & ~compared, mask, broker, now_ms, wall_ms)
        if common != message.mask:
            extent = reconcile.extent_of(frame, self._limits)
            again = self._introduce(sender, salt, mask, extent, common, broker, wall_ms)
            return [again, *done]
        reply = reconcile.respond(self._items, frame, self._limits, common)
        missing = [record_id for record_id in reply.have if record_id not in self._passed]
        topic = inbox_topic(self._network, sender)
        sent = self._shipments.choose(topic, missing[: self._limits.sync_record_count], now_ms)
        if sent:
            done.append(Fetch(sent, topic, broker))
        if reply.frame is not None:
            done.append(self._to(sender, inbox.FRAME, reply.frame, common, broker))
        elif reply.farewell is not None and not is_ours:
            done.append(self._to(sender, inbox.FRAME, reply.farewell, common, broker))
        return done

    def deliver(self, event: Fetched, now_ms: int) -> list[Effect]:
        """Send fetched records to the peer that lacks them, as many as it may be sent."""
        envelopes = self._shipments.fit(event.topic, event.envelopes, now_ms)
        return [
            Send(
                event.topic,
                inbox.written(inbox.Message(inbox.BUNDLE, self._node, bundle, 0)),
                event.broker,
            )
            for bundle in pack_bundles(envelopes, self._wrapped)
        ]

    def convince(self, peer: bytes, proof: bytes, broker: str) -> Send:
        """Send a proof to a peer that offers what a convicted author said."""
        return self._to(peer, inbox.PROOF, proof, 0, broker)

    def _to(self, peer: bytes, tag: int, content: bytes, mask: int, broker: str) -> Send:
        payload = inbox.written(inbox.Message(tag, self._node, content, mask))
        return Send(inbox_topic(self._network, peer), payload, broker)

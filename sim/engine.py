"""Virtual time: real cores on a simulated network, one event after the other.

The engine interprets effects and does nothing else: a `Send` becomes deliveries after a delay, a
`SetTimer` an event later on, a storage effect a change of a dictionary. Time is integer
milliseconds from 0; the wall clock starts at `EPOCH_MS`. Events at the same millisecond run in the
order in which they were scheduled. Every random draw comes from the seed, so one seed gives one
trace, byte for byte, under any PYTHONHASHSEED; `digest` is the trace's hash.

An *event* is one input handled by one node.
"""

import heapq
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import Any

import numpy as np

from tastemesh.errors import UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.node.core import Core
from tastemesh.sim.brokers import ONE_BROKER, Broker
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.peer import Peer

# The wall clock at virtual time 0: 2026-01-01, any fixed date will do.
EPOCH_MS = 1_767_225_600_000

_DRAW_COUNT = 8_192  # uniforms drawn at a time: a call of numpy's costs as much as 200 of them
_TRACE_BYTES = 65_536

_Fact = Callable[[int], inputs.Input]
_Event = tuple[Callable[[Any, Any], None], Any, Any]


class _Message:
    """One published payload on its way from a broker to its readers."""

    __slots__ = ("broker", "number", "payload", "topic")

    def __init__(self, broker: Broker, topic: str, payload: bytes, number: int) -> None:
        self.broker = broker
        self.topic = topic
        self.payload = payload
        self.number = number


class Simulation:
    """A network of cores around brokers, each core connected to all of them.

    Args:
        seed: everything random follows from it; 0 or more.
        links: statistics of every link.
        brokers: the brokers, at least one.
        watch: told (peer, input, now in ms) of every input, before it is handled.

    Raises:
        UsageError: the seed is negative.
    """

    def __init__(
        self,
        seed: int,
        links: LinkPolicy | None = None,
        brokers: tuple[Broker, ...] | None = None,
        watch: Callable[[Peer, inputs.Input, int], None] | None = None,
    ) -> None:
        if seed < 0:
            raise UsageError(f"seed is {seed}; expected 0 or more")
        self.seed = seed
        self.links = links or LinkPolicy()
        self.brokers = brokers or tuple(Broker(policy) for policy in ONE_BROKER)
        self.now_ms = 0
        self.event_count = 0
        self.peers: dict[str, Peer] = {}
        self._watch = watch
        self._by_name = {broker.name: broker for broker in self.brokers}
        self._readers: dict[str, dict[int, Peer]] = {}  # by filter, then by the peer's number
        self._times: list[int] = []
        self._slots: dict[int, list[_Event]] = {}
        self._message_count = 0
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        self._draws: list[float] = []
        self._trace = sha256()
        self._lines = bytearray()

    @property
    def digest(self) -> str:
        """Hash of everything that happened so far, as hex."""
        self._trace.update(self._lines)
        self._lines.clear()
        return self._trace.hexdigest()

    # --- what is to happen -----------------------------------------------------------------

    def add(self, name: str, core: Core, skew_ms: int = 0) -> Peer:
        """Add a node that starts now.

        Raises:
            UsageError: the name is taken.
        """
        if name in self.peers:
            raise UsageError(f"node {name!r} is in this simulation already")
        peer = self.peers[name] = Peer(name, core, skew_ms, len(self.peers))
        self._boot(peer)
        return peer

    def _boot(self, peer: Peer) -> None:
        self.tell(peer.name, peer.store.load)
        self.tell(peer.name, inputs.Started)
        for broker in self.brokers:
            if broker.running:
                self._tell_up(peer, broker)

    def _tell_up(self, peer: Peer, broker: Broker) -> None:
        self.tell(peer.name, lambda wall_ms: inputs.BrokerUp(broker.name, wall_ms))

    def tell(self, name: str, fact: _Fact, *, after_ms: int = 0) -> None:
        """Schedule an input of a node.

        Args:
            name: the node.
            fact: given the node's wall clock at that moment, the input.
            after_ms: from now, 0 or more.
        """
        self._at(after_ms, self._happen, self.peers[name], fact)

    def crash(self, name: str, revive: Callable[[], Core], after_ms: int, away_ms: int) -> None:
        """Schedule a node's crash and its return with nothing but its disk.

        Args:
            name: the node.
            revive: makes its core anew.
            after_ms: from now.
            away_ms: how long it stays away; messages to it are lost.
        """
        peer = self.peers[name]

        def die(*_: object) -> None:
            peer.alive = False

        def return_from_disk(*_: object) -> None:
            peer.core, peer.alive = revive(), True
            peer.life += 1
            self._boot(peer)

        self._at(after_ms, die, None, None)
        self._at(after_ms + away_ms, return_from_disk, None, None)

    def cut_off(self, name: str, after_ms: int, length_ms: int) -> None:
        """Schedule a time in which a node's messages reach nobody, and nobody's reach it."""
        peer = self.peers[name]

        def leave(*_: object) -> None:
            peer.connected = False
            for broker in self.brokers:
                self._tell_down(peer, broker)

        def rejoin(*_: object) -> None:
            peer.connected = True
            for broker in self.brokers:
                if broker.running:
                    self._tell_up(peer, broker)

        self._at(after_ms, leave, None, None)
        self._at(after_ms + length_ms, rejoin, None, None)

    def stop_broker(self, name: str, after_ms: int, length_ms: int) -> None:
        """Schedule a time in which a broker is down; what it is given meanwhile is lost."""
        broker = self._by_name[name]

        def stop(*_: object) -> None:
            broker.running = False
            for peer in self.peers.values():
                self._tell_down(peer, broker)

        def start(*_: object) -> None:
            broker.running = True
            for peer in self.peers.values():
                if peer.connected:
                    self._tell_up(peer, broker)

        self._at(after_ms, stop, None, None)
        self._at(after_ms + length_ms, start, None, None)

    def _tell_down(self, peer: Peer, broker: Broker) -> None:
        self.tell(peer.name, lambda _: inputs.BrokerDown(broker.name))

    def end_faults(self) -> None:
        """Lose and duplicate nothing from now on, and have all brokers behave."""
        self.links = self.links.healed()
        for broker in self.brokers:
            broker.repent()

    # --- time ------------------------------------------------------------------------------

    def _at(self, after_ms: int, act: Callable[[Any, Any], None], first: Any, second: Any) -> None:
        at_ms = self.now_ms + after_ms
        slot = self._slots.get(at_ms)
        if slot is None:
            slot = self._slots[at_ms] = []
            heapq.heappush(self._times, at_ms)
        slot.append((act, first, second))

    def run(self, for_ms: int) -> None:
        """Let virtual time pass.

        Args:
            for_ms: how much, 0 or more.
        """
        until_ms = self.now_ms + for_ms
        times = self._times
        while times and times[0] <= until_ms:
            self.now_ms = heapq.heappop(times)
            for act, first, second in self._slots.pop(self.now_ms):
                act(first, second)
        self.now_ms = until_ms

    def _draw(self) -> float:
        if not self._draws:
            self._draws = self._rng.random(_DRAW_COUNT).tolist()
        return self._draws.pop()

    def coverage(self) -> float:
        """Return the share of (node, other's record) pairs that are held, 1.0 where all are."""
        union: dict[bytes, None] = {}
        for peer in self.peers.values():
            union.update(dict.fromkeys(peer.store.record_ids))
        held = sum(len(peer.store) for peer in self.peers.values())
        return held / (len(union) * len(self.peers)) if union else 1.0

    # --- what happens ----------------------------------------------------------------------

    def _happen(self, peer: Peer, fact: _Fact) -> None:
        """Let a node have an input, unless it is down; what it orders is carried out at once."""
        if not peer.alive:
            return
        event = fact(EPOCH_MS + self.now_ms + peer.skew_ms)
        self._note(peer.number, type(event).__name__.encode())
        self._handle(peer, event)

    def _handle(self, peer: Peer, event: inputs.Input) -> None:
        self.event_count += 1
        if self._watch is not None:
            self._watch(peer, event, self.now_ms)
        for effect in peer.core.handle(event, self.now_ms):
            match effect:
                case effects.Send():
                    self._route(peer, effect)
                case effects.SetTimer():
                    self._at(effect.delay_ms, self._fire, (peer, peer.life), effect.timer)
                case effects.Subscribe():
                    self._subscribe(peer, effect.topics + effect.passing)
                case effects.Fetch():
                    self._fetch(peer, effect)
                case _:
                    peer.store.commit(effect)

    def _fire(self, whose: tuple[Peer, int], timer: str) -> None:
        peer, life = whose
        if peer.life == life and peer.alive:  # a crash takes the timers with it
            self._note(peer.number, timer.encode())
            wall_ms = EPOCH_MS + self.now_ms + peer.skew_ms
            self._handle(peer, inputs.TimerFired(timer, wall_ms))

    def _fetch(self, peer: Peer, order: effects.Fetch) -> None:
        envelopes = peer.store.fetch(order.record_ids)
        fetched = inputs.Fetched(envelopes, order.topic, order.broker)
        self.tell(peer.name, lambda _: fetched)

    def _subscribe(self, peer: Peer, filters: tuple[str, ...]) -> None:
        for name in peer.filters:
            self._readers[name].pop(peer.number, None)
        for name in filters:
            self._readers.setdefault(name, {})[peer.number] = peer
        peer.filters = filters

    def _route(self, sender: Peer, order: effects.Send) -> None:
        """Take a message to the brokers that it is for, and from there to its readers."""
        self._note(sender.number, blake2b(order.payload, digest_size=16).digest())
        if not sender.connected:
            return
        for broker in (self._by_name[order.broker],) if order.broker else self.brokers:
            if not broker.running:
                continue
            sender.sent_bytes += len(order.payload)
            for up_ms in self.links.delays_ms(self._draw):
                if broker.passes(order.topic, order.payload, self._draw):
                    self._publish(broker, order, up_ms + broker.policy.delay_ms)
                    again_ms = broker.replays_after_ms(order.topic, self._draw)
                    if again_ms is not None:
                        self._publish(broker, order, up_ms + again_ms)

    def _publish(self, broker: Broker, order: effects.Send, after_ms: int) -> None:
        self._message_count += 1
        message = _Message(broker, order.topic, order.payload, self._message_count)
        parent = order.topic.rsplit("/", 1)[0]
        draw, links = self._draw, self.links
        for name in (order.topic, f"{parent}/+"):
            for reader in self._readers.get(name, {}).values():
                for down_ms in links.delays_ms(draw):
                    self._at(after_ms + down_ms, self._deliver, reader, message)

    def _deliver(self, reader: Peer, message: _Message) -> None:
        if not reader.connected or not reader.alive:
            return
        payload = message.payload
        reader.received_bytes += len(payload)
        self._note(reader.number, b"%d" % message.number)
        wall_ms = EPOCH_MS + self.now_ms + reader.skew_ms
        self._handle(reader, inputs.Received(message.broker.name, message.topic, payload, wall_ms))

    def _note(self, number: int, what: bytes) -> None:
        self._lines += b"%d %d %b\n" % (self.now_ms, number, what)
        if len(self._lines) > _TRACE_BYTES:
            self._trace.update(self._lines)
            self._lines.clear()

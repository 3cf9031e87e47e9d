"""Virtual time: real cores on a simulated network, one event after the other.

The engine interprets effects and does nothing else: a `Send` becomes deliveries after a delay, a
`SetTimer` an event later on, a storage effect a change of a dictionary. Time is integer
milliseconds from 0; the wall clock starts at `EPOCH_MS`. Events at the same millisecond run in the
order in which they were scheduled. Every random draw comes from the seed, so one seed gives one
trace, byte for byte, under any PYTHONHASHSEED; `digest` is the trace's hash.

An *event* is one input handled by one node or intruder: a message delivered to it (once per copy),
a timer of its own, a record of its user's, what its disk gave back, a connection that came or went.
What is lost or waits in a queue is none.
"""

import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b, sha256
from typing import Any, ClassVar

import numpy as np

from tastemesh.errors import UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.node.core import Core
from tastemesh.sim.brokers import ONE_BROKER, Broker
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.peer import Handler, Peer, Station
from tastemesh.sim.trace import Carried, Delivered, Revived, Sent, TraceWriter

# The wall clock at virtual time 0: 2026-01-01, any fixed date will do.
EPOCH_MS = 1_767_225_600_000

_DRAW_COUNT = 8_192  # uniforms drawn at a time: a call of numpy's costs as much as 200 of them
_TRACE_BYTES = 65_536

# From so many readers on, a message's fate on all their links is drawn at once (measured: numpy's
# calls cost what twenty scalar draws do).
_MANY = 24

INTRUDERS = 1 << 24
"""The number of the first hostile station; nodes are numbered from 0."""

_Fact = Callable[[int], inputs.Input]
Watch = Callable[[Peer, inputs.Input, int, list[Effect]], None]
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
    """A network of cores around brokers.

    Args:
        seed: everything random follows from it; 0 or more.
        links: statistics of every link.
        brokers: the brokers, at least one.
        watch: told (peer, input, now in ms, orders) of every input of a node, after it was handled
            and before it is carried out; intruders are not watched.
        record: where all of it is written, if anywhere.

    Raises:
        UsageError: the seed is negative.
    """

    def __init__(
        self,
        seed: int,
        links: LinkPolicy | None = None,
        brokers: tuple[Broker, ...] | None = None,
        watch: Watch | None = None,
        record: TraceWriter | None = None,
    ) -> None:
        if seed < 0:
            raise UsageError(f"seed is {seed}; expected 0 or more")
        self.seed = seed
        self.links = links or LinkPolicy()
        self.brokers = brokers or tuple(Broker(policy) for policy in ONE_BROKER)
        self.now_ms = 0
        self.event_count = 0
        self.peers: dict[str, Peer] = {}
        self.intruders: list[Station] = []
        self.moved_bytes: Counter[str] = Counter()
        """What nodes and intruders sent and received, by the topic's channel."""
        self._watch = watch
        self._record = record
        self._by_name = {broker.name: broker for broker in self.brokers}
        # By broker and filter, then by the reader's number.
        self._readers: dict[tuple[str, str], dict[int, Station]] = {}
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

    def add(
        self,
        name: str,
        core: Core,
        skew_ms: int = 0,
        brokers: tuple[str, ...] = (),
        after_ms: int = 0,
    ) -> Peer:
        """Add a node.

        Args:
            name: for traces and reports.
            core: the node itself.
            skew_ms: how far its wall clock is off.
            brokers: names of those that it connects to; empty for all.
            after_ms: when it starts, from now.

        Raises:
            UsageError: the name is taken, or there is no such broker.
        """
        if name in self.peers:
            raise UsageError(f"node {name!r} is in this simulation already")
        chosen = self._chosen(brokers)
        peer = self.peers[name] = Peer(name, core, skew_ms, len(self.peers), chosen)
        self._at(after_ms, self._boot, peer, None)
        return peer

    def intrude(self, name: str, handler: Handler, after_ms: int = 0) -> Station:
        """Add a hostile station that speaks the protocol by a program of its own.

        It is connected to every broker, hears and says what any client could, and has no store.
        """
        number = INTRUDERS + len(self.intruders)
        station = Station(name, handler, 0, number, self.brokers)
        self.intruders.append(station)
        self._at(after_ms, self._connect, station, None)
        return station

    def _chosen(self, names: tuple[str, ...]) -> tuple[Broker, ...]:
        unknown = [name for name in names if name not in self._by_name]
        if unknown:
            raise UsageError(f"no broker is called {unknown[0]!r}; there are {list(self._by_name)}")
        return tuple(self._by_name[name] for name in names) or self.brokers

    def _boot(self, peer: Peer, _: object) -> None:
        # At once, as a daemon has read its disk before it hears anything. A record that came in
        # first would be read back, find its own number taken, and be deleted.
        self._happen(peer, peer.store.load)
        self._connect(peer, None)

    def _connect(self, station: Station, _: object) -> None:
        self._tell(station, inputs.Started)
        for broker in station.brokers:
            if broker.running:
                self._tell_up(station, broker)

    def _tell_up(self, station: Station, broker: Broker) -> None:
        self._tell(station, lambda wall_ms: inputs.BrokerUp(broker.name, wall_ms))

    def tell(self, name: str, fact: _Fact, *, after_ms: int = 0) -> None:
        """Schedule an input of a node.

        Args:
            name: the node.
            fact: given the node's wall clock at that moment, the input.
            after_ms: from now, 0 or more.
        """
        self._at(after_ms, self._happen, self.peers[name], fact)

    def _tell(self, station: Station, fact: _Fact) -> None:
        self._at(0, self._happen, station, fact)

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
            peer.come_back(revive())
            if self._record is not None:
                self._record.put(Revived(self.now_ms, peer.number))
            self._boot(peer, None)

        self._at(after_ms, die, None, None)
        self._at(after_ms + away_ms, return_from_disk, None, None)

    def cut_off(self, name: str, after_ms: int, length_ms: int) -> None:
        """Schedule a time in which a node's messages reach nobody, and nobody's reach it."""
        peer = self.peers[name]

        def leave(*_: object) -> None:
            peer.connected = False
            for broker in peer.brokers:
                self._tell_down(peer, broker)

        def rejoin(*_: object) -> None:
            peer.connected = True
            for broker in peer.brokers:
                if broker.running:
                    self._tell_up(peer, broker)

        self._at(after_ms, leave, None, None)
        self._at(after_ms + length_ms, rejoin, None, None)

    def stop_broker(self, name: str, after_ms: int, length_ms: int) -> None:
        """Schedule a time in which a broker is down; what it is given meanwhile is lost."""
        broker = self._by_name[name]

        def stop(*_: object) -> None:
            broker.running = False
            for peer in self._clients(broker):
                self._tell_down(peer, broker)

        def start(*_: object) -> None:
            broker.running = True
            for peer in self._clients(broker):
                if peer.connected:
                    self._tell_up(peer, broker)

        self._at(after_ms, stop, None, None)
        self._at(after_ms + length_ms, start, None, None)

    def _clients(self, broker: Broker) -> list[Station]:
        everybody: list[Station] = [*self.peers.values(), *self.intruders]
        return [station for station in everybody if broker in station.brokers]

    def _tell_down(self, station: Station, broker: Broker) -> None:
        self._tell(station, lambda _: inputs.BrokerDown(broker.name))

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

    def end(self) -> None:
        """Drop all that was still to happen: it points back at the simulation, which would live on.

        A thousand nodes that are a cycle take Python a minute to find; these are freed at once.
        """
        self._slots.clear()
        self._times.clear()

    def _draw(self) -> float:
        if not self._draws:
            self._draws = self._rng.random(_DRAW_COUNT).tolist()
        return self._draws.pop()

    def coverage(self, without: frozenset[bytes] = frozenset()) -> float:
        """Return the share of (node, record) pairs that are held, 1.0 where all are.

        Args:
            without: authors whose records do not count.
        """
        union: dict[bytes, None] = {}
        held = 0
        for peer in self.peers.values():
            ids = [i for i, author in peer.store.authors() if author not in without]
            union.update(dict.fromkeys(ids))
            held += len(ids)
        return held / (len(union) * len(self.peers)) if union else 1.0

    # --- what happens ----------------------------------------------------------------------

    def _happen(self, station: Station, fact: _Fact) -> None:
        """Let a station have an input, unless it is down; what it orders is carried out at once."""
        if not station.alive:
            return
        event = fact(EPOCH_MS + self.now_ms + station.skew_ms)
        self._note(station.number, type(event).__name__.encode())
        if self._record is not None:
            self._record.put_input(self.now_ms, station.number, event)
        self._handle(station, event)

    def _handle(self, station: Station, event: inputs.Input) -> None:
        self.event_count += 1
        orders = station.handle(event, self.now_ms)
        if self._watch is not None and isinstance(station, Peer):
            self._watch(station, event, self.now_ms, orders)
        if orders:
            self._carry_out(station, orders)

    def _carry_out(self, station: Station, orders: list[Effect]) -> None:
        for order in orders:
            carrier = self._CARRIERS.get(type(order))
            if carrier is None:
                station.commit(order)
            else:
                carrier(self, station, order)

    def _set_timer(self, station: Station, order: effects.SetTimer) -> None:
        self._at(order.delay_ms, self._fire, (station, station.life), order.timer)

    def _fire(self, whose: tuple[Station, int], timer: str) -> None:
        station, life = whose
        if station.life == life and station.alive:  # a crash takes the timers with it
            self._note(station.number, timer.encode())
            fired = inputs.TimerFired(timer, EPOCH_MS + self.now_ms + station.skew_ms)
            if self._record is not None:
                self._record.put_input(self.now_ms, station.number, fired)
            self._handle(station, fired)

    def _fetch(self, station: Station, order: effects.Fetch) -> None:
        fetched = inputs.Fetched(station.fetch(order.record_ids), order.topic, order.broker)
        self._tell(station, lambda _: fetched)

    def _subscribe(self, station: Station, order: effects.Subscribe) -> None:
        topics = order.topics + order.passing
        for broker in station.brokers:
            for name in station.filters:
                self._readers[broker.name, name].pop(station.number, None)
            for name in topics:
                self._readers.setdefault((broker.name, name), {})[station.number] = station
        station.filters = topics

    def _route(self, sender: Station, order: effects.Send) -> None:
        """Take a message to the brokers that it is for, and from there to its readers."""
        digest = blake2b(order.payload, digest_size=16).digest()
        self._note(sender.number, digest)
        if self._record is not None:
            self._record.put(Sent(sender.number, digest))
        if not sender.connected:
            return
        for broker in sender.brokers:
            if not broker.running or (order.broker and order.broker != broker.name):
                continue
            sender.sent_bytes += len(order.payload)
            self.moved_bytes[_channel_in(order.topic)] += len(order.payload)
            for up_ms in self.links.delays_ms(self._draw):
                for later_ms in broker.handling_ms(order.topic, order.payload, self._draw):
                    self._publish(sender, broker, order, up_ms + later_ms)

    def _publish(self, sender: Station, broker: Broker, order: effects.Send, after_ms: int) -> None:
        self._message_count += 1
        if self._record is not None:
            number, topic, payload = self._message_count, order.topic, order.payload
            self._record.put(Carried(number, sender.number, broker.name, topic, payload))
        message = _Message(broker, order.topic, order.payload, self._message_count)
        readers = self._readers_of(broker, order.topic)
        if len(readers) < _MANY:
            for reader in readers:
                for down_ms in self.links.delays_ms(self._draw):
                    self._at(after_ms + down_ms, self._deliver, (reader,), message)
        else:
            for down_ms, links in self.links.deliveries(len(readers), self._rng):
                heard = [readers[link] for link in links]
                self._at(after_ms + down_ms, self._deliver, heard, message)

    def _readers_of(self, broker: Broker, topic: str) -> list[Station]:
        parent = topic.rsplit("/", 1)[0]
        exact = self._readers.get((broker.name, topic), {})
        return [*exact.values(), *self._readers.get((broker.name, f"{parent}/+"), {}).values()]

    _CARRIERS: ClassVar[dict[type[Effect], Callable[..., None]]] = {
        effects.Send: _route,
        effects.SetTimer: _set_timer,
        effects.Subscribe: _subscribe,
        effects.Fetch: _fetch,
    }

    def _deliver(self, readers: Sequence[Station], message: _Message) -> None:
        now_ms, payload, watch = self.now_ms, message.payload, self._watch
        broker, topic, size_bytes = message.broker.name, message.topic, len(message.payload)
        mean_ms = EPOCH_MS + now_ms
        skew_ms: int | None = None
        heard = [reader for reader in readers if reader.connected and reader.alive]
        reached = [reader.number for reader in heard]
        if self._record is not None and heard:
            self._record.put(Delivered(now_ms, message.number, reached))
        for reader in heard:
            reader.received_bytes += size_bytes
            if skew_ms != reader.skew_ms:  # one input for all whose clocks agree
                skew_ms = reader.skew_ms
                event = inputs.Received(broker, topic, payload, mean_ms + skew_ms)
            orders = reader.handle(event, now_ms)
            if watch is not None and isinstance(reader, Peer):
                watch(reader, event, now_ms, orders)
            if orders:
                self._carry_out(reader, orders)
        self.event_count += len(reached)
        if reached:
            self.moved_bytes[_channel_in(topic)] += len(reached) * size_bytes
            self._note(message.number, array("I", reached).tobytes())

    def _note(self, number: int, what: bytes) -> None:
        self._lines += b"%d %d %b\n" % (self.now_ms, number, what)
        if len(self._lines) > _TRACE_BYTES:
            self._trace.update(self._lines)
            self._lines.clear()


def _channel_in(topic: str) -> str:
    """Return the level of a topic that names its channel; empty where there is none."""
    levels = topic.split("/", 4)
    return levels[3] if len(levels) > 3 else ""

"""Virtual time: real cores on a simulated network, one event after the other.

The engine interprets effects and does nothing else: a `Send` becomes deliveries after a delay, a
`SetTimer` an event later on, a storage effect a change of a dictionary. Time is integer
milliseconds from 0; the wall clock starts at `EPOCH_MS`. What comes first within a millisecond,
`tastemesh.sim.agenda` says. Every random draw comes from the seed, so one seed gives one
trace, byte for byte, under any PYTHONHASHSEED; `digest` is the trace's hash.

No message arrives sooner than the links' least delay after it was sent. So time passes in spans of
that length, in which no station can hear of what another one does: stations live through a span
each for itself, and what they ordered is given to the network at its end. That lets processes share
a network's nodes (`tastemesh.sim.company`); the trace is the same for any number of them.

An *event* is one input handled by one node or intruder: a message delivered to it (once per copy),
a timer of its own, a record of its user's, what its disk gave back, a connection that came or went.
What is lost or waits in a queue is none.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b, sha256
from operator import attrgetter
from typing import Any, ClassVar

from tastemesh.errors import UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.node.core import Core
from tastemesh.sim.agenda import Act, Agenda
from tastemesh.sim.brokers import Broker
from tastemesh.sim.company import Company
from tastemesh.sim.holdings import Holdings
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.network import Deed, Message, Network, Sending, Subscribing, channel_in
from tastemesh.sim.peer import INTRUDERS, Handler, Peer, Station
from tastemesh.sim.reading import Signatures
from tastemesh.sim.reports import Reports
from tastemesh.sim.trace import Delivered, Revived, Sent, TraceWriter
from tastemesh.sim.trace_hash import TraceHash

# The wall clock at virtual time 0: 2026-01-01, any fixed date will do.
EPOCH_MS = 1_767_225_600_000

_Fact = Callable[[int], inputs.Input]

_in_order = attrgetter("at_ms", "station")


class Simulation:
    """A network of cores around brokers.

    Args:
        seed: everything random follows from it; 0 or more.
        links: statistics of every link.
        brokers: the brokers, at least one.
        record: where all of it is written, if anywhere; for a company of one.
        company: the processes that share the nodes; None for this one alone.
        signatures: those made by the nodes, of which the other processes are told.

    Raises:
        UsageError: the seed is negative.
    """

    def __init__(
        self,
        seed: int,
        links: LinkPolicy | None = None,
        brokers: tuple[Broker, ...] | None = None,
        record: TraceWriter | None = None,
        company: Company | None = None,
        signatures: Signatures | None = None,
    ) -> None:
        if seed < 0:
            raise UsageError(f"seed is {seed}; expected 0 or more")
        self.seed = seed
        self.network = Network(seed, links, brokers, record)
        self.company = company or Company()
        self.now_ms = 0
        self.event_count = 0
        self.peers: dict[str, Peer] = {}
        """The nodes that live in this process."""
        self.nodes: dict[str, Station] = {}
        """All nodes."""
        self.intruders: list[Station] = []
        self.holdings = Holdings()
        """What the nodes in this process hold."""
        self._record = record
        self._reports = Reports(self.company, signatures)
        self._agenda = Agenda()
        self._deeds: list[Deed] = []
        self._stations: dict[int, Station] = {}
        self._heard = TraceHash()
        self._done = TraceHash()

    @property
    def moved_bytes(self) -> Counter[str]:
        """What nodes sent and received, by the topic's channel."""
        return self.network.moved_bytes

    @property
    def brokers(self) -> tuple[Broker, ...]:
        """The brokers."""
        return self.network.brokers

    @property
    def digest(self) -> str:
        """Hash of everything that happened so far, as hex."""
        return sha256(self._heard.digest() + self._done.digest()).hexdigest()

    # --- what is to happen -----------------------------------------------------------------

    def add(
        self,
        name: str,
        core: Core | None,
        skew_ms: int = 0,
        brokers: tuple[str, ...] = (),
        after_ms: int = 0,
    ) -> Station:
        """Add a node.

        Args:
            name: for traces and reports.
            core: the node itself; None if it lives in another process of the company.
            skew_ms: how far its wall clock is off.
            brokers: names of those that it connects to; empty for all.
            after_ms: when it starts, from now.

        Raises:
            UsageError: the name is taken, or there is no such broker.
        """
        if name in self.nodes:
            raise UsageError(f"node {name!r} is in this simulation already")
        chosen = tuple(map(self.network.broker, brokers)) or self.brokers
        number = len(self.nodes)
        station: Station
        if core is None:
            station = Station(name, None, skew_ms, number, chosen)
        else:
            peer = Peer(name, core, skew_ms, number, chosen, self.holdings)
            station = self.peers[name] = peer
        self.nodes[name] = self._stations[number] = station
        self._at(after_ms, self._boot, station, None)
        return station

    def intrude(self, name: str, handler: Handler, after_ms: int = 0) -> Station:
        """Add a hostile station that speaks the protocol by a program of its own.

        It is connected to every broker, hears and says what any client could, and has no store. All
        of them live in the company's first process: they may be in league.
        """
        number = INTRUDERS + len(self.intruders)
        here = handler if self.company.rank == 0 else None
        station = self._stations[number] = Station(name, here, 0, number, self.brokers)
        self.intruders.append(station)
        self._at(after_ms, self._boot, station, None)
        return station

    def _boot(self, station: Station, _: object) -> None:
        station.alive = True
        # At once, as a daemon has read its disk before it hears anything. A record that came in
        # first would be read back, find its own number taken, and be deleted.
        if isinstance(station, Peer):
            self._happen(station, station.store.load)
        self._tell(station, inputs.Started)
        for broker in station.brokers:
            self._tell_up(station, broker)

    def _tell_up(self, station: Station, broker: Broker) -> None:
        if station.connected and broker.running:
            self._tell(station, lambda wall_ms: inputs.BrokerUp(broker.name, wall_ms))

    def tell(self, name: str, fact: _Fact, *, after_ms: int = 0) -> None:
        """Schedule an input of a node.

        Args:
            name: the node.
            fact: given the node's wall clock at that moment, the input.
            after_ms: from now, 0 or more.
        """
        self._tell(self.nodes[name], fact, after_ms)

    def _tell(self, station: Station, fact: _Fact, after_ms: int = 0) -> None:
        if station.handle is not None:
            self._at(after_ms, self._happen, station, fact)

    def crash(self, name: str, revive: Callable[[], Core], after_ms: int, away_ms: int) -> None:
        """Schedule a node's crash and its return with nothing but its disk.

        Args:
            name: the node.
            revive: makes its core anew.
            after_ms: from now.
            away_ms: how long it stays away; messages to it are lost.
        """
        station = self.nodes[name]

        def die(*_: object) -> None:
            station.alive = False

        def return_from_disk(*_: object) -> None:
            if isinstance(station, Peer):
                station.come_back(revive())
            if self._record is not None:
                self._record.put(Revived(self.now_ms, station.number))
            self._boot(station, None)

        self._at(after_ms, die, None, None)
        self._at(after_ms + away_ms, return_from_disk, None, None)

    def cut_off(self, name: str, after_ms: int, length_ms: int) -> None:
        """Schedule a time in which a node's messages reach nobody, and nobody's reach it."""
        station = self.nodes[name]

        def leave(*_: object) -> None:
            station.connected = False
            for broker in station.brokers:
                self._tell_down(station, broker)

        def rejoin(*_: object) -> None:
            station.connected = True
            for broker in station.brokers:
                self._tell_up(station, broker)

        self._at(after_ms, leave, None, None)
        self._at(after_ms + length_ms, rejoin, None, None)

    def stop_broker(self, name: str, after_ms: int, length_ms: int) -> None:
        """Schedule a time in which a broker is down; what it is given meanwhile is lost."""
        broker = self.network.broker(name)

        def stop(*_: object) -> None:
            broker.running = False
            for station in self._clients(broker):
                self._tell_down(station, broker)

        def start(*_: object) -> None:
            broker.running = True
            for station in self._clients(broker):
                self._tell_up(station, broker)

        self._at(after_ms, stop, None, None)
        self._at(after_ms + length_ms, start, None, None)

    def _clients(self, broker: Broker) -> list[Station]:
        return [each for each in self._stations.values() if broker in each.brokers]

    def _tell_down(self, station: Station, broker: Broker) -> None:
        self._tell(station, lambda _: inputs.BrokerDown(broker.name))

    def end_faults(self) -> None:
        """Lose and duplicate nothing from now on, and have all brokers behave."""
        self.network.heal()

    # --- time ------------------------------------------------------------------------------

    def _at(self, after_ms: int, act: Act, first: Any, second: Any) -> None:
        self._agenda.put(self.now_ms + after_ms, (act, first, second))

    def run(self, for_ms: int) -> None:
        """Let virtual time pass.

        Args:
            for_ms: how much, 0 or more.

        Raises:
            ProcessError: another process of the company has ended.
        """
        until_ms = self.now_ms + for_ms
        span_ms = max(1, self.network.least_ms)
        next_ms = self._settle()
        while next_ms <= until_ms:
            self._live_through(min(next_ms + span_ms - 1, until_ms))
            next_ms = self._settle()
        self.now_ms = until_ms

    def _live_through(self, end_ms: int) -> None:
        """Let everything happen until a moment, that moment included."""
        agenda = self._agenda
        while agenda.next_ms <= end_ms:
            self.now_ms = agenda.pop_time()
            for readers, message in agenda.pop_arrivals(self.now_ms):
                self._deliver(readers, message)
            for act, first, second in agenda.pop_events(self.now_ms):
                act(first, second)

    def _settle(self) -> int:
        """Give the network what all stations ordered; return when something happens next."""
        mine, self._deeds = self._deeds, []
        next_ms, deeds = self._reports.share(self._agenda.next_ms, mine)
        deeds.sort(key=_in_order)
        for deed in deeds:
            if deed.note:
                self._done.note(deed.at_ms, deed.station, deed.note)
            match deed.order:
                case None:
                    self.event_count += 1
                case Sending():
                    sender = self._stations[deed.station]
                    for at_ms, readers, message in self.network.carry(
                        sender, deed.order, deed.at_ms
                    ):
                        self._agenda.put_arrival(at_ms, readers, message)
                case Subscribing():
                    self.network.subscribe(self._stations[deed.station], deed.order)
        return min(next_ms, self._agenda.next_ms)

    def end(self) -> None:
        """Drop all that was still to happen: it points back at the simulation, which would live on.

        A thousand nodes that are a cycle take Python a minute to find; these are freed at once.
        """
        self._agenda.clear()

    # --- what happens ----------------------------------------------------------------------

    def _happen(self, station: Station, fact: _Fact) -> None:
        """Let a station have an input, unless it is down; what it orders is carried out at once."""
        if not station.alive:
            return
        event = fact(EPOCH_MS + self.now_ms + station.skew_ms)
        self._handle(station, event, type(event).__name__)

    def _handle(self, station: Station, event: inputs.Input, kind: str) -> None:
        assert station.handle is not None
        self._deeds.append(Deed(self.now_ms, station.number, kind.encode()))
        if self._record is not None:
            self._record.put_input(self.now_ms, station.number, event)
        orders = station.handle(event, self.now_ms)
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
            wall_ms = EPOCH_MS + self.now_ms + station.skew_ms
            self._handle(station, inputs.TimerFired(timer, wall_ms), timer)

    def _fetch(self, station: Station, order: effects.Fetch) -> None:
        fetched = inputs.Fetched(station.fetch(order.record_ids), order.topic, order.broker)
        self._tell(station, lambda _: fetched)

    def _subscribe(self, station: Station, order: effects.Subscribe) -> None:
        wanted = Subscribing(order.topics + order.passing)
        self._deeds.append(Deed(self.now_ms, station.number, b"", wanted))

    def _send(self, station: Station, order: effects.Send) -> None:
        digest = blake2b(order.payload, digest_size=16).digest()
        if self._record is not None:
            self._record.put(Sent(station.number, digest))
        heard_by = self.network.hearing(station, order.broker)
        sending = Sending(order.topic, order.payload, heard_by)
        self._deeds.append(Deed(self.now_ms, station.number, digest, sending))

    _CARRIERS: ClassVar[dict[type[Effect], Callable[..., None]]] = {
        effects.Send: _send,
        effects.SetTimer: _set_timer,
        effects.Subscribe: _subscribe,
        effects.Fetch: _fetch,
    }

    def _deliver(self, readers: Sequence[Station], message: Message) -> None:
        now_ms, payload = self.now_ms, message.payload
        broker, topic, size_bytes = message.broker.name, message.topic, len(message.payload)
        mean_ms = EPOCH_MS + now_ms
        skew_ms: int | None = None
        heard = [reader for reader in readers if reader.connected and reader.alive]
        if not heard:
            return
        reached = [reader.number for reader in heard]
        if self._record is not None:
            self._record.put(Delivered(now_ms, message.number, reached))
        for reader in heard:
            reader.received_bytes += size_bytes
            handle = reader.handle
            if handle is None:
                continue
            if skew_ms != reader.skew_ms:  # one input for all whose clocks agree
                skew_ms = reader.skew_ms
                event = inputs.Received(broker, topic, payload, mean_ms + skew_ms)
            orders = handle(event, now_ms)
            if orders:
                self._carry_out(reader, orders)
        self.event_count += len(reached)
        nodes = sum(number < INTRUDERS for number in reached) if self.intruders else len(reached)
        self.network.moved_bytes[channel_in(topic)] += nodes * size_bytes
        self._heard.note(now_ms, message.number, array("I", reached).tobytes())

"""Virtual time: real cores on a simulated network, one event after the other.

The engine interprets effects and does nothing else: a `Send` becomes deliveries after a delay, a
`SetTimer` an event later on, a storage effect a change of a dictionary. Time is integer
milliseconds from 0; the wall clock starts at `EPOCH_MS`. Events at the same millisecond run in the
order in which they were scheduled. Every random draw comes from the seed, so one seed gives one
trace, byte for byte, under any PYTHONHASHSEED; `digest` is the trace's hash.
"""

import heapq
from collections.abc import Callable
from hashlib import blake2b, sha256

import numpy as np

from tastemesh.errors import UsageError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.gossip.topics import PREFIX
from tastemesh.node.core import Core
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.peer import Peer

# The wall clock at virtual time 0: 2026-01-01, any fixed date will do.
EPOCH_MS = 1_767_225_600_000

BROKER = "broker"

_Fact = Callable[[int], inputs.Input]
_Event = tuple[int, int, Callable[[], None]]


class Simulation:
    """A network of cores around one broker.

    Args:
        seed: everything random follows from it; 0 or more.
        links: statistics of every link.

    Raises:
        UsageError: the seed is negative.
    """

    def __init__(self, seed: int, links: LinkPolicy | None = None) -> None:
        if seed < 0:
            raise UsageError(f"seed is {seed}; expected 0 or more")
        self.seed = seed
        self.links = links or LinkPolicy()
        self.now_ms = 0
        self.event_count = 0
        self.peers: dict[str, Peer] = {}
        self._readers: dict[str, list[Peer]] = {}
        self._events: list[_Event] = []
        self._scheduled = 0
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        self._trace = sha256()

    @property
    def digest(self) -> str:
        """Hash of everything that happened so far, as hex."""
        return self._trace.hexdigest()

    def add(self, name: str, core: Core, skew_ms: int = 0) -> Peer:
        """Add a node that starts now.

        Raises:
            UsageError: the name is taken.
        """
        if name in self.peers:
            raise UsageError(f"node {name!r} is in this simulation already")
        peer = self.peers[name] = Peer(name, core, skew_ms)
        self._boot(peer)
        return peer

    def _boot(self, peer: Peer) -> None:
        self.tell(peer.name, peer.store.load)
        self.tell(peer.name, inputs.Started)
        self.tell(peer.name, lambda wall_ms: inputs.BrokerUp(BROKER, wall_ms))

    def tell(self, name: str, fact: _Fact, *, after_ms: int = 0) -> None:
        """Schedule an input of a node.

        Args:
            name: the node.
            fact: given the node's wall clock at that moment, the input.
            after_ms: from now, 0 or more.
        """
        peer = self.peers[name]
        self._at(after_ms, lambda: self._happen(peer, fact))

    def crash(self, name: str, revive: Callable[[], Core], after_ms: int, away_ms: int) -> None:
        """Schedule a node's crash and its return with nothing but its disk.

        Args:
            name: the node.
            revive: makes its core anew.
            after_ms: from now.
            away_ms: how long it stays away; messages to it are lost.
        """
        peer = self.peers[name]

        def die() -> None:
            peer.alive = False

        def return_from_disk() -> None:
            peer.core, peer.alive = revive(), True
            peer.life += 1
            self._boot(peer)

        self._at(after_ms, die)
        self._at(after_ms + away_ms, return_from_disk)

    def cut_off(self, name: str, after_ms: int, length_ms: int) -> None:
        """Schedule a time in which a node's messages reach nobody, and nobody's reach it."""
        peer = self.peers[name]

        def leave() -> None:
            peer.connected = False
            self.tell(name, lambda _: inputs.BrokerDown(BROKER))

        def rejoin() -> None:
            peer.connected = True
            self.tell(name, lambda wall_ms: inputs.BrokerUp(BROKER, wall_ms))

        self._at(after_ms, leave)
        self._at(after_ms + length_ms, rejoin)

    def _at(self, after_ms: int, change: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._events, (self.now_ms + after_ms, self._scheduled, change))

    def run(self, for_ms: int) -> None:
        """Let virtual time pass.

        Args:
            for_ms: how much, 0 or more.
        """
        until_ms = self.now_ms + for_ms
        while self._events and self._events[0][0] <= until_ms:
            self.now_ms, _, change = heapq.heappop(self._events)
            change()
        self.now_ms = until_ms

    def coverage(self) -> float:
        """Return the share of (node, other's record) pairs that are held, 1.0 where all are."""
        union: dict[bytes, None] = {}
        for peer in self.peers.values():
            union.update(dict.fromkeys(peer.store.record_ids))
        held = sum(len(peer.store) for peer in self.peers.values())
        return held / (len(union) * len(self.peers)) if union else 1.0

    def _happen(self, peer: Peer, fact: _Fact) -> None:
        """Let a node have an input, unless it is down; what it orders is carried out at once."""
        if not peer.alive:
            return
        event = fact(EPOCH_MS + self.now_ms + peer.skew_ms)
        self.event_count += 1
        self._note(peer.name, type(event).__name__, getattr(event, "payload", b""))
        for effect in peer.core.handle(event, self.now_ms):
            self._carry_out(peer, effect)

    def _carry_out(self, peer: Peer, effect: Effect) -> None:
        match effect:
            case effects.Send():
                self._note(peer.name, effect.topic, effect.payload)
                self._route(peer, effect)
            case effects.SetTimer():
                self._set_timer(peer, effect)
            case effects.Subscribe():
                peer.filters = effect.topics
                self._readers.clear()
            case effects.Fetch():
                fetched = inputs.Fetched(
                    peer.store.fetch(effect.record_ids), effect.topic, effect.broker
                )
                self.tell(peer.name, lambda _: fetched)
            case _:
                peer.store.commit(effect)

    def _set_timer(self, peer: Peer, order: effects.SetTimer) -> None:
        life = peer.life

        def fire() -> None:
            if peer.life == life:  # a crash takes the timers with it
                self._happen(peer, lambda wall_ms: inputs.TimerFired(order.timer, wall_ms))

        self._at(order.delay_ms, fire)

    def _route(self, sender: Peer, message: effects.Send) -> None:
        """Take a message to the broker, and from there to whoever reads its topic."""
        if not sender.connected:
            return
        sender.sent_bytes += len(message.payload)
        topic, payload = message.topic, message.payload
        readers = self._readers_of(topic)
        for _, up_ms in self.links.delays_ms(1, self._rng):
            for link, down_ms in self.links.delays_ms(len(readers), self._rng):
                self._deliver(readers[link], topic, payload, up_ms + down_ms)

    def _deliver(self, reader: Peer, topic: str, payload: bytes, after_ms: int) -> None:
        def arrive() -> None:
            if reader.connected:
                reader.received_bytes += len(payload)
                self._happen(
                    reader, lambda wall_ms: inputs.Received(BROKER, topic, payload, wall_ms)
                )

        self._at(after_ms, arrive)

    def _readers_of(self, topic: str) -> list[Peer]:
        assert topic.startswith(PREFIX)
        readers = self._readers.get(topic)
        if readers is None:
            readers = [peer for peer in self.peers.values() if peer.reads(topic)]
            self._readers[topic] = readers
        return readers

    def _note(self, name: str, kind: str, payload: bytes) -> None:
        line = b"%d %s %s %s\n" % (
            self.now_ms,
            name.encode(),
            kind.encode(),
            blake2b(payload, digest_size=16).digest(),
        )
        self._trace.update(line)

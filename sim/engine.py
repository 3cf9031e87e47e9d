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

_Event = tuple[int, int, str, Callable[[int], inputs.Input]]


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
        self._readers: dict[str, list[str]] = {}
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
        self.tell(name, lambda wall_ms: peer.store.load(wall_ms))
        self.tell(name, inputs.Started)
        self.tell(name, lambda wall_ms: inputs.BrokerUp(BROKER, wall_ms))
        return peer

    def tell(self, name: str, fact: Callable[[int], inputs.Input], *, after_ms: int = 0) -> None:
        """Schedule an input of a node.

        Args:
            name: the node.
            fact: given the node's wall clock at that moment, the input.
            after_ms: from now, 0 or more.
        """
        self._scheduled += 1
        heapq.heappush(self._events, (self.now_ms + after_ms, self._scheduled, name, fact))

    def run(self, for_ms: int, progress: Callable[[int], None] | None = None) -> None:
        """Let virtual time pass.

        Args:
            for_ms: how much, 0 or more.
            progress: called now and then with the virtual time.
        """
        until_ms = self.now_ms + for_ms
        while self._events and self._events[0][0] <= until_ms:
            self.now_ms, _, name, fact = heapq.heappop(self._events)
            peer = self.peers[name]
            wall_ms = EPOCH_MS + self.now_ms + peer.skew_ms
            self._step(peer, fact(wall_ms))
            if progress is not None and self.event_count % 4096 == 0:
                progress(self.now_ms)
        self.now_ms = until_ms

    def coverage(self) -> float:
        """Return the share of (node, other's record) pairs that are held, 1.0 where all are."""
        union: dict[bytes, None] = {}
        for peer in self.peers.values():
            union.update(dict.fromkeys(peer.store.record_ids))
        held = sum(len(peer.store) for peer in self.peers.values())
        return held / (len(union) * len(self.peers)) if union else 1.0

    def _step(self, peer: Peer, event: inputs.Input) -> None:
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
                timer = effect.timer
                self.tell(
                    peer.name,
                    lambda wall_ms: inputs.TimerFired(timer, wall_ms),
                    after_ms=effect.delay_ms,
                )
            case effects.Subscribe():
                peer.filters = effect.topics
                self._readers.clear()
            case effects.Fetch():
                fetched = inputs.Fetched(peer.store.fetch(effect.record_ids), effect.topic)
                self.tell(peer.name, lambda _: fetched)
            case _:
                peer.store.commit(effect)

    def _route(self, sender: Peer, message: effects.Send) -> None:
        """Take a message to the broker, and from there to whoever reads its topic."""
        sender.sent_bytes += len(message.payload)
        topic, payload = message.topic, message.payload
        readers = self._readers_of(topic)
        for _, up_ms in self.links.delays_ms(1, self._rng):
            for link, down_ms in self.links.delays_ms(len(readers), self._rng):
                self.peers[readers[link]].received_bytes += len(payload)
                self.tell(
                    readers[link],
                    lambda wall_ms: inputs.Received(BROKER, topic, payload, wall_ms),
                    after_ms=up_ms + down_ms,
                )

    def _readers_of(self, topic: str) -> list[str]:
        assert topic.startswith(PREFIX)
        readers = self._readers.get(topic)
        if readers is None:
            readers = [peer.name for peer in self.peers.values() if peer.reads(topic)]
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

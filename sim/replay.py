"""Replay: the nodes of a recorded run live it again, without links, brokers and clocks.

Each node is given the inputs that it was given, in the same order, and must order the same
messages, byte for byte, and recommend the same items for the same reasons. What differs is named by
node and time: the code has changed since, or something in it is not a function of its inputs.
"""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b

import msgspec

from tastemesh.errors import ReplayError, TraceError
from tastemesh.gossip import effects, inputs
from tastemesh.gossip.effects import Effect
from tastemesh.sim.engine import EPOCH_MS
from tastemesh.sim.peer import INTRUDERS, Peer
from tastemesh.sim.population import Population
from tastemesh.sim.trace import Carried, Delivered, End, Happened, Listed, Revived, Sent, Trace

LIST_LENGTH = 10
"""What users see first."""

_TOLD_ENTRIES = 20_000  # between reports of progress

Seen = Callable[[Peer, inputs.Input, int, Carried | None, list[Effect]], None]
"""Is told (node, input, ms, the message that it is, if any, orders) of everything replayed."""


class Replayed(msgspec.Struct, frozen=True):
    """What a replay found equal.

    Attributes:
        inputs: handled by nodes.
        messages: that the nodes sent, each the same as recorded.
        recommendations: lists, each the same as recorded.
        digest: of the recorded run.
    """

    inputs: int
    messages: int
    recommendations: int
    digest: str


class Replay:
    """One run again.

    Args:
        trace: the recording.
        seen: told of every input.
        until_ms: virtual time after which nothing is of interest; None for all.
    """

    def __init__(self, trace: Trace, seen: Seen | None = None, until_ms: int | None = None) -> None:
        self._trace = trace
        self._seen = seen
        self._until_ms = until_ms
        self._population = Population(trace.header.scenario, trace.header.seed)
        self._messages: dict[int, Carried] = {}
        self._fetches: dict[int, deque[inputs.Fetched]] = {}
        self._owed: deque[tuple[int, bytes, int]] = deque()  # what was ordered and not yet compared
        self._counts = {"inputs": 0, "messages": 0, "recommendations": 0}
        self.peers = [
            Peer(f"n{number}", self._population.core(number), skew_ms, number)
            for number, skew_ms in enumerate(self._population.skews_ms)
        ]

    def run(self, progress: Callable[[str, int, int], None]) -> Replayed:
        """Go through the recording.

        Args:
            progress: told (stage, done, total) in virtual seconds.

        Raises:
            TraceError: the file is damaged.
            ReplayError: a node does something else than it did.
        """
        total_s = round(self._trace.header.scenario.seconds)
        digest, at_ms = "", 0
        for number, entry in enumerate(self._trace.entries()):
            at_ms = getattr(entry, "at_ms", at_ms)
            if self._until_ms is not None and at_ms > self._until_ms:
                break
            if not isinstance(entry, Sent | Carried) and self._owed:
                station, _, since_ms = self._owed[0]
                raise self._differs(station, since_ms, "it sends a message that it did not send")
            match entry:
                case Carried():
                    self._messages[entry.number] = entry
                case Delivered():
                    self._deliver(entry)
                case Happened():
                    self._happen(entry)
                case Sent():
                    self._compare(entry, at_ms)
                case Revived():
                    self._peer(entry.station).come_back(self._population.core(entry.station))
                    self._fetches.pop(entry.station, None)
                case Listed():
                    self._ask(entry)
                case End():
                    digest = entry.digest
            if not number % _TOLD_ENTRIES:
                progress("replaying", at_ms // 1000, total_s)
        progress("replaying", total_s, total_s)
        return Replayed(digest=digest, **self._counts)

    def user_of(self, node: int) -> bytes:
        """Return the id of the user of a node."""
        return self._population.people[node].id

    def name_of(self, author: str) -> str:
        """Return the node on which an author lives, by his id as hex; the id where on none."""
        for number, person in enumerate(self._population.people):
            if person.id.hex() == author:
                return f"n{number}"
        return author[:16]

    def _deliver(self, entry: Delivered) -> None:
        message = self._messages.get(entry.number)
        if message is None:
            raise self._unreadable(f"message {entry.number} was never sent")
        for station in entry.readers:
            if station < INTRUDERS:
                wall_ms = EPOCH_MS + entry.at_ms + self._peer(station).skew_ms
                heard = inputs.Received(message.broker, message.topic, message.payload, wall_ms)
                self._handle(station, heard, entry.at_ms, message)

    def _happen(self, entry: Happened) -> None:
        if entry.station >= INTRUDERS:
            return
        peer = self._peer(entry.station)
        kind = getattr(inputs, entry.kind, None)
        try:
            if kind is inputs.Restored:
                event: inputs.Input = peer.store.load(msgspec.msgpack.decode(entry.body, type=int))
            elif kind is inputs.Fetched:
                event = self._fetched(entry)
            elif isinstance(kind, type) and issubclass(kind, inputs.Input):
                event = msgspec.msgpack.decode(entry.body, type=kind)
            else:
                raise self._unreadable(f"unknown input {entry.kind!r}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unreadable(f"input {entry.kind!r}: {error}") from None
        self._handle(entry.station, event, entry.at_ms, None)

    def _fetched(self, entry: Happened) -> inputs.Fetched:
        due = self._fetches.get(entry.station)
        if not due:
            raise self._differs(entry.station, entry.at_ms, "it reads something else off its disk")
        return due.popleft()

    def _peer(self, station: int) -> Peer:
        if not 0 <= station < len(self.peers):
            raise self._unreadable(f"it has a node {station} of {len(self.peers)}")
        return self.peers[station]

    def _handle(
        self, station: int, event: inputs.Input, at_ms: int, message: Carried | None
    ) -> None:
        peer = self._peer(station)
        orders = peer.core.handle(event, at_ms)
        self._counts["inputs"] += 1
        if self._seen is not None:
            self._seen(peer, event, at_ms, message, orders)
        for order in orders:
            if isinstance(order, effects.Send):
                digest = blake2b(order.payload, digest_size=16).digest()
                self._owed.append((station, digest, at_ms))
            elif isinstance(order, effects.Fetch):
                fetched = inputs.Fetched(peer.fetch(order.record_ids), order.topic, order.broker)
                self._fetches.setdefault(station, deque()).append(fetched)
            else:
                peer.commit(order)

    def _compare(self, entry: Sent, at_ms: int) -> None:
        if entry.station >= INTRUDERS:
            return
        if not self._owed:
            raise self._differs(entry.station, at_ms, "it does not send what it sent")
        station, digest, since_ms = self._owed.popleft()
        if (station, digest) != (entry.station, entry.digest):
            raise self._differs(station, since_ms, "it sends something else")
        self._counts["messages"] += 1

    def _ask(self, entry: Listed) -> None:
        if advised(self._peer(entry.station), self._population, entry.at_ms) != entry.advice:
            raise self._differs(entry.station, entry.at_ms, "it recommends something else")
        self._counts["recommendations"] += 1

    def _unreadable(self, why: str) -> TraceError:
        return TraceError(f"trace {self._trace.path}: {why}; was it made by another version?")

    def _differs(self, station: int, at_ms: int, how: str) -> ReplayError:
        return ReplayError(
            f"trace {self._trace.path}: node n{station} at {at_ms / 1000:.3f} s: {how} than in the "
            "recording; was it made by another version?"
        )


def advised(peer: Peer, population: Population, at_ms: int) -> bytes:
    """Return what a node recommends to its user, as `Listed` has it."""
    wall_ms = EPOCH_MS + at_ms + peer.skew_ms
    return msgspec.msgpack.encode(
        peer.core.recommend(population.people[peer.number].id, LIST_LENGTH, wall_ms)
    )

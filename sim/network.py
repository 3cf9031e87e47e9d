"""What lies between stations: brokers, links, and who reads what.

Everything here follows from the seed and from what the stations order, taken in one order: by time,
then by station, then as each gave it. So processes that simulate one network together each keep a
`Network` of their own and find the same messages lost, late and twice.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from tastemesh.errors import UsageError
from tastemesh.sim.brokers import ONE_BROKER, Broker
from tastemesh.sim.links import LinkPolicy
from tastemesh.sim.peer import INTRUDERS, Station
from tastemesh.sim.trace import Carried, TraceWriter

_DRAW_COUNT = 8_192  # uniforms drawn at a time: a call of numpy's costs as much as 200 of them

# From so many readers on, a message's fate on all their links is drawn at once (measured: numpy's
# calls cost what twenty scalar draws do).
_MANY = 24


class Sending(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A message that a station publishes, and the numbers of the brokers that can hear it."""

    topic: str
    payload: bytes
    brokers: tuple[int, ...]


class Subscribing(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """The topics that a station reads from now on."""

    topics: tuple[str, ...]


class Deed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a station was told or did, other than hearing a message.

    Attributes:
        at_ms: virtual time.
        station: its number.
        note: for the digest: the kind of the input, or a message's hash; empty for none.
        order: what the network is to do; None where the deed was an input.
    """

    at_ms: int
    station: int
    note: bytes
    order: Sending | Subscribing | None = None


class Message:
    """One published payload on its way from a broker to its readers."""

    __slots__ = ("broker", "number", "payload", "topic")

    def __init__(self, broker: Broker, topic: str, payload: bytes, number: int) -> None:
        self.broker = broker
        self.topic = topic
        self.payload = payload
        self.number = number


Arrival = tuple[int, Sequence[Station], Message]
"""When a message reaches whom, in virtual milliseconds."""


class Network:
    """Brokers and links.

    Args:
        seed: of every draw; 0 or more.
        links: statistics of every link.
        brokers: the brokers, at least one.
        record: where messages are written, if anywhere.
    """

    def __init__(
        self,
        seed: int,
        links: LinkPolicy | None = None,
        brokers: tuple[Broker, ...] | None = None,
        record: TraceWriter | None = None,
    ) -> None:
        self.links = links or LinkPolicy()
        self.brokers = brokers or tuple(Broker(policy) for policy in ONE_BROKER)
        self.moved_bytes: Counter[str] = Counter()
        """What nodes sent and received, by the topic's channel; `Simulation` adds the latter."""
        self._record = record
        self._by_name = {broker.name: broker for broker in self.brokers}
        # By broker and filter, then by the reader's number.
        self._readers: dict[tuple[str, str], dict[int, Station]] = {}
        self._message_count = 0
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        self._draws: list[float] = []

    @property
    def least_ms(self) -> int:
        """The least time between a message's sending and its arrival anywhere, 0 or more."""
        return 2 * self.links.least_ms

    def broker(self, name: str) -> Broker:
        """Return the broker of this name.

        Raises:
            UsageError: there is none.
        """
        if name not in self._by_name:
            raise UsageError(f"no broker is called {name!r}; there are {list(self._by_name)}")
        return self._by_name[name]

    def hearing(self, sender: Station, only: str) -> tuple[int, ...]:
        """Return the numbers of the brokers that hear what a station sends at this moment.

        Args:
            sender: the station.
            only: name of the one broker that it is for; empty for all.
        """
        if not sender.connected:
            return ()
        return tuple(
            number
            for number, broker in enumerate(self.brokers)
            if broker.running and broker in sender.brokers and only in ("", broker.name)
        )

    def heal(self) -> None:
        """Lose and duplicate nothing from now on, and have all brokers behave."""
        self.links = self.links.healed()
        for broker in self.brokers:
            broker.repent()

    def subscribe(self, station: Station, order: Subscribing) -> None:
        """Have a station read exactly these topics."""
        for broker in station.brokers:
            for name in station.filters:
                self._readers[broker.name, name].pop(station.number, None)
            for name in order.topics:
                self._readers.setdefault((broker.name, name), {})[station.number] = station
        station.filters = order.topics

    def carry(self, sender: Station, order: Sending, now_ms: int) -> Iterator[Arrival]:
        """Take a message to the brokers that it is for, and from there to its readers."""
        size_bytes = len(order.payload)
        for number in order.brokers:
            broker = self.brokers[number]
            sender.sent_bytes += size_bytes
            if sender.number < INTRUDERS:
                self.moved_bytes[channel_in(order.topic)] += size_bytes
            for up_ms in self.links.delays_ms(self._draw):
                for later_ms in broker.handling_ms(order.topic, order.payload, self._draw):
                    yield from self._publish(sender, broker, order, now_ms + up_ms + later_ms)

    def _publish(
        self, sender: Station, broker: Broker, order: Sending, at_ms: int
    ) -> Iterator[Arrival]:
        self._message_count += 1
        if self._record is not None:
            number, topic, payload = self._message_count, order.topic, order.payload
            self._record.put(Carried(number, sender.number, broker.name, topic, payload))
        message = Message(broker, order.topic, order.payload, self._message_count)
        readers = self._readers_of(broker, order.topic)
        if len(readers) < _MANY:
            for reader in readers:
                for down_ms in self.links.delays_ms(self._draw):
                    yield at_ms + down_ms, (reader,), message
        else:
            for down_ms, links in self.links.deliveries(len(readers), self._rng):
                yield at_ms + down_ms, [readers[link] for link in links], message

    def _readers_of(self, broker: Broker, topic: str) -> list[Station]:
        parent = topic.rsplit("/", 1)[0]
        exact = self._readers.get((broker.name, topic), {})
        return [*exact.values(), *self._readers.get((broker.name, f"{parent}/+"), {}).values()]

    def _draw(self) -> float:
        if not self._draws:
            self._draws = self._rng.random(_DRAW_COUNT).tolist()
        return self._draws.pop()


def channel_in(topic: str) -> str:
    """Return the level of a topic that names its channel; empty where there is none."""
    levels = topic.split("/", 4)
    return levels[3] if len(levels) > 3 else ""

"""What a daemon needs of a network: events in, payloads out. No MQTT in here.

`tastemesh.node.mqtt.MqttTransport` is the implementation; anything that passes
`tests/node/transport_conformance.py` can stand in for it.

The promises, and what is not promised:

- A payload that `publish` took is handed to its broker at least once (QoS 1), across lost
  connections, for as long as the process lives. The outbox is memory: what a crash loses, records
  in the store and anti-entropy give back.
- A message that came with QoS 1 is acknowledged to the broker when `acknowledge` is called for it,
  which a node does after its commit: what a crash loses, the broker brings again. What came with
  QoS 0 is gone then. A full inbox drops its oldest messages, acknowledges them and says so with
  `Dropped`. Reconciliation repairs all of it.
- Messages can arrive twice, out of order (across a reconnection; on NATS also between two topic
  filters, each of which has a queue of its own), and before `Connected`, since a resumed session
  delivers at once. Records are deduplicated by id above.
"""

from collections.abc import Iterable
from typing import Protocol, Self

import msgspec


class Event(msgspec.Struct, frozen=True):
    """Base of all events.

    Attributes:
        broker: name of the broker, `host:port`.
    """

    broker: str


class Connected(Event, frozen=True):
    """The broker accepted us and granted every subscription."""


class Disconnected(Event, frozen=True):
    """The connection was lost, or an attempt failed; the next attempt is already scheduled.

    Attributes:
        reason: what went wrong, for people.
    """

    reason: str


class Message(Event, frozen=True):
    """A payload arrived.

    Attributes:
        topic: where it was published.
        payload: as received; anybody may have sent anything.
        receipt: names this delivery for `Transport.acknowledge`; 0 where no broker waits for one.
    """

    topic: str
    payload: bytes
    receipt: int = 0


class Dropped(Event, frozen=True):
    """Messages arrived and were discarded: inbox full, payload too large, or topic not UTF-8.

    Attributes:
        count: how many since the last such event of this broker; at least 1.
    """

    count: int


class BrokerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One connection as `status` and the metrics show it. Counts are since the start but for one.

    Attributes:
        broker: name, `host:port`.
        connected: whether the session stands, subscriptions included.
        reason: why it does not, or empty.
        waiting_count: payloads in the outbox, in flight included.
        waiting_bytes: their size.
        acknowledged_count: payloads the broker acknowledged.
        refused_count: payloads that `publish` refused because the outbox was full.
        received_count: messages that entered the inbox.
        dropped_count: messages discarded, whatever the reason.
        connection_count: sessions established.
        lost_count: of these, how many ended within the last ten minutes though nobody asked for it.
        last_loss: why the last of those did, or empty.
    """

    broker: str
    connected: bool
    reason: str
    waiting_count: int
    waiting_bytes: int
    acknowledged_count: int
    refused_count: int
    received_count: int
    dropped_count: int
    connection_count: int
    lost_count: int
    last_loss: str


class Transport(Protocol):
    """The port. Entered, it keeps its connections up by itself; left, it stops cleanly."""

    @property
    def brokers(self) -> tuple[str, ...]:
        """Names of the brokers, in the order they were configured."""
        ...

    def subscribe(self, filters: Iterable[str], passing: Iterable[str] = ()) -> None:
        """Want exactly these topic filters, on every broker, now and after each reconnection.

        Args:
            filters: MQTT topic filters; earlier ones that are missing here are unsubscribed.
            passing: more of them, for which a broker need not keep anything while we are away.

        Raises:
            UsageError: a filter is not valid MQTT.
        """
        ...

    def publish(self, topic: str, payload: bytes, broker: str = "") -> bool:
        """Put a payload in the outbox of one broker, or of all of them. Never waits.

        Args:
            topic: no wildcard and no blank.
            payload: at most the configured size.
            broker: a name out of `brokers`, or empty for all.

        Returns:
            Whether every outbox asked had room. Refusals are counted per broker in `status`.

        Raises:
            UsageError: the topic, the payload's size or the broker's name is wrong.
        """
        ...

    async def events(self, limit: int = 256) -> list[Event]:
        """Wait for something to happen and take what there is. For one consumer.

        Args:
            limit: at most about this many; brokers get equal shares of it.

        Returns:
            At least one event, in the order in which each broker's came.
        """
        ...

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a message need not come again. Never waits.

        Each one that `events` returned has to be, or a broker stops sending after a few. For one
        of a session that is over this does nothing: the broker brings it again.
        """
        ...

    async def drain(self) -> None:
        """Wait until everything published so far is acknowledged by its broker.

        Has no deadline of its own: a broker that is away keeps it waiting.
        """
        ...

    def status(self) -> tuple[BrokerStatus, ...]:
        """The state of each connection, in the order of `brokers`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

"""The MQTT transport: one link per broker, one inbox for all of them."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from tastemesh.errors import ConfigError, UsageError
from tastemesh.node.address import BrokerAddress, parse_broker_url
from tastemesh.node.inbox import Inbox
from tastemesh.node.link import Link
from tastemesh.node.mqtt_settings import MqttSettings
from tastemesh.node.transport import BrokerStatus, Event, Message

# MQTT 3.1.1, section 4.7. A topic that a broker does not take makes it hang up, each time it is
# sent again; so none goes out with blanks (NATS) or control characters (mosquitto).
_TOPIC_BYTES = 65_535
_FILTER = re.compile(r"(?:(?:[^+#/]*|\+)/)*(?:[^+#/]*|\+|#)")
# NATS refuses blanks, dots and wildcards in client ids; 64 is far above what brokers need.
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

DEFAULT_SETTINGS = MqttSettings()


class MqttTransport:
    """`tastemesh.node.transport.Transport` over any number of MQTT brokers.

    Entering starts the connections and does not wait for them: `Connected` says when one stands,
    `Disconnected` each failed attempt. Leaving disconnects, keeps the sessions on the brokers, and
    gives up what the outboxes still hold: `drain` first, with a deadline. Enter it once.

    Args:
        brokers: broker URLs or parsed addresses, at least one; all different.
        client_id: 1 to 64 of A-Z a-z 0-9 _ -. The same one after a restart, or the broker's queue
            for us is not found again; another one for each node, or two nodes throw each other
            out for ever.
        settings: bounds and times.
        rng: for the jitter of reconnection, and nothing else; seeded by the system where None.

    Raises:
        ConfigError: a URL, the client id or a TLS file is wrong, a broker is named twice, or there
            is none.
    """

    def __init__(
        self,
        brokers: Sequence[str | BrokerAddress],
        *,
        client_id: str,
        settings: MqttSettings = DEFAULT_SETTINGS,
        rng: np.random.Generator | None = None,
    ) -> None:
        if not _CLIENT_ID.fullmatch(client_id):
            raise ConfigError(
                f"MQTT client_id {client_id!r} must be 1 to 64 letters, digits, _ or -"
            )
        addresses = [parse_broker_url(each) if isinstance(each, str) else each for each in brokers]
        names = [address.name for address in addresses]
        if not names:
            raise ConfigError("no MQTT broker is configured; at least one broker URL is needed")
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"MQTT broker {name} is configured more than once")
        if any(each.secure for each in addresses):
            settings.tls.context()  # a wrong file is told at once
        rng = rng or np.random.default_rng()
        self._settings = settings
        self._inbox = Inbox(
            names, settings.inbox_message_count, settings.inbox_bytes, self.acknowledge
        )
        self._links = {
            each.name: Link(
                each, client_id, settings, settings.tls if each.secure else None, self._inbox, rng
            )
            for each in addresses
        }
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def brokers(self) -> tuple[str, ...]:
        """Names of the brokers, in the order they were configured."""
        return tuple(self._links)

    def subscribe(self, filters: Iterable[str], passing: Iterable[str] = ()) -> None:
        """Want exactly these topic filters on every broker; see `Transport.subscribe`.

        A persistent session may hold filters of an earlier process that are not known here; what
        they deliver has to be ignored above.
        """
        wanted = dict.fromkeys(passing, 0) | dict.fromkeys(filters, 1)
        for name in wanted:
            if not _is_clean(name) or not _FILTER.fullmatch(name):
                raise UsageError(
                    f"topic filter {_short(name)} must be printable levels between slashes "
                    "without blanks, + for one whole level, # for the rest at the end"
                )
        for link in self._links.values():
            link.want(wanted)

    def publish(self, topic: str, payload: bytes, broker: str = "") -> bool:
        """Put a payload in the outbox of one broker or of all; see `Transport.publish`."""
        if not _is_clean(topic) or {"+", "#"}.intersection(topic):
            raise UsageError(
                f"topic {_short(topic)} must be 1 to {_TOPIC_BYTES} bytes, printable, "
                "without blanks, + and #"
            )
        if len(payload) > self._settings.payload_bytes:
            raise UsageError(
                f"payload has {len(payload)} bytes; at most {self._settings.payload_bytes} travel"
            )
        if not broker:
            taken = [link.outbox.put(topic, payload) for link in self._links.values()]
            return all(taken)
        if broker not in self._links:
            raise UsageError(f"no broker {broker!r}; there are {', '.join(self._links)}")
        return self._links[broker].outbox.put(topic, payload)

    async def events(self, limit: int = 256) -> list[Event]:
        """Wait for events and take up to about `limit`; see `Transport.events`."""
        return await self._inbox.take(limit)

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a message need not come again; see `Transport.acknowledge`."""
        self._links[message.broker].acknowledge(message.receipt)

    async def drain(self) -> None:
        """Wait until every broker acknowledged everything published so far."""
        for link in self._links.values():
            await link.outbox.drained()

    def status(self) -> tuple[BrokerStatus, ...]:
        """The state of each connection, in the order of `brokers`."""
        losses = {name: link.losses() for name, link in self._links.items()}
        return tuple(
            BrokerStatus(
                broker=name,
                connected=link.connected,
                reason=link.reason,
                waiting_count=len(link.outbox),
                waiting_bytes=link.outbox.size_bytes,
                acknowledged_count=link.outbox.acknowledged_count,
                refused_count=link.outbox.refused_count,
                received_count=self._inbox.received_count(name),
                dropped_count=self._inbox.dropped_count(name),
                connection_count=link.connection_count,
                lost_count=losses[name][0],
                last_loss=losses[name][1],
            )
            for name, link in self._links.items()
        )

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(link.run(), name=f"tastemesh-mqtt {link.name}")
            for link in self._links.values()
        ]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for link in self._links.values():
            link.stop()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for result in results:
            if isinstance(result, Exception):  # not a cancellation: a bug of ours, so loud
                raise result


def _is_clean(name: str) -> bool:
    """Whether the characters and the length of a topic or filter suit every broker."""
    printable = bool(name) and name.isprintable() and " " not in name  # no surrogates either
    return printable and len(name.encode()) <= _TOPIC_BYTES


def _short(name: str) -> str:
    return repr(name) if len(name) <= 80 else f"{name[:80]!r}…"

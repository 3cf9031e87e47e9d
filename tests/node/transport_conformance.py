"""What every `Transport` must do, as tests over real brokers.

A test module subclasses `TransportConformance`, says in `make` how to build a transport, and has
every case run on each broker of the fixture `any_broker`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from typing import Self, TypeVar

import pytest

from tastemesh.errors import UsageError
from tastemesh.node.transport import (
    BrokerStatus,
    Connected,
    Disconnected,
    Dropped,
    Event,
    Message,
    Transport,
)
from tests.brokers import BrokerProcess, free_port

DEADLINE_S = 60.0  # no case needs a tenth of it on an idle machine

AnyEvent = TypeVar("AnyEvent", bound=Event)


class Client:
    """A transport, entered, with everything it has told so far."""

    def __init__(self, transport: Transport, *filters: str) -> None:
        self.transport = transport
        self.seen: list[Event] = []
        self._filters = filters

    async def __aenter__(self) -> Self:
        self.transport.subscribe(self._filters)
        await self.transport.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.transport.__aexit__(*exc_info)

    def of(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [event for event in self.seen if isinstance(event, kind)]

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.of(Message)]

    @property
    def status(self) -> BrokerStatus:
        return self.transport.status()[0]

    async def take(self) -> list[Event]:
        """Take events and acknowledge the messages among them."""
        events = await self.transport.events()
        self.seen += events
        for event in events:
            if isinstance(event, Message):
                self.transport.acknowledge(event)
        return events

    async def until_count(self, kind: type[Event], count: int) -> None:
        """Take events until `count` of this kind have come."""
        found = len(self.of(kind))
        async with asyncio.timeout(DEADLINE_S):
            while found < count:
                events = await self.take()
                found += sum(isinstance(event, kind) for event in events)

    async def until_payloads(self, *payloads: bytes) -> None:
        """Take events until each of these has come at least once."""
        missing = set(payloads) - set(self.payloads)
        async with asyncio.timeout(DEADLINE_S):
            while missing:
                events = await self.take()
                missing -= {event.payload for event in events if isinstance(event, Message)}

    async def connected(self) -> Self:
        await self.until_count(Connected, len(self.of(Connected)) + 1)
        return self

    async def drain(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.transport.drain()


class TransportConformance(ABC):
    @abstractmethod
    def make(self, *urls: str, client_id: str = "a", **settings: object) -> Transport:
        """Build a transport; settings by the names of `MqttSettings`."""

    def client(self, url: str, client_id: str, *filters: str, **settings: object) -> Client:
        return Client(self.make(url, client_id=client_id, **settings), *filters)

    async def test_delivers_both_ways(self, any_broker: BrokerProcess) -> None:
        async with (
            self.client(any_broker.url, "a", "t/a") as a,
            self.client(any_broker.url, "b", "t/b") as b,
        ):
            await a.connected()
            await b.connected()
            assert a.transport.publish("t/b", b"to b")
            assert b.transport.publish("t/a", b"to a")
            await a.until_payloads(b"to a")
            await b.until_payloads(b"to b")
            await a.drain()
            (message,) = b.of(Message)
            assert (message.broker, message.topic) == (a.transport.brokers[0], "t/b")
            assert message.payload == b"to b"
            assert a.status.waiting_count == a.status.waiting_bytes == 0
            assert a.status.acknowledged_count == 1

    async def test_any_payload_survives(self, any_broker: BrokerProcess) -> None:
        payloads = [b"", bytes(range(256)), b"\xff" * 65_536]
        async with (
            self.client(any_broker.url, "a") as a,
            self.client(any_broker.url, "b", "t") as b,
        ):
            await b.connected()
            for payload in payloads:
                assert a.transport.publish("t", payload)
            await b.until_count(Message, 3)
            assert b.payloads == payloads

    async def test_wildcards_select_levels(self, any_broker: BrokerProcess) -> None:
        async with (
            self.client(any_broker.url, "a") as a,
            self.client(any_broker.url, "b", "net/1/+", "net/2/#") as b,
        ):
            await b.connected()
            for topic in ("net/1", "net/1/x/y", "net/3/x", "net/1/x", "net/2/x/y", "net/2/end"):
                a.transport.publish(topic, topic.encode())
            wanted = [b"net/1/x", b"net/2/end", b"net/2/x/y"]
            await b.until_payloads(*wanted)
            assert sorted(b.payloads) == wanted  # NATS keeps no order between two filters

    async def test_filters_can_change(self, any_broker: BrokerProcess) -> None:
        async with (
            self.client(any_broker.url, "a") as a,
            self.client(any_broker.url, "b", "old", "kept") as b,
        ):
            await b.connected()
            b.transport.subscribe(["kept", "new"])
            for number in range(1000):  # until the broker has heard of the change
                a.transport.publish("new", b"%d" % number)
                try:
                    async with asyncio.timeout(0.05):
                        await b.take()
                        break
                except TimeoutError:
                    continue
            for number in range(1000):  # the new one is granted before the old one is given up
                a.transport.publish("old", b"old %d" % number)
                a.transport.publish("kept", b"kept %d" % number)
                await b.until_payloads(b"kept %d" % number)
                if b"old %d" % number not in b.payloads:
                    break
            else:
                pytest.fail("a filter that was given up still delivers")

    async def test_the_session_queues_while_the_client_is_away(
        self, any_broker: BrokerProcess
    ) -> None:
        async with self.client(any_broker.url, "b", "t") as b:
            await b.connected()
        payloads = [b"%d" % number for number in range(150)]
        async with self.client(any_broker.url, "a") as a:
            for payload in payloads:
                assert a.transport.publish("t", payload)
            await a.drain()
        async with self.client(any_broker.url, "b", "t") as b:
            await b.until_payloads(*payloads)
            assert list(dict.fromkeys(b.payloads)) == payloads

    async def test_a_killed_broker_costs_nothing(self, any_broker: BrokerProcess) -> None:
        before = [b"before %d" % number for number in range(200)]
        during = [b"during %d" % number for number in range(200)]
        async with (
            self.client(any_broker.url, "a") as a,
            self.client(any_broker.url, "b", "t/+") as b,
        ):
            await b.connected()
            for payload in before:
                a.transport.publish("t/1", payload)
            await b.until_payloads(*before)
            await any_broker.kill()
            await a.until_count(Disconnected, 1)
            await b.until_count(Disconnected, 1)
            assert not b.status.connected
            assert b.status.reason
            for payload in during:
                assert a.transport.publish("t/2", payload)
            await any_broker.start()
            await b.until_payloads(*during)
            await b.until_count(Connected, 2)
            await a.drain()
            assert b.status.connection_count == 2

    async def test_a_kill_amid_traffic_loses_nothing_unacknowledged(
        self, any_broker: BrokerProcess
    ) -> None:
        payloads = [b"%d" % number for number in range(2_000)]
        async with (
            self.client(any_broker.url, "a") as a,
            self.client(any_broker.url, "b", "t") as b,
        ):
            await a.connected()
            await b.connected()
            for payload in payloads:
                assert a.transport.publish("t", payload)
            await b.until_count(Message, 100)
            await any_broker.kill()
            await a.until_count(Disconnected, 1)  # every acknowledgement that was sent is in
            in_doubt = a.status.waiting_count
            assert in_doubt > 0
            await any_broker.start()
            await a.drain()
            # What was acknowledged before the kill is the broker's promise; ours is the rest.
            await b.until_payloads(*payloads[len(payloads) - in_doubt :])

    @pytest.mark.slow
    async def test_two_clients_lose_none_of_2000_each(self, any_broker: BrokerProcess) -> None:
        count = 2_000
        async with (
            self.client(any_broker.url, "a", "t/a") as a,
            self.client(any_broker.url, "b", "t/b") as b,
        ):
            await a.connected()
            await b.connected()
            for number in range(count):
                assert a.transport.publish("t/b", b"%d" % number)
                assert b.transport.publish("t/a", b"%d" % number)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(a.until_count(Message, count))
                tasks.create_task(b.until_count(Message, count))
            expected = [b"%d" % number for number in range(count)]
            assert a.payloads == expected
            assert b.payloads == expected
            assert not a.of(Dropped)

    async def test_a_full_inbox_drops_the_oldest_and_counts(
        self, any_broker: BrokerProcess
    ) -> None:
        async with (
            self.client(any_broker.url, "a") as a,
            self.client(any_broker.url, "b", "t", inbox_message_count=10) as b,
        ):
            await b.connected()
            for number in range(100):
                a.transport.publish("t", b"%d" % number)
            async with asyncio.timeout(DEADLINE_S):
                while b.status.received_count < 100:  # without taking any of them
                    await a.drain()
                    await asyncio.sleep(0)
            b.seen = await b.transport.events()
            assert b.seen[0] == Dropped(b.transport.brokers[0], 90)
            assert b.payloads == [b"%d" % number for number in range(90, 100)]
            assert b.status.dropped_count == 90

    async def test_a_full_outbox_refuses_and_counts(self) -> None:
        nowhere = f"mqtt://127.0.0.1:{free_port()}"
        async with self.client(nowhere, "a", outbox_message_count=3, outbox_bytes=100) as a:
            assert a.transport.publish("t", b"x" * 99)
            assert not a.transport.publish("t", b"xx")
            assert a.transport.publish("t", b"x")
            assert a.transport.publish("t", b"")
            assert not a.transport.publish("t", b"")
            assert (a.status.refused_count, a.status.waiting_count) == (2, 3)
            assert a.status.waiting_bytes == 100

    async def test_what_arrives_too_large_is_dropped(self, any_broker: BrokerProcess) -> None:
        async with (
            self.client(any_broker.url, "a") as a,
            self.client(any_broker.url, "b", "t", payload_bytes=10) as b,
        ):
            await b.connected()
            a.transport.publish("t", b"x" * 11)
            a.transport.publish("t", b"x" * 10)
            await b.until_count(Message, 1)
            assert b.payloads == [b"x" * 10]
            assert [event.count for event in b.of(Dropped)] == [1]

    async def test_a_refused_connection_is_told_and_tried_again(
        self, any_broker: BrokerProcess
    ) -> None:
        await any_broker.kill()
        async with self.client(any_broker.url, "a", backoff_cap_s=0.05) as a:
            a.transport.publish("t", b"patience")
            await a.until_count(Disconnected, 3)
            assert any_broker.url in a.of(Disconnected)[0].reason
            assert not a.of(Connected)
            await any_broker.start()
            await a.connected()
            await a.drain()

    async def test_one_broker_of_two_is_down(self, any_broker: BrokerProcess) -> None:
        down = f"127.0.0.1:{free_port()}"
        up = f"127.0.0.1:{any_broker.port}"
        async with (
            Client(self.make(f"mqtt://{down}", f"mqtt://{up}", client_id="a")) as a,
            self.client(any_broker.url, "b", "t") as b,
        ):
            assert a.transport.brokers == (down, up)
            await b.connected()
            assert a.transport.publish("t", b"to all")
            assert a.transport.publish("t", b"to one", up)
            await a.connected()
            await b.until_payloads(b"to all", b"to one")
            states = a.transport.status()
            assert [state.connected for state in states] == [False, True]
            assert states[0].waiting_count == 1

    async def test_misuse_is_named(self) -> None:
        transport = self.make(f"mqtt://127.0.0.1:{free_port()}", payload_bytes=10)
        for topic in ("", "a b", "a/+", "#", "a\x00", "x" * 65_536, "\ud800"):
            with pytest.raises(UsageError, match="topic"):
                transport.publish(topic, b"")
        with pytest.raises(UsageError, match="11 bytes; at most 10"):
            transport.publish("t", b"x" * 11)
        with pytest.raises(UsageError, match="'nobody'"):
            transport.publish("t", b"", "nobody")
        for name in ("", "a+/b", "#/a", "a#", "a b", "\ud800"):
            with pytest.raises(UsageError, match="topic filter"):
                transport.subscribe(["fine/+/#", name])

    async def test_no_task_outlives_it(self, any_broker: BrokerProcess) -> None:
        before = asyncio.all_tasks()
        async with self.client(any_broker.url, "a", "t") as a:
            await a.connected()
            names = Counter(task.get_name().split(" ")[0] for task in asyncio.all_tasks() - before)
            assert any(name.startswith("tastemesh-mqtt") for name in names)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()

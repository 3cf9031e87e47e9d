"""A crowd of nodes that publish while their brokers are killed and while they hang.

What a user said before, during and after is in the end in everybody's window, and each application
was told of each record once.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import tastemesh
from tastemesh.gossip.limits import Limits
from tastemesh.node.events import RecordAccepted, Subscription
from tastemesh.node.mqtt_settings import MqttSettings
from tastemesh.node.node import Node
from tests.brokers import BrokerProcess, NatsCluster

pytestmark = pytest.mark.broker

# Six find what twenty find, in a third of the time; a thorough run sets 20.
NODE_COUNT = int(os.environ.get("TASTEMESH_TEST_NODES", "6"))
ROUNDS = 2  # records of each node before, during and after each fault
DEADLINE_S = 120.0
# A broker that hangs is SIGSTOPped for this long; a minute, for a thorough run, sets both of these.
STOP_S = float(os.environ.get("TASTEMESH_TEST_STOP_S", "2"))

# Small, so that what a fault lost is found soon.
LIMITS = Limits(sync_period_ms=4_000, presence_period_ms=4_000)
MQTT = MqttSettings(backoff_base_s=0.05, backoff_cap_s=0.5, answer_s=3.0, acknowledgement_s=1.0)


class Crowd:
    """The nodes, what they said, and what their applications were told."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.said: list[str] = []
        self._told: list[Subscription] = [node.events(capacity=100_000) for node in nodes]
        self._rounds = 0

    async def speak(self) -> None:
        """Everybody records something, a few times over."""
        for _ in range(ROUNDS):
            self._rounds += 1
            for number, node in enumerate(self.nodes):
                self.said += await node.record(f"isrc:{number}-{self._rounds}")

    async def agree(self) -> None:
        """Wait until everybody holds everything."""
        async with asyncio.timeout(DEADLINE_S):
            while not all(node.holds(each) for node in self.nodes for each in self.said):
                await asyncio.sleep(0.05)

    async def told(self, number: int) -> Counter[str]:
        """What the application of one node was told, which ends its subscription."""
        await self.nodes[number].drain()  # it is told after the commit, and holds before
        self._told[number].close()
        events = [event async for event in self._told[number]]
        return Counter(event.record_id for event in events if isinstance(event, RecordAccepted))


async def live_through(crowd: Crowd, victim: BrokerProcess) -> None:
    """Kill the broker and start it again, then have it hang, with people talking all the while."""
    await crowd.speak()
    await victim.kill()
    await crowd.speak()
    await victim.start()
    await crowd.speak()
    await crowd.agree()
    victim.pause()
    await crowd.speak()
    await asyncio.sleep(STOP_S)
    victim.resume()
    await crowd.speak()
    await crowd.agree()
    for number in range(NODE_COUNT):
        assert await crowd.told(number) == Counter(crowd.said)
        assert crowd.nodes[number].status()["internal_errors"] == 0


async def gather(
    stack: AsyncExitStack, folder: Path, urls: Callable[[int], tuple[str, ...]]
) -> Crowd:
    nodes = [
        tastemesh.open_node(
            tastemesh.NodeConfig(
                home=folder / f"node-{number}", brokers=urls(number), limits=LIMITS, mqtt=MQTT
            )
        )
        for number in range(NODE_COUNT)
    ]
    await asyncio.gather(*(stack.enter_async_context(node) for node in nodes))
    await asyncio.gather(*(node.connected() for node in nodes))
    return Crowd(nodes)


@pytest.mark.slow
async def test_mosquitto_killed_and_hung(mosquitto_broker: BrokerProcess, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        crowd = await gather(stack, tmp_path, lambda _: (mosquitto_broker.url,))
        await live_through(crowd, mosquitto_broker)


@pytest.mark.slow
async def test_one_of_three_nats_servers_killed_and_hung(
    nats_cluster: NatsCluster, tmp_path: Path
) -> None:
    """Each node knows one server: a client id can be on one server of a cluster only."""
    async with AsyncExitStack() as stack:
        crowd = await gather(stack, tmp_path, lambda number: (nats_cluster.urls[number % 3],))
        await live_through(crowd, nats_cluster.servers[0])

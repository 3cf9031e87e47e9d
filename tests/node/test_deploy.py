"""The broker configurations in `deploy/`, started: what one node says crosses to the others."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import tastemesh
from tastemesh.gossip.limits import Limits
from tastemesh.node.broker import find_server, is_listening
from tests.brokers import START_S, BrokerProcess, free_port, mosquitto_program

pytestmark = pytest.mark.broker

DEPLOY = Path(__file__).parents[2] / "deploy"
DEADLINE_S = 60.0
# Reconciliation stays out of it: what arrives was pushed.
LIMITS = Limits(sync_period_ms=3_600_000)


async def cross(folder: Path, urls: tuple[str, ...]) -> None:
    """Have a node at each broker record something, and wait until all hold all."""
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                tastemesh.open_node(
                    tastemesh.NodeConfig(home=folder / f"home-{n}", brokers=(url,), limits=LIMITS)
                )
            )
            for n, url in enumerate(urls)
        ]
        await asyncio.gather(*(node.connected() for node in nodes))
        said = [i for n, node in enumerate(nodes) for i in await node.record(f"isrc:{n}")]
        async with asyncio.timeout(DEADLINE_S):
            while not all(node.holds(each) for node in nodes for each in said):
                await asyncio.sleep(0.05)


async def test_records_cross_three_nats_servers_configured_as_shipped(tmp_path: Path) -> None:
    routes = [free_port() for _ in range(3)]
    servers: list[BrokerProcess] = []
    for number, route in enumerate(routes):
        port, health = free_port(), free_port()
        folder = tmp_path / f"server-{number}"
        folder.mkdir()
        variables = {
            "NAME": f"server-{number}",
            "HOST": "127.0.0.1",
            "MQTT_PORT": str(port),
            "ROUTE_PORT": str(route),
            "HEALTH": f"127.0.0.1:{health}",
            "STORE": str(folder),
        } | {
            f"ROUTE_{letter}": f"nats://127.0.0.1:{r}"
            for letter, r in zip("ABC", routes, strict=True)
        }
        command = [
            "env",
            *(f"{name}={value}" for name, value in variables.items()),
            str(find_server()),
            "--config",
            str(DEPLOY / "nats-cluster" / "nats.conf"),
        ]
        servers.append(BrokerProcess("nats", command, port, folder / "log", health_port=health))
    try:
        await asyncio.gather(*(server.start() for server in servers))
        async with asyncio.timeout(START_S):  # the first connection has the streams made
            while not await is_listening("127.0.0.1", servers[0].port):
                await asyncio.sleep(0.1)
        await cross(tmp_path, tuple(server.url for server in servers))
    finally:
        await asyncio.gather(*(server.kill() for server in servers))


async def test_records_cross_two_bridged_mosquittos_configured_as_shipped(tmp_path: Path) -> None:
    if mosquitto_program() is None:
        pytest.skip("mosquitto is not installed")
    ports = {"south": free_port(), "north": free_port()}
    async with AsyncExitStack() as stack:
        for name, port in ports.items():
            folder = tmp_path / name
            folder.mkdir()
            configured = (DEPLOY / "mosquitto-bridge" / f"{name}.conf").read_text()
            for shipped, here in (
                ("listener 1883", f"listener {port} 127.0.0.1\nuser {Path.home().owner()}"),
                ("/var/lib/mosquitto/", f"{folder}/"),
                ("south.example.org:1883", f"127.0.0.1:{ports['south']}"),
            ):
                configured = configured.replace(shipped, here)
            path = folder / "mosquitto.conf"
            path.write_text(configured)
            command = [str(mosquitto_program()), "-c", str(path)]
            broker = BrokerProcess("mosquitto", command, port, folder / "log")
            await stack.enter_async_context(broker)
        urls = tuple(f"mqtt://127.0.0.1:{port}" for port in ports.values())
        await cross(tmp_path, urls)

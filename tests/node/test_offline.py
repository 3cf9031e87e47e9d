"""A node without any broker: its own users among themselves, and no socket; then with a broker."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.node.node import Node
from tests.brokers import BrokerProcess
from tests.node.daemons import ENVIRONMENT, Shell, running
from tests.node.test_node import until

# Tells of each socket that is bound, connected or resolved, and of each child.
_APPLICATION = """
import asyncio, sys

FORBIDDEN = {"socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork"}
used = []
sys.addaudithook(lambda event, _: used.append(event) if event in FORBIDDEN else None)

import tastemesh

async def main():
    config = tastemesh.NodeConfig(home=sys.argv[1], offline=True)
    async with tastemesh.open_node(config) as node:
        ana, ben = await node.add_identities(["ana", "ben"])
        await ana.record_many([tastemesh.Play("isrc:A"), tastemesh.Play("isrc:B")])
        await ben.record("isrc:A")
        await ben.endorse(ana.id)
        assert [line.item for line in await ben.recommend()] == ["isrc:B"]
        tasks = [task.get_name() for task in asyncio.all_tasks()]
    print(used, [name for name in tasks if "mqtt" in name or "stand-by" in name])

asyncio.run(main())
"""


@pytest.fixture
def config(tmp_path: Path) -> tastemesh.NodeConfig:
    return tastemesh.NodeConfig(home=tmp_path / "home", offline=True)


@pytest.fixture
async def node(config: tastemesh.NodeConfig) -> AsyncIterator[Node]:
    async with tastemesh.open_node(config) as node:
        yield node


def test_it_uses_no_socket_no_process_and_no_task_for_a_broker(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _APPLICATION, str(tmp_path / "home")],
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[] []"
    assert not (tmp_path / "home" / "broker").exists()


async def test_who_asks_for_a_broker_is_told_that_there_is_none(
    config: tastemesh.NodeConfig,
) -> None:
    async with asyncio.timeout(30), tastemesh.open_node(config) as node:
        await node.record("isrc:A")
        await node.drain()
        assert (node.is_open, node.is_connected) == (True, False)
        with pytest.raises(UsageError, match="offline by its configuration"):
            await node.connected()
        assert node.status()["brokers"] == []


async def test_the_api_is_ready_and_counts_no_broker(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/ready"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    status = (await client.get("/v1/status")).json()
    assert (status["brokers"], status["meter"], status["peers"]) == ([], {}, 0)
    metrics = (await client.get("/metrics")).text
    assert "\ntastemesh_broker_" not in metrics
    assert "\ntastemesh_window_records 0\n" in metrics


@pytest.mark.broker
async def test_what_was_said_offline_is_others_once_there_is_a_broker(
    config: tastemesh.NodeConfig, nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config) as node:
        ana, ben = await node.add_identities(["ana", "ben"])
        said = [*await ana.record("isrc:A"), *await ben.endorse(ana.id)]
        await ana.record("isrc:kept", private=True)
    limits = Limits(sync_period_ms=500, presence_period_ms=500)
    joined = msgspec.structs.replace(
        config, offline=False, brokers=(nats_broker.url,), limits=limits
    )
    friend = msgspec.structs.replace(joined, home=tmp_path / "friend")
    async with tastemesh.open_node(joined) as node, tastemesh.open_node(friend) as other:
        await until(lambda: all(other.holds(record_id) for record_id in said))
        await other.endorse(ben.id)
        assert [line.item for line in await other.recommend()] == ["isrc:A"]
        heard = await other.record("isrc:C")
        await until(lambda: all(node.holds(record_id) for record_id in heard))
    async with tastemesh.open_node(config) as node:  # and back: it keeps what it has heard
        assert all(map(node.holds, [*said, *heard]))


@pytest.mark.slow
async def test_a_daemon_runs_offline_and_says_so(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("offline = true\nhttp_port = 0\n")
    async with running(tmp_path) as daemon:
        await shell("record", "isrc:A", "--home", tmp_path)
        told = map(str.split, (await shell("status", "--home", tmp_path)).splitlines())
        assert [line[1:] for line in told if line[0] == "brokers"] == [["none"]]
        url = json.loads(daemon.log[-1])["http"]
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/ready")).status_code == 200
    assert {json.loads(line)["level"] for line in daemon.log} == {"info"}
    assert not (tmp_path / "broker").exists()

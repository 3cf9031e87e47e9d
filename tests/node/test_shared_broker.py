"""The embedded broker of a machine: one for all nodes, and as long as there is a node."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tastemesh.node.broker import is_listening
from tastemesh.node.shared_broker import HOST, share_broker
from tests.brokers import free_port

pytestmark = pytest.mark.broker

DEADLINE_S = 60.0


async def test_when_the_node_that_runs_it_ends_another_takes_its_place(tmp_path: Path) -> None:
    port = free_port()
    stacks = {name: AsyncExitStack() for name in ("first", "second", "third")}
    for name, stack in stacks.items():
        await share_broker(tmp_path / name, port, stack)
    await stacks.pop("first").aclose()
    async with asyncio.timeout(DEADLINE_S):
        while not await is_listening(HOST, port):
            await asyncio.sleep(0.05)
    for stack in stacks.values():
        await stack.aclose()
    assert not await is_listening(HOST, port)

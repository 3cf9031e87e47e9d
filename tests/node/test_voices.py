"""What one user says at the same time: nothing is lost, said twice, or left half done."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import tastemesh
from tastemesh.errors import StorageError, UsageError
from tastemesh.node.node import Node
from tastemesh.node.plays import Play
from tastemesh.node.sharing import Sharing
from tests.brokers import BrokerProcess
from tests.node.test_node import config

pytestmark = pytest.mark.broker

ITEMS = [f"p{n}" for n in range(6)]

Call = Callable[[Node], Awaitable[object]]


async def items(node: Node) -> list[str]:
    await node.drain()
    return sorted(said.item for said in (await node.export()).interactions)


@pytest.mark.parametrize(
    ("calls", "left"),
    [
        ([lambda n: n.forget("p0"), lambda n: n.forget("p1")], ITEMS[2:]),
        ([lambda n: n.forget("p0"), lambda n: n.forget(everything=True)], []),
        ([lambda n: n.rotate(stolen=True), lambda n: n.forget("p0")], ITEMS[1:]),
        ([lambda n: n.forget("p0"), lambda n: n.rotate(stolen=True)], ITEMS[1:]),
        ([lambda n: n.rotate(stolen=True), lambda n: n.rotate(stolen=True)], ITEMS),
        ([lambda n: n.rotate(), lambda n: n.rotate(stolen=True)], ITEMS),
        (
            [lambda n: n.rotate(), lambda n: n.record("new"), lambda n: n.rotate(stolen=True)],
            ["new", *ITEMS],
        ),
        ([lambda n: n.rotate(stolen=True), lambda n: n.record("new")], ["new", *ITEMS]),
        ([lambda n: n.record("new"), lambda n: n.rotate(stolen=True)], ["new", *ITEMS]),
        ([lambda n: n.record("p0"), lambda n: n.forget("p0")], ITEMS[1:]),
        ([lambda n: n.forget("p0"), lambda n: n.record("p0")], ITEMS),
    ],
)
async def test_calls_at_once_do_what_they_do_one_after_the_other(
    nats_broker: BrokerProcess, tmp_path: Path, calls: list[Call], left: list[str]
) -> None:
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:
        await node.record_many([Play(item=item) for item in ITEMS])
        await asyncio.gather(*(call(node) for call in calls))
        assert await items(node) == left
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:
        assert await items(node) == left


async def test_a_rotation_loses_nothing_that_was_acknowledged(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:

        async def later(turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await node.record(f"p{turns}")
            await node.endorse(f"{turns:064x}")

        await asyncio.gather(node.rotate(stolen=True), *(later(turns) for turns in range(40)))
        assert await items(node) == sorted(f"p{turns}" for turns in range(40))
        assert len((await node.export()).endorsements) == 40


async def test_a_history_that_comes_several_times_at_once_comes_once(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    plays = [Play(item=item, time_s=1_600_000_000.0) for item in ITEMS]
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:
        done = await asyncio.gather(
            node.import_history(plays),
            node.import_history(plays, private=True),
            node.import_history(plays),
        )
        assert [(each.added, each.known) for each in done] == [(6, 0), (0, 6), (0, 6)]
        assert await items(node) == ITEMS


async def test_one_wrong_play_keeps_all_others_from_being_said(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    rules = Sharing(private_kinds=("skip",))
    async with tastemesh.open_node(config(tmp_path, nats_broker, sharing=rules)) as node:
        for wrong in (Play(item="", kind="skip"), Play(item="")):
            said = [Play(item="good"), Play(item="good", kind="skip"), wrong]
            with pytest.raises(UsageError, match="item id of 0 bytes"):
                await node.record_many(said)
            assert await items(node) == []


async def test_who_gives_up_forgetting_leaves_all_of_it_or_nothing(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:
        outcomes = set()
        for turns in range(60):
            await node.record("regretted")
            await node.record("regretted", private=True)
            task = asyncio.create_task(node.forget("regretted"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            left = await items(node)
            outcomes.add(len(left))
            await node.forget(everything=True)
            assert await items(node) == []
        assert outcomes <= {0, 2}
        assert 2 in outcomes


async def test_a_rotation_after_the_end_leaves_the_key_file_alone(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:
        voices = node._live.voices
    key = (tmp_path / "keys" / "me.key").read_bytes()
    with pytest.raises(StorageError, match="has stopped"):
        await node.rotate()
    with pytest.raises(StorageError, match="has stopped; nothing was recorded"):
        await voices.rotate(stolen=True, identity="me")
    assert (tmp_path / "keys" / "me.key").read_bytes() == key


async def test_new_users_are_whole_or_not_there(nats_broker: BrokerProcess, tmp_path: Path) -> None:
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:
        with pytest.raises(UsageError, match="identity name 'BAD'"):
            await node.add_identities(["ok", "BAD"])
        assert "ok" not in node.identities
        assert not (tmp_path / "keys" / "ok.key").exists()
        for turns in range(1, 12):
            task = asyncio.create_task(node.add_identities([f"a{turns}", f"b{turns}"]))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            for name in node.identities:
                await node.record("p", identity=name)
        again = await asyncio.gather(*(node.add_identities(["same"]) for _ in range(8)))
        assert len({user.id for (user,) in again}) == 1

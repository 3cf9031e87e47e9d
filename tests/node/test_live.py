"""Who may use a node: only the event loop that opened it, and only while it is open."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import tastemesh
from tastemesh.errors import StorageError, TastemeshError, UsageError
from tastemesh.node.node import Node
from tastemesh.node.plays import Play
from tests.brokers import BrokerProcess
from tests.node.test_node import config

pytestmark = pytest.mark.broker

SOMEBODY = "ab" * 32

CALLS: list[Callable[[Node], Awaitable[object]]] = [
    lambda node: node.record("item"),
    lambda node: node.endorse(SOMEBODY),
    lambda node: node.forget("item"),
    lambda node: node.rotate(),
    lambda node: node.import_history([]),
    lambda node: node.export(),
    lambda node: node.recommend(),
    lambda node: node.explain("item"),
    lambda node: node.evidence("item"),
    lambda node: node.backup(Path("nowhere")),
    lambda node: node.backup_home(Path("nowhere")),
    lambda node: node.add_identities(["ana"]),
    lambda node: node.connected(),
    lambda node: node.drain(),
]
QUESTIONS: list[Callable[[Node], object]] = [
    lambda node: node.status(),
    lambda node: node.identities,
    lambda node: node.identity("ana"),
    lambda node: node.holds(SOMEBODY),
    lambda node: node.records_of(SOMEBODY),
    lambda node: node.events(),
    lambda node: node.is_connected,
    lambda node: node.people,
]


async def refused(node: Node, kind: type[TastemeshError], text: str) -> None:
    for call in CALLS:
        with pytest.raises(kind, match=text):
            await call(node)
    for question in QUESTIONS:
        with pytest.raises(kind, match=text):
            question(node)


async def test_every_call_names_a_node_that_is_not_open_or_another_loops(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    node = tastemesh.open_node(config(tmp_path, nats_broker))
    await refused(node, UsageError, "the node is not open")
    assert (node.is_open, node.storage_fault) == (False, None)
    async with node:
        elsewhere = refused(node, UsageError, "another event loop.*open_node_sync")
        await asyncio.to_thread(asyncio.run, elsewhere)
        with pytest.raises(UsageError, match="another event loop"):
            await asyncio.to_thread(node.status)
        await node.record("item")
        assert [said.item for said in (await node.export()).interactions] == ["item"]
        stopping = asyncio.create_task(node.failed())
    await refused(node, StorageError, "the node has stopped")
    await stopping
    assert (node.is_open, node.storage_fault) == (False, None)


async def test_closing_ends_who_waits_for_a_broker_that_is_not_there(tmp_path: Path) -> None:
    nowhere = tastemesh.NodeConfig(home=tmp_path, brokers=("mqtt://127.0.0.1:9",))
    async with asyncio.timeout(30):
        async with tastemesh.open_node(nowhere) as node:
            await node.record("item")
            waiting = [asyncio.create_task(node.connected()), asyncio.create_task(node.drain())]
            events = node.events()
            await asyncio.sleep(0)
        for task in waiting:
            with pytest.raises(TastemeshError, match="closed meanwhile"):
                await task
        assert [event async for event in events] == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda node: node.record(5), "item is 5; expected text"),
        (lambda node: node.record("item", kind=None), "kind is None; expected text"),
        (lambda node: node.record("item", weight="1"), "weight is '1'; expected a number"),
        (lambda node: node.record("item", time_s="2020"), "time_s is '2020'; expected seconds"),
        (lambda node: node.record("item", identity=5), "identity is 5; expected text"),
        (lambda node: node.record_many(["item"]), "'item' is no tastemesh.Play"),
        (lambda node: node.record_many(None), "plays is None; expected several plays, as a list"),
        (lambda node: node.record_many(Play(item="a")), "expected several plays, as a list"),
        (lambda node: node.record("item", private=None), "private is None; expected True or False"),
        (lambda node: node.import_history(["item"]), "'item' is no tastemesh.Play"),
        (lambda node: node.import_history(["a"], private=True), "'a' is no tastemesh.Play"),
        (lambda node: node.import_history("item"), "plays is 'item'; expected several plays"),
        (lambda node: node.rotate(stolen="no"), "stolen is 'no'; expected True or False"),
        (lambda node: node.recommend_many(5), "identities is 5; expected several names"),
        (lambda node: node.backup(None), "path is None; expected a file"),
        (lambda node: node.backup(""), "path is ''; expected a file"),
        (lambda node: node.endorse(None), "peer id is None; expected text"),
        (lambda node: node.endorse("zz"), "peer id 'zz' is not 64 hex digits"),
        (lambda node: node.forget(5), "item is 5; expected text"),
        (lambda node: node.forget(), "expected an item, or everything, not neither"),
        (lambda node: node.forget(None), "expected an item, or everything, not neither"),
        (lambda node: node.forget("a", everything=True), "an item, or everything, not both"),
        (lambda node: node.forget(everything="a"), "everything is 'a'; expected True or False"),
        (lambda node: node.explain(5), "item is 5; expected text"),
        (lambda node: node.recommend("10"), "k is '10'; expected a whole number"),
        (lambda node: node.recommend(2.5), "k is 2.5; expected a whole number"),
        (lambda node: node.add_identities([5]), "identity name is 5; expected text"),
        (lambda node: node.add_identities(None), "names is None; expected several names"),
    ],
)
async def test_values_of_a_wrong_type_are_named(
    nats_broker: BrokerProcess,
    tmp_path: Path,
    call: Callable[[Node], Awaitable[object]],
    text: str,
) -> None:
    async with tastemesh.open_node(config(tmp_path, nats_broker)) as node:
        with pytest.raises(UsageError, match=text):
            await call(node)
        with pytest.raises(UsageError, match="record id 'zz' is not 64 hex digits"):
            node.holds("zz")
        for watch in ("me", None):
            with pytest.raises(UsageError, match=f"watch is {watch!r}; expected several"):
                node.events(watch=watch)  # type: ignore[arg-type]
        for capacity in ("9", 1.5, 10**30):
            with pytest.raises(UsageError, match=r"capacity is .*; expected 1 or more"):
                node.events(capacity=capacity)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="items is 'item'; expected several ids"):
            node.people.behind("item")
        for limit in (0, -1, "5", None):
            with pytest.raises(UsageError, match=f"limit is {limit!r}; expected a whole number"):
                node.people.around(limit)  # type: ignore[arg-type]
        await node.record_many([Play(item="item", weight=1)])

"""The public node: real files, a real broker, several users."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tastemesh
from tastemesh.errors import ConfigError, StorageError, UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.node.clock import SystemClock
from tastemesh.node.node import Node
from tastemesh.node.plays import Play
from tests.brokers import BrokerProcess

pytestmark = pytest.mark.broker

DEADLINE_S = 30


def config(home: Path, broker: BrokerProcess, **settings: object) -> tastemesh.NodeConfig:
    return tastemesh.NodeConfig(home=home, brokers=(broker.url,), **settings)  # type: ignore[arg-type]


async def until(holds: Callable[[], bool]) -> None:
    """Give the loop turns until something holds, up to a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.01)


def own_id(node: Node, name: str = "me") -> str:
    return str(node.status()["identities"][name])


async def test_what_one_node_records_another_recommends_with_signed_reasons(
    any_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with (
        tastemesh.open_node(config(tmp_path / "ana", any_broker)) as ana,
        tastemesh.open_node(config(tmp_path / "ben", any_broker)) as ben,
    ):
        await asyncio.gather(ana.connected(), ben.connected())
        plays = [Play(item=item, kind="like") for item in ("isrc:A", "isrc:B", "isrc:C")]
        (record_id,) = await ana.record_many(plays)
        await ben.record("isrc:A")
        await ben.endorse(own_id(ana))
        await until(lambda: ben.holds(record_id))
        listed = await ben.recommend(10)
        assert {line.item for line in listed} == {"isrc:B", "isrc:C"}
        assert not any(line.unverified for line in listed)
        (reason,) = listed[0].reasons
        assert (reason.contact, reason.record_ids) == (own_id(ana), (record_id,))
        assert reason.share == pytest.approx(1.0)
        explained = await ben.explain("isrc:B")
        assert explained is not None
        assert explained.reasons[0].contact == own_id(ana)
        assert await ben.explain("isrc:never-heard-of") is None
        assert ben.records_of(own_id(ana)) == [record_id]


async def test_a_newcomer_catches_up_and_a_restart_remembers(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path / "ana", nats_broker)) as ana:
        await ana.connected()
        said = [await ana.record(f"isrc:{n}") for n in range(30)]
        async with tastemesh.open_node(config(tmp_path / "ben", nats_broker)) as ben:
            await until(lambda: all(ben.holds(record_id) for (record_id,) in said))
            await ben.endorse(own_id(ana))
            before = await ben.recommend(10)
            stages = ben.status()["ingest"]
            counts = {name: stage["records"] for name, stage in stages.items()}
            assert counts["decode"] == counts["dedupe"] >= counts["verify"] == 30
            assert counts["persist"] == 31  # the endorsement, too
            assert counts["arrays"] >= 30
            assert all(stage["seconds"] > 0 for stage in stages.values())
        async with tastemesh.open_node(config(tmp_path / "ben", nats_broker)) as ben:
            assert ben.status()["ingest"]["verify"] == {"records": 0, "seconds": 0}
            after = await ben.recommend(10)
            assert [line.item for line in after] == [line.item for line in before]
            (again,) = await ben.record("isrc:new")
            assert ben.records_of(own_id(ben))[-1] == again


async def test_private_interactions_shape_only_their_users_list(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path / "home", nats_broker)) as node:
        ana, ben = node.identity("ana"), node.identity("ben")
        assert repr(ana) == f"LocalIdentity(name='ana', id={ana.id!r})"
        await ana.record("isrc:A")
        await ana.record("isrc:B")
        await ben.endorse(ana.id)
        assert await ben.record("isrc:A", private=True) == []
        assert [line.item for line in await ben.recommend()] == ["isrc:B"]
        assert node.records_of(ben.id) != []  # the endorsement
        await ana.endorse(ben.id)
        assert await ana.recommend() == []
        assert node.status()["window"]["interactions"] == 3
    async with tastemesh.open_node(config(tmp_path / "home", nats_broker)) as node:
        assert [line.item for line in await node.identity("ben").recommend()] == ["isrc:B"]


async def test_an_endorsers_list_has_marked_finds_only_where_asked_for(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    for share, expected in ((0.0, {"isrc:B": False}), (0.5, {"isrc:B": False, "isrc:C": True})):
        home = config(tmp_path / f"{share}", nats_broker, exploration_share=share, diversity=0.5)
        async with tastemesh.open_node(home) as node:
            ana, ben, eve = (node.identity(name) for name in ("ana", "ben", "eve"))
            for who, items in ((ana, "AB"), (eve, "AC"), (ben, "A")):
                await who.record_many([Play(item=f"isrc:{item}") for item in items])
            await ben.endorse(ana.id)
            listed = await ben.recommend(4)
            assert {line.item: line.unverified for line in listed} == expected
            for line in listed:
                explained = await ben.explain(line.item)
                assert explained is not None
                assert explained.unverified == line.unverified


async def test_what_was_rejected_is_not_listed(nats_broker: BrokerProcess, tmp_path: Path) -> None:
    async with tastemesh.open_node(config(tmp_path / "home", nats_broker)) as node:
        ana, ben = node.identity("ana"), node.identity("ben")
        await ana.record_many([Play(item="isrc:A"), Play(item="isrc:B")])
        await ben.endorse(ana.id)
        await ben.record("isrc:A", kind="skip")
        assert [line.item for line in await ben.recommend()] == ["isrc:B"]


async def test_a_block_holds_whatever_an_application_says_every_night(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path / "home", nats_broker)) as node:
        me, friend, eve = (node.identity(name) for name in ("me", "friend", "eve"))
        await eve.record("isrc:EVIL")
        await friend.record("isrc:A")
        await friend.endorse(eve.id)
        await me.endorse(eve.id, -1.0)
        friends = {f"{n:064x}": 1.0 for n in range(1, 150)} | {friend.id: 1.0}
        assert await node.endorse_many(friends, identity="me") != []
        assert await node.endorse_many(friends, identity="me") == []
        for night in range(3):
            weights = dict.fromkeys(friends, 0.5 + night / 10)
            assert await node.endorse_many(weights, identity="me") != []
            assert [line.item for line in await me.recommend()] == ["isrc:A"]
        with pytest.raises(UsageError, match="257 people endorsed or blocked"):
            await node.endorse_many({f"{n:064x}": 1.0 for n in range(200, 306)}, identity="me")


def test_a_play_is_made_as_something_is_recorded() -> None:
    assert Play("isrc:A", kind="like") == Play(item="isrc:A", kind="like")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "'item'"),
        ({"item": "a", "plays": 3}, "'plays'"),
    ]
    for fields, said in wrong:
        with pytest.raises(TypeError, match=said):
            Play(**fields)
    with pytest.raises(msgspec.ValidationError, match="missing required field `item`"):
        msgspec.convert({}, Play)


async def test_wrong_values_are_named_and_record_nothing(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with tastemesh.open_node(config(tmp_path / "home", nats_broker)) as node:
        me = own_id(node)
        cases: list[tuple[Awaitable[object], str]] = [
            (node.record(""), "item id of 0 bytes; expected 1 to 256"),
            (node.record("x" * 300), "item id of 300 bytes"),
            (node.record("x", weight=0.0), "weight is 0.0; expected above 0, to 1"),
            (node.record("x", weight=float("nan")), "weight is nan; expected 0 to 1"),
            (node.record("x", kind="LOUD"), "kind 'LOUD'"),
            (node.record("x", time_s=9e12), "time_s is 9000000000000.0; expected seconds"),
            (node.record("x", identity="eve"), "identity 'eve' is not on this node; it has me"),
            (node.endorse("abc"), "peer id 'abc' is not 64 hex digits"),
            (node.endorse(me), "nobody can endorse himself"),
            (node.endorse("ab" * 32, weight=2.0), "weight is 2.0; expected -1 to 1"),
            (node.recommend(0), "k is 0; expected 1 to 1000"),
            (node.endorse_many(["ab" * 32]), "expected weights by peer id"),  # type: ignore[arg-type]
            (node.add_identities("eve"), "names is 'eve'; expected several names"),
            (node.recommend_many("me"), "identities is 'me'; expected several names"),
        ]
        for call, expected in cases:
            with pytest.raises(UsageError) as caught:
                await call
            assert expected in str(caught.value)
        assert await node.endorse_many({}) == []  # an application's user without friends
        assert await node.record_many([]) == []  # or without plays
        assert list(node.identities) == ["me"]
        assert node.status()["window"]["records"] == 0
        with pytest.raises(ConfigError, match="identity name 'A B'"):
            node.identity("A B")
        with pytest.raises(ConfigError, match="taken by the node's own key"):
            node.identity("node")


async def test_a_home_belongs_to_one_network_one_process_and_one_passphrase(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    async with tastemesh.open_node(config(home, nats_broker, passphrase="sesame")):
        with pytest.raises(StorageError, match="in use by another process"):
            async with tastemesh.open_node(config(home, nats_broker, passphrase="sesame")):
                pass
    with pytest.raises(ConfigError, match="belongs to 'main'"):
        async with tastemesh.open_node(
            config(home, nats_broker, passphrase="sesame", network="other")
        ):
            pass
    with pytest.raises(ConfigError, match="is encrypted: expected a passphrase"):
        async with tastemesh.open_node(config(home, nats_broker)):
            pass
    with pytest.raises(ConfigError, match="wrong passphrase or damaged"):
        async with tastemesh.open_node(config(home, nats_broker, passphrase="guess")):
            pass


async def test_of_too_many_private_interactions_those_that_happened_first_go(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    now_s = SystemClock().wall_ms() / 1000
    new = [Play(item=f"new {n}", time_s=now_s - 100 + n) for n in range(4)]
    old = [Play(item=f"old {n}", time_s=now_s - 1_000 + n) for n in range(4)]
    for bound, said, left in (
        (6, [*new, *old], [*old[2:], *new]),
        (6, old[:1], [*old[2:], *new]),  # older than all: it would be the first to go
        (6, [], [*old[2:], *new]),
        (3, [], new[1:]),  # the bound has become tighter
    ):
        limits = Limits(private_interaction_count=bound)
        async with tastemesh.open_node(config(tmp_path, nats_broker, limits=limits)) as node:
            other = node.identity("other")
            if said:
                await other.record("his", private=True)
                await node.record_many(said, private=True)
            kept = [each.item for each in (await node.export()).interactions]
            assert kept == [play.item for play in left]
            his = len((await node.export(identity="other")).interactions)
            assert node.status()["window"]["interactions"] == len(left) + his
            assert his in (1, 2)

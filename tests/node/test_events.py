"""Events: what is told, to whom, and what a slow reader loses."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.gossip import effects
from tastemesh.gossip.limits import RejectReason
from tastemesh.node.events import (
    Announcer,
    EquivocationSeen,
    PeerDiscovered,
    RecommendationsChanged,
    RecordAccepted,
    RecordRefused,
    Subscription,
)
from tests.brokers import BrokerProcess

PEER = bytes(31) + b"\x01"
DEADLINE_S = 30


async def test_effects_become_typed_events() -> None:
    announcer = Announcer()
    subscription = Subscription(8)
    announcer.subscribe(subscription)
    announcer.tell(effects.PeerSeen(PEER))
    announcer.tell(effects.Misbehaved(RejectReason.EQUIVOCATION, PEER, "seq 4"))
    announcer.tell(effects.Misbehaved(RejectReason.RATE, PEER, "3 in a second"))
    announcer.tell(effects.SetTimer("sync", 1))
    announcer.close()
    assert [event async for event in subscription] == [
        PeerDiscovered(node=PEER.hex()),
        EquivocationSeen(author=PEER.hex()),
        RecordRefused(reason="rate", author=PEER.hex(), detail="3 in a second"),
    ]


async def test_a_slow_reader_loses_the_oldest_and_knows_how_many() -> None:
    announcer = Announcer()
    slow, quick = Subscription(2), Subscription(100)
    for each in (slow, quick):
        announcer.subscribe(each)
    for number in range(5):
        announcer.tell(effects.PeerSeen(bytes([number]) * 32))
    announcer.close()
    heard = [event.node[:2] async for event in slow if isinstance(event, PeerDiscovered)]
    assert (heard, slow.dropped_count) == (["03", "04"], 3)
    assert (len([event async for event in quick]), quick.dropped_count) == (5, 0)


async def test_a_subscription_ends_when_closed_and_goes_when_nobody_holds_it() -> None:
    announcer = Announcer()
    async with Subscription(4) as left:
        announcer.subscribe(left)
        waiting = asyncio.ensure_future(anext(left, None))
        await asyncio.sleep(0)
    assert await waiting is None
    announcer.tell(effects.PeerSeen(PEER))
    assert announcer.subscriptions == []
    announcer.subscribe(Subscription(4))
    gc.collect()
    assert announcer.subscriptions == []


@pytest.mark.broker
async def test_a_node_tells_of_records_peers_and_changed_lists(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    config = tastemesh.NodeConfig(home=tmp_path / "home", brokers=(nats_broker.url,))
    async with tastemesh.open_node(config) as node:
        ana, ben = await node.add_identities(["ana", "ben"])
        all_of_it = node.events()
        (record_id,) = await ana.record("isrc:A")
        await ben.endorse(ana.id)
        lists = node.events(watch=["ben"], k=5)
        async with asyncio.timeout(DEADLINE_S):
            accepted = [await anext(all_of_it) for _ in range(2)]
            assert [e.author for e in accepted if isinstance(e, RecordAccepted)] == [ana.id, ben.id]
            (first,) = [e async for e in _changes(lists, until=("isrc:A",))]
            assert first.recommendations[0].reasons[0].record_ids == (record_id,)
            await ben.record("isrc:A", kind="skip")
            (second,) = [e async for e in _changes(lists, until=())]
            assert (first.identity, second.identity) == ("ben", "ben")
        with pytest.raises(UsageError, match="identity 'eve' is not on this node"):
            node.events(watch=["eve"])
        with pytest.raises(UsageError, match="capacity is 0"):
            node.events(capacity=0)
        with pytest.raises(UsageError, match="k is 0"):
            node.events(k=0)
        await node.add_identities([f"u{n}" for n in range(65)])
        with pytest.raises(UsageError, match="watch has 65 users; expected at most 64"):
            node.events(watch=[f"u{n}" for n in range(65)])
    assert [e async for e in lists if isinstance(e, RecommendationsChanged)] == []


async def _changes(
    lists: Subscription, until: tuple[str, ...]
) -> AsyncIterator[RecommendationsChanged]:
    async for event in lists:
        if isinstance(event, RecommendationsChanged):
            yield event
            if tuple(line.item for line in event.recommendations) == until:
                return

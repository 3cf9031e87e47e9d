"""What a user keeps to himself by rule, and that nothing of it leaves the node."""

from pathlib import Path

import msgspec
import pytest

import tastemesh
from tastemesh.errors import ConfigError, UsageError
from tastemesh.gossip.limits import Limits
from tastemesh.gossip.record import Interaction
from tastemesh.node.plays import Play
from tastemesh.node.sharing import NOTHING_SHARED, Sharing
from tests.brokers import BrokerProcess

AUTHOR = b"a" * 32
WALL_MS = 1_700_000_000_000


def split(
    sharing: Sharing, plays: list[Play], counts: dict[str, int]
) -> list[tuple[list[str], bool]]:
    events = sharing.events(AUTHOR, plays, WALL_MS, counts.__getitem__)
    return [
        ([said.item for said in event.statements if isinstance(said, Interaction)], event.private)
        for event in events
    ]


def test_kinds_and_rare_items_stay() -> None:
    sharing = Sharing(private_kinds=("skip",), least_holders=2)
    plays = [Play(item="known"), Play(item="rare"), Play(item="disliked", kind="skip")]
    told = split(sharing, plays, {"known": 2, "rare": 1})
    assert told == [(["known"], False), (["rare", "disliked"], True)]
    assert split(NOTHING_SHARED, plays[:1], {}) == [(["known"], True)]


def test_without_rules_nobody_is_counted() -> None:
    plays = [Play(item="anything")]
    assert split(Sharing(), plays, {}) == [(["anything"], False)]
    assert split(Sharing(private_kinds=("listen",)), plays, {}) == [(["anything"], True)]
    assert split(Sharing(), [], {}) == []


def test_a_wrong_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="least_holders is -1; expected 0 to 1000"):
        Sharing(least_holders=-1)
    for kind in ("", "Skip", "s" * 33):  # no interaction has it, so it would keep nothing
        with pytest.raises(ConfigError, match=r"kind '.*'; expected 1 to 32"):
            Sharing(private_kinds=("skip", kind))


@pytest.mark.broker
async def test_a_rare_item_is_published_once_others_share_it(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    config = tastemesh.NodeConfig(
        home=tmp_path, brokers=(nats_broker.url,), sharing=Sharing(least_holders=2)
    )
    async with tastemesh.open_node(config) as node:
        ana, ben, cat = await node.add_identities(["ana", "ben", "cat"])
        for each in (ana, ben, cat):
            assert await each.record("rare") == []  # what others keep private does not count
        (said,) = (await node.export(identity="ana")).interactions
        assert said.private
    freely = msgspec.structs.replace(config, sharing=Sharing())
    async with tastemesh.open_node(freely) as node:
        for name in ("ben", "cat"):
            assert len(await node.record("rare", identity=name)) == 1
    async with tastemesh.open_node(config) as node:
        assert await node.record("rare", identity="ben") == []  # cat alone beside himself
        assert len(await node.record("rare", identity="ana")) == 1


@pytest.mark.broker
async def test_what_has_no_room_in_private_is_refused_with_all_that_came_with_it(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    config = tastemesh.NodeConfig(
        home=tmp_path,
        brokers=(nats_broker.url,),
        sharing=Sharing(private_kinds=("skip",)),
        limits=Limits(private_bytes=200),
    )
    async with tastemesh.open_node(config) as node:
        await node.record("first", kind="skip")
        with pytest.raises(UsageError, match="disk_mb"):
            await node.record_many([Play("loved"), Play("second", kind="skip")])
        assert [each.item for each in (await node.export()).interactions] == ["first"]
        assert await node.record_many([Play("loved")])

"""How many hold some items: as counted one by one, at the price of one pass."""

from pathlib import Path

import numpy as np
import pytest

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.node.holders import holder_counts
from tastemesh.node.sharing import Sharing
from tastemesh.ranking.view import View
from tests.brokers import BrokerProcess
from tests.gossip.counting import calls_of


def test_each_holder_counts_once_but_for_those_who_do_not_count() -> None:
    rng = np.random.default_rng(0)
    view = View()
    assert holder_counts(view, ["a"], []) == {"a": 0}
    said: list[tuple[bytes, list[str]]] = []
    for record in range(1, 200):
        user = bytes([int(rng.integers(20))]) * 32
        items = [f"i{item}" for item in rng.integers(0, 30, 5).tolist()]
        said.append((user, items))
        view.append(user, items, 1.0, 1, record)
    for record in (3, 50, 120):
        view.remove_record(record)
        said[record - 1] = (b"", [])
    unseen = [bytes([n]) * 32 for n in (2, 7, 99)]
    asked = [*(f"i{item}" for item in range(30)), "unknown"]
    assert holder_counts(view, asked, unseen) == {
        item: len({user for user, items in said if item in items} - {*unseen}) for item in asked
    }


@pytest.mark.broker
async def test_to_keep_rare_items_of_a_history_private_asks_no_more_an_item_than_a_look_up(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    plays = [tastemesh.Play(f"i{n}", time_s=n) for n in range(2_000)]
    calls = []
    for least in (0, 1):
        config = tastemesh.NodeConfig(
            home=tmp_path / str(least),
            brokers=(nats_broker.url,),
            sharing=Sharing(least_holders=least),
            limits=tastemesh.Limits(author_interaction_count=0, private_interaction_count=0),
        )
        async with tastemesh.open_node(config) as node:
            with calls_of() as counted:
                assert (await node.import_history(plays)).left_out == len(plays)
        calls.append(counted.count / len(plays))
    assert calls[1] < calls[0] + 4


@pytest.mark.broker
async def test_the_event_loop_does_not_look_at_each_play_of_a_history(
    tmp_path: Path, nats_broker: BrokerProcess
) -> None:
    config = tastemesh.NodeConfig(
        home=tmp_path,
        brokers=(nats_broker.url,),
        limits=tastemesh.Limits(author_interaction_count=0),
    )
    plays = [tastemesh.Play(f"i{n}", time_s=n) for n in range(2_000)]
    async with tastemesh.open_node(config) as node:
        with calls_of() as counted:
            assert (await node.import_history(plays)).left_out == len(plays)
        assert counted.count < len(plays)
        wrong = tastemesh.Play("wrong", weight=2.0)
        with pytest.raises(UsageError, match=r"weight is 2\.0"):
            await node.import_history([*plays, wrong])

"""The demonstration itself, small, on both brokers."""

import asyncio

import httpx
import msgspec
import pytest

from tastemesh.errors import TransportError, UsageError
from tastemesh.node.demo.hostile import ATTACKS
from tastemesh.node.demo.run import HELD_OUT_SHARE, DemoOptions, cast, run_demo
from tastemesh.sim.community import synthetic_community
from tests.brokers import BrokerProcess, free_port
from tests.node.daemons import DEADLINE_S, start

pytestmark = pytest.mark.broker


def silent(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.mark.slow
async def test_every_record_arrives_and_nothing_forged_does(any_broker: BrokerProcess) -> None:
    options = DemoOptions(node_count=6, broker=any_broker.url, time_limit_s=90)
    result = await run_demo(options, silent)
    assert result["coverage"] == 1.0
    assert result["pairs_delivered"] == result["pairs_expected"] > 0
    assert set(result["hostile_sent"]) == set(ATTACKS)
    assert result["forged_sent"] > 0
    assert result["forged_accepted"] == 0
    assert result["target_exposure@10"] == 0.0
    assert len(result["recommendations"]) == result["nodes"] == 6
    for lines in result["recommendations"].values():
        for line in lines:
            assert line["score"] > 0
            assert line["reasons"]


@pytest.mark.slow
async def test_served_it_shows_a_page_of_somebody_with_recommendations_and_names() -> None:
    """What a newcomer sees first; ends on SIGTERM."""
    process = await start("demo", "--serve", "--nodes", 6, "--attack", "none")
    assert process.stdout
    assert process.stderr
    async with asyncio.timeout(DEADLINE_S):
        while b"#token=" not in (line := await process.stdout.readline()):
            assert line, await process.stderr.read()
    url, _, token = line.decode().strip().partition("/#token=")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        listed = await client.get("/v1/recommendations", params={"explain": "true"})
        names = (await client.get("/dashboard/names.json")).json()
        lines = listed.json()["recommendations"]
        assert lines
        assert {reason["contact"] for line in lines for reason in line["reasons"]} <= set(names)
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.communicate()
    assert process.returncode == 0


def test_the_last_fifth_of_each_user_is_held_out() -> None:
    interactions, endorsements = synthetic_community(12, seed=5)
    parts = cast(DemoOptions(interactions=interactions, endorsements=endorsements, node_count=8))
    assert len(parts.users) == 8
    assert interactions.time_s is not None
    for name, plays, held_out in zip(parts.users, parts.replayed, parts.held_out, strict=True):
        total = len(plays) + len(held_out)
        assert len(held_out) == round(HELD_OUT_SHARE * total)
        user = interactions.user_ids.index(name)
        times = {
            interactions.item_ids[item]: int(time)
            for item, time in zip(
                interactions.item[interactions.user == user],
                interactions.time_s[interactions.user == user],
                strict=True,
            )
        }
        assert max(times[p.item] for p in plays) < min(times[item] for item in held_out)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (DemoOptions(node_count=1), "nodes is 1; expected 2 to 200"),
        (DemoOptions(attack="nuke"), "attack is 'nuke'; expected one of forge, alter"),
    ],
)
def test_wrong_options_are_named(options: DemoOptions, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        cast(options)


@pytest.mark.slow
async def test_an_absent_broker_is_named() -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    with pytest.raises(TransportError, match=f"no connection to the broker {url}"):
        await run_demo(DemoOptions(node_count=2, broker=url), silent)


@pytest.mark.slow
async def test_what_one_user_cannot_say_is_told_as_what_it_is(nats_broker: BrokerProcess) -> None:
    interactions, endorsements = synthetic_community(4, seed=1)
    names = tuple("x" * 302 for _ in interactions.item_ids)
    options = DemoOptions(
        interactions=msgspec.structs.replace(interactions, item_ids=names),
        endorsements=endorsements,
        node_count=4,
        broker=nats_broker.url,
    )
    with pytest.raises(UsageError, match="item id of 302 bytes"):
        await run_demo(options, silent)

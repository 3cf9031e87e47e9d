"""Routes about people, lists for many, pages and streams."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tastemesh.node.http.app import create_app
from tastemesh.node.http.server import HttpServer
from tastemesh.node.http.stream import STREAM_COUNT, Streams
from tastemesh.node.node import Node, open_node
from tastemesh.node.settings import NodeConfig
from tests.brokers import BrokerProcess

TOKEN = "t" * 43


@pytest.fixture
async def node(tmp_path: Path, nats_broker: BrokerProcess) -> AsyncIterator[Node]:
    """me endorses ana and ben, distrusts eve; ana endorses cem and dan."""
    config = NodeConfig(home=tmp_path / "home", brokers=(nats_broker.url,))
    async with open_node(config) as node:
        names = ("ana", "ben", "cem", "dan", "eve")
        ids = {each.name: each.id for each in await node.add_identities(names)}
        await node.endorse_many({ids["ana"]: 1.0, ids["ben"]: 0.5, ids["eve"]: -1.0})
        await node.endorse_many({ids["cem"]: 1.0, ids["dan"]: 1.0}, identity="ana")
        for name in ("ana", "cem", "dan", "eve"):
            await node.record("song", identity=name)
        await node.record("other", identity="ben")
        yield node


@pytest.mark.broker
async def test_a_neighbourhood_has_people_endorsements_and_the_bound(
    node: Node, client: httpx.AsyncClient
) -> None:
    name_of = {identity: name for name, identity in node.identities.items()}
    shown = (await client.get("/v1/neighbourhood")).json()
    people = {name_of[each["identity"]]: each for each in shown["people"]}
    distances = {name: each["distance"] for name, each in people.items()}
    assert distances == {"me": 0, "ana": 1, "ben": 1, "eve": 1, "cem": 2, "dan": 2}
    held = {name: each["interactions"] for name, each in people.items()}
    assert held == {"me": 0, "ana": 1, "ben": 1, "eve": 1, "cem": 1, "dan": 1}
    assert [people[name]["weight"] for name in ("ana", "ben", "eve", "cem")] == [1, 0.5, -1, 0]
    assert people["ana"]["through"] > people["ben"]["through"] > 0 == people["eve"]["trust"]
    assert sum(each["trust"] for each in people.values()) == pytest.approx(1.0)
    edges = {
        (name_of[e["source"]], name_of[e["subject"]], e["weight"]) for e in shown["endorsements"]
    }
    assert edges == {
        ("me", "ana", 1.0),
        ("me", "ben", 0.5),
        ("me", "eve", -1.0),
        ("ana", "cem", 1.0),
        ("ana", "dan", 1.0),
    }
    assert shown["reached"] == 4
    assert name_of[shown["sybil_bound"]["heaviest_contact"]] == "ana"

    few = (await client.get("/v1/neighbourhood", params={"limit": 2})).json()
    assert [name_of[each["identity"]] for each in few["people"]] == ["me", "ana"]
    assert len(few["endorsements"]) == 1
    alone = (await client.get("/v1/neighbourhood", params={"identity": "ben"})).json()
    assert (len(alone["people"]), alone["reached"], alone["endorsements"]) == (1, 0, [])


@pytest.mark.broker
async def test_reasons_name_the_people_behind_an_item(
    node: Node, client: httpx.AsyncClient
) -> None:
    name_of = {identity: name for name, identity in node.identities.items()}

    async def behind(item: str) -> Any:
        answer = await client.get("/v1/recommendations?explain=true")
        lines = {line["item"]: line["backing"] for line in answer.json()["recommendations"]}
        return lines[item]

    song = await behind("song")
    voices = [(name_of[v["identity"]], name_of[v["contact"]]) for v in song["voices"]]
    assert voices[0] == ("ana", "ana")
    assert sorted(voices[1:]) == [("cem", "ana"), ("dan", "ana")]
    assert (song["count"], song["acquainted"]) == (3, 0)
    cem = node.identities["cem"]
    await node.endorse(cem, identity="dan")
    assert (await behind("song"))["acquainted"] == 1
    bare = (await client.get("/v1/recommendations")).json()["recommendations"]
    assert {line["backing"] for line in bare} == {None}


@pytest.mark.broker
async def test_many_lists_are_what_one_by_one_they_are(client: httpx.AsyncClient) -> None:
    names = ["me", "ana", "ben", "ana"]
    wanted: dict[str, Any] = {"identities": names, "k": 3, "explain": True}
    together = (await client.post("/v1/recommendations", json=wanted)).json()["recommendations"]
    assert list(together) == ["me", "ana", "ben"]
    for name in names:
        query: dict[str, Any] = {"identity": name, "k": 3, "explain": "true"}
        alone = (await client.get("/v1/recommendations", params=query)).json()["recommendations"]
        assert together[name] == alone
    for wrong in ([], ["me"] * 65, ["nobody"]):
        answer = await client.post("/v1/recommendations", json={"identities": wrong})
        assert answer.status_code == 400


@pytest.mark.broker
async def test_local_users_are_made_and_listed_by_page(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()["components"]["schemas"]["NewUser"]
    shape = schema["properties"]["name"]
    for wrong in ("node", "", "Ana", "a/b", "x" * 65, "-ana", "_"):
        answer = await client.post("/v1/identities", json={"name": wrong})
        assert answer.status_code == 400, wrong
        if wrong != shape["not"]["const"] and len(wrong) <= shape["maxLength"]:
            assert not re.search(shape["pattern"], wrong), wrong
    assert "the first a letter or a digit" in answer.json()["error"]
    made = await client.post("/v1/identities", json={"name": "fay"})
    assert made.status_code == 201
    assert (await client.post("/v1/identities", json={"name": "fay"})).json() == made.json()
    names: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        listed = (await client.get("/v1/identities", params=query)).json()
        names += [each["name"] for each in listed["identities"]]
        if listed["next"] is None:
            break
        query["after"] = listed["next"]
    assert names == ["ana", "ben", "cem", "dan", "eve", "fay", "me"]


@pytest.mark.broker
async def test_own_interactions_come_newest_first_private_ones_too(
    node: Node, client: httpx.AsyncClient
) -> None:
    for number in range(4):
        await node.record(f"item-{number}", time_s=1_000_000 + number, private=number == 2)
    listed = (await client.get("/v1/interactions", params={"limit": 3})).json()
    assert [(each["item"], each["private"]) for each in listed["interactions"]] == [
        ("item-3", False),
        ("item-2", True),
        ("item-1", False),
    ]
    query = {"limit": 3, "after": listed["next"]}
    rest = (await client.get("/v1/interactions", params=query)).json()
    assert [each["item"] for each in rest["interactions"]] == ["item-0"]
    assert rest["next"] is None
    said = (await client.get("/v1/endorsements")).json()["endorsements"]
    assert sorted(each["weight"] for each in said) == [-1.0, 0.5, 1.0]
    wrong = await client.get("/v1/interactions", params={"after": "yesterday"})
    assert wrong.status_code == 400


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


@pytest.mark.broker
async def test_events_are_streamed_until_the_daemon_ends_them(node: Node) -> None:
    streams = Streams()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        HttpServer(create_app(node, TOKEN, streams=streams), 0) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers) as client,
        client.stream("GET", "/v1/events", params={"watch": "me", "k": 5}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        seen = _events(answer)
        name, told = await anext(seen)
        assert (name, told["identity"]) == ("RecommendationsChanged", "me")
        await node.record("new", identity="ana")
        accepted = None
        while accepted is None:
            name, told = await anext(seen)
            accepted = told if name == "RecordAccepted" else None
        assert (accepted["author"], accepted["own"]) == (node.identities["ana"], True)
        streams.close()
        async with asyncio.timeout(5):
            async for _ in seen:
                pass


@pytest.mark.broker
async def test_the_number_of_streams_is_bounded(node: Node) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    streams = Streams()
    open_ones = [node.events() for _ in range(STREAM_COUNT)]
    for each in open_ones:
        streams.add(each)
    transport = httpx.ASGITransport(create_app(node, TOKEN, streams=streams))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/v1/events", headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        wrong = await client.get("/v1/events", params={"watch": "nobody"}, headers=headers)
        assert wrong.status_code == 400
    streams.close()

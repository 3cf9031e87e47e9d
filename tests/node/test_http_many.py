"""Routes that take several of what others take one of, and what a client need not be told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tastemesh.errors import UsageError
from tastemesh.node.node import Node, open_node
from tastemesh.node.settings import NodeConfig
from tastemesh.node.wish import ANY, ITEM_COUNT, LIKE_COUNT, wished
from tests.node.full import full_at


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(NodeConfig(home=tmp_path / "home", offline=True)) as node:
        await node.add_identities(["ana", "ben"])
        yield node


async def test_many_plays_are_one_record_or_nothing(node: Node, client: httpx.AsyncClient) -> None:
    plays: list[dict[str, Any]] = [{"item": f"song {n}"} for n in range(64)]
    answer = await client.post("/v1/interactions/many", json={"plays": plays, "identity": "ana"})
    assert (answer.status_code, len(answer.json()["records"])) == (201, 1)
    wrong = [{"item": "one"}, {"item": ""}]
    assert (await client.post("/v1/interactions/many", json={"plays": wrong})).status_code == 400
    more = {"plays": [*plays, {"item": "one too many"}]}
    assert (await client.post("/v1/interactions/many", json=more)).status_code == 400
    assert len((await node.export(identity="ana")).interactions) == 64
    assert (await node.export()).interactions == []


async def test_many_endorsements_are_what_is_new_of_them(
    node: Node, client: httpx.AsyncClient
) -> None:
    weights = {node.identities["ana"]: 1.0, node.identities["ben"]: -0.5}
    said = await client.post("/v1/endorsements/many", json={"weights": weights})
    assert (said.status_code, len(said.json()["records"])) == (201, 1)
    again = await client.post("/v1/endorsements/many", json={"weights": weights})
    assert again.json() == {"records": []}
    strangers = {f"{n:064x}": 1.0 for n in range(257)}
    for refused in (strangers, {"ana": 1.0}, {f"{n:064x}": 0.0 for n in range(513)}):
        answer = await client.post("/v1/endorsements/many", json={"weights": refused})
        assert answer.status_code == 400
    assert {each.peer: each.weight for each in (await node.export()).endorsements} == weights


async def test_many_users_are_made_or_nobody(node: Node, client: httpx.AsyncClient) -> None:
    for wrong in ("node", "A B"):
        answer = await client.post("/v1/identities/many", json={"names": ["fay", wrong]})
        assert (answer.status_code, "fay" in node.identities) == (400, False)
    answer = await client.post("/v1/identities/many", json={"names": ["gus", "ana"]})
    assert answer.status_code == 201
    made = {each["name"]: each["identity"] for each in answer.json()["identities"]}
    assert list(made) == ["gus", "ana"]
    assert made == {name: node.identities[name] for name in made}


async def test_who_stands_behind_items_is_told_apart_from_a_list(
    node: Node, client: httpx.AsyncClient
) -> None:
    await node.record("song", identity="ana")
    await node.endorse(node.identities["ana"])
    answer = await client.post("/v1/backing", json={"items": ["song", "unheard"]})
    assert answer.status_code == 200
    assert answer.json()["backing"] == msgspec.to_builtins(node.people.behind(["song", "unheard"]))
    query: dict[str, Any] = {"explain": True, "backing": False}
    bare = (await client.get("/v1/recommendations", params=query)).json()["recommendations"]
    many = (await client.post("/v1/recommendations", json=query | {"identities": ["me"]})).json()
    assert many["recommendations"]["me"] == bare
    assert [(line["item"], line["backing"], len(line["reasons"])) for line in bare] == [
        ("song", None, 1)
    ]


async def test_a_list_may_be_of_candidates_or_like_an_item(
    node: Node, client: httpx.AsyncClient
) -> None:
    for n in range(6):
        await node.record(f"song {n}", identity="ana")
    await node.endorse(node.identities["ana"])
    await node.endorse(node.identities["ana"], identity="ben")

    async def listed(**wishes: object) -> dict[str, set[str]]:
        body = {"identities": ["me", "ben"], **wishes}
        answer = await client.post("/v1/recommendations", json=body)
        assert answer.status_code == 200
        lists = answer.json()["recommendations"]
        return {name: {line["item"] for line in lines} for name, lines in lists.items()}

    ids = [f"{n:0100}" for n in range(9_998)]  # a body of a megabyte
    some = {"song 1", "song 2"}
    assert await listed(candidates=[*some, *ids]) == {"me": some, "ben": some}
    assert await listed(candidates=[]) == {"me": set(), "ben": set()}
    rest = {f"song {n}" for n in range(6)} - some
    assert await listed(exclude=[*some, *ids], candidates=None) == {"me": rest, "ben": rest}
    assert await listed(like=["song 1"], exclude=["song 2"]) == {"me": rest, "ben": rest}
    refusals: list[tuple[dict[str, object], int, str]] = [
        (
            {"candidates": [*ids, "a", "b", "c"]},
            400,
            "candidates has 10001 items; expected at most",
        ),
        ({"like": ids[:65]}, 400, "like has 65 items; expected at most 64"),
        ({"like": "song 1"}, 400, "like: Expected `array`, got `str`"),
        ({"likes": []}, 400, "likes"),
        ({"exclude": ["x" * 2**20]}, 413, "the body has more than 1048576 bytes"),
    ]
    for wrong, status, told in refusals:
        answer = await client.post("/v1/recommendations", json={"identities": ["me"], **wrong})
        assert answer.status_code == status
        assert told in answer.json()["error"]


async def test_how_many_items_a_list_may_be_asked_for_is_in_the_schema(
    client: httpx.AsyncClient,
) -> None:
    schema = (await client.get("/openapi.json")).json()
    asked = schema["components"]["schemas"]["ManyLists"]["properties"]
    most = {name: asked[name].get("maxItems") for name in ("candidates", "exclude", "like")}
    assert most == {"candidates": ITEM_COUNT, "exclude": ITEM_COUNT, "like": LIKE_COUNT}


def test_too_many_items_are_refused_before_each_is_looked_at() -> None:
    with pytest.raises(UsageError, match="like has 65 items"):
        wished({"like": [5] * 65})  # type: ignore[list-item]


def test_a_wish_that_there_is_not_is_named() -> None:
    with pytest.raises(TypeError, match="'candidate'; expected candidates, exclude, like"):
        wished({"candidate": ["a"]})  # type: ignore[typeddict-unknown-key]
    assert wished({"candidates": None, "exclude": None, "like": None}) == ANY


async def test_a_status_without_bounds_costs_no_ranking(
    node: Node, client: httpx.AsyncClient
) -> None:
    full = (await client.get("/v1/status")).json()
    bare = (await client.get("/v1/status", params={"bounds": False})).json()
    assert (len(full["sybil_bound"]), bare["sybil_bound"]) == (3, {})
    assert bare.keys() == full.keys()


async def test_a_key_that_a_full_disk_has_no_room_for_is_no_fault_of_who_asked(
    client: httpx.AsyncClient,
) -> None:
    asked: list[tuple[str, dict[str, object]]] = [
        ("identities", {"name": "cem"}),
        ("identities/many", {"names": ["dan"]}),
        ("rotate", {}),
    ]
    for path, body in asked:
        with full_at(0):
            reply = await client.post(f"/v1/{path}", json=body)
        assert (reply.status_code, "cannot write the key file" in reply.text) == (503, True)
        assert (await client.post(f"/v1/{path}", json=body)).status_code == 201

"""The HTTP API over a real node on a real broker."""

import json
import os
import re
import runpy
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tastemesh.gossip.limits import RejectReason
from tastemesh.node.http.app import create_app
from tastemesh.node.http.metrics import METRICS, exposition
from tastemesh.node.node import Node, open_node
from tastemesh.node.settings import NodeConfig
from tests.brokers import BrokerProcess

pytestmark = pytest.mark.broker

TOKEN = "t" * 43
FRIEND = "ann"


@pytest.fixture
async def node(tmp_path: Path, nats_broker: BrokerProcess) -> AsyncIterator[Node]:
    config = NodeConfig(home=tmp_path / "home", brokers=(nats_broker.url,))
    async with open_node(config) as node:
        yield node


@pytest.fixture
async def stranger(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(node, TOKEN)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8765"
    ) as connected:
        yield connected


@pytest.fixture
async def client(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    stranger.headers["Authorization"] = f"Bearer {TOKEN}"
    return stranger


async def _friend_holds(node: Node, *items: str) -> str:
    """Let a second local user hold the items; return whom to endorse."""
    friend = node.identity(FRIEND)
    for item in items:
        await friend.record(item)
    return friend.id


async def test_what_a_friend_holds_is_recommended_with_reasons(
    node: Node, client: httpx.AsyncClient
) -> None:
    peer = await _friend_holds(node, "a", "b")
    said = await client.post("/v1/interactions", json={"item": "a"})
    endorsed = await client.post("/v1/endorsements", json={"peer": peer, "weight": 0.5})
    assert (said.status_code, endorsed.status_code) == (201, 201)
    assert len(said.json()["records"]) == len(endorsed.json()["records"]) == 1

    bare = (await client.get("/v1/recommendations", params={"k": 5})).json()["recommendations"]
    assert [line["item"] for line in bare] == ["b"]
    assert bare[0]["reasons"] == []
    full = (await client.get("/v1/recommendations?explain=true")).json()["recommendations"]
    assert [reason["contact"] for reason in full[0]["reasons"]] == [peer]
    assert full[0]["reasons"][0]["record_ids"]


async def test_a_private_interaction_makes_no_record(node: Node, client: httpx.AsyncClient) -> None:
    peer = await _friend_holds(node, "a", "b")
    await client.post("/v1/endorsements", json={"peer": peer})
    said = await client.post("/v1/interactions", json={"item": "a", "private": True})
    assert said.json() == {"records": []}
    lines = (await client.get("/v1/recommendations")).json()["recommendations"]
    assert [line["item"] for line in lines] == ["b"]


@pytest.mark.parametrize(
    "item",
    ["a/b", "https://x.example/y//z/", "/", "//", "..", ".", "é ?#%", "%2F", "a&k=1", "a/../b"],
)
async def test_one_item_is_explained_whatever_its_id(
    node: Node, client: httpx.AsyncClient, item: str
) -> None:
    peer = await _friend_holds(node, item, "other")
    await client.post("/v1/endorsements", json={"peer": peer})
    escaped = quote(item, safe="").replace(".", "%2E")
    answer = await client.get(f"/v1/recommendations/{escaped}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["item"] == item
    assert answer.json()["reasons"][0]["contact"] == peer


async def test_an_item_that_nothing_speaks_for_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/recommendations/nothing")
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "nothing speaks for 'nothing' here"},
    )


async def test_status_is_the_nodes_own(node: Node, client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/status")
    assert answer.json()["node"] == node.status()["node"]
    assert answer.json()["identities"] == node.status()["identities"]


async def test_a_home_whose_name_is_no_utf8_is_told_all_the_same(
    nats_broker: BrokerProcess, tmp_path: Path
) -> None:
    home = tmp_path / os.fsdecode(b"jos\xe9")
    async with (
        open_node(NodeConfig(home=home, brokers=(nats_broker.url,))) as node,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(node, TOKEN)),
            base_url="http://127.0.0.1:8765",
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as client,
    ):
        told = await client.get("/v1/status")
        assert (told.status_code, told.json()["home"]) == (200, str(tmp_path / "jos?"))
        assert (await client.post("/v1/backup")).status_code == 204
        again = await client.post("/v1/backup")
        assert (again.status_code, "jos?/window.backup is there" in again.text) == (409, True)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("interactions", {"item": "a", "weight": 2}, "weight is 2"),
        ("interactions", {"item": "a", "weight": "two"}, "weight: Expected `float`, got `str`"),
        ("interactions", {"item": "x" * 257}, "257 bytes"),
        ("interactions", {}, "item"),
        ("interactions", {"item": "a", "wieght": 1}, "wieght"),
        ("interactions", {"item": "a", "wieght": 1}, "; expected item, "),
        ("endorsements", {}, "`peer`; expected peer"),
        ("forget", {}, "expected an item, or everything, not neither"),
        ("forget", {"item": None}, "expected an item, or everything, not neither"),
        ("forget", {"item": "a", "everything": True}, "an item, or everything, not both"),
        ("interactions", {"item": "a", "identity": "bob"}, "'bob' is not on this node"),
        ("interactions", [], "Expected `object`, got `array`"),
        ("imports", {"plays": [{"item": "a", "private": True}]}, "plays[0]: Object contains unkn"),
        ("endorsements", {"peer": "nobody"}, "not 64 hex digits"),
        ("endorsements", {"peer": "0" * 64, "weight": -2}, "weight is -2"),
    ],
)
async def test_a_wrong_body_is_named(
    client: httpx.AsyncClient, path: str, body: object, said: str
) -> None:
    answer = await client.post(f"/v1/{path}", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


async def test_a_wrong_play_is_named_even_if_it_looks_known(client: httpx.AsyncClient) -> None:
    plays = [{"item": "a", "time_s": 5.0}, {"item": "a", "time_s": -1.0}]
    assert (await client.post("/v1/imports", json={"plays": plays[:1]})).json()["added"] == 1
    answer = await client.post("/v1/imports", json={"plays": plays})
    assert (answer.status_code, "time_s is -1" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("body", [b"", b"{", b'{"item": "\\ud800"}', b'{"item": "\xff"}'])
async def test_a_body_that_is_not_json_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/interactions", content=body)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]


@pytest.mark.parametrize(
    "query", ["k=0", "k=1001", "k=ten", "k=1&k=1", "identity=bob", "explain=perhaps"]
)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/recommendations?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "recommendations?lmit=5", "'lmit'; expected identity, k, explain, backing"),
        ("GET", "recommendations/a?k=5", "'k'; expected identity, like"),
        ("GET", "equivocators?identity=me", "'identity'; none is known here"),
        ("POST", "rotate?identity=ann", "'identity'; none is known here"),
    ],
)
async def test_a_parameter_that_is_not_known_is_named_and_nothing_done(
    node: Node, client: httpx.AsyncClient, method: str, path: str, said: str
) -> None:
    answer = await client.request(method, f"/v1/{path}", content=b"{}")
    assert answer.status_code == 400
    assert answer.json() == {"error": f"unknown parameter {said}"}
    assert node.records_of(node.identities["me"]) == []


@pytest.mark.parametrize("path", ["recommendations/%ff", "evidence?item=%ff"])
async def test_an_address_that_is_not_utf8_is_refused(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/v1/{path}")
    assert (answer.status_code, "UTF-8" in answer.text) == (400, True)


async def test_a_body_of_a_megabyte_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/interactions", json={"item": "x" * 2**20})
    assert (answer.status_code, list(answer.json())) == (413, ["error"])


async def test_what_can_be_read_can_be_asked_for_without_its_body(
    client: httpx.AsyncClient,
) -> None:
    for path in ("/health", "/ready", "/metrics", "/openapi.json", "/v1/identities"):
        whole, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        assert head.headers["content-type"] == whole.headers["content-type"]
    assert int(head.headers["content-length"]) == len(whole.content)
    for path, known in (
        ("/v1/events", "GET"),
        ("/v1/endorsements", "POST, GET, HEAD"),
        *((path, "GET, HEAD") for path in ("/metrics", "/openapi.json", "/", "/dashboard/app.js")),
    ):
        answer = await client.request("PUT", path)
        assert (answer.status_code, list(answer.json())) == (405, ["error"]), path
        assert set(answer.headers["allow"].split(", ")) == set(known.split(", "))


async def test_the_word_before_the_token_is_read_in_any_case(client: httpx.AsyncClient) -> None:
    for word in ("bearer", "BEARER", "Bearer "):
        headers = {"Authorization": f"{word} {TOKEN}"}
        assert (await client.get("/v1/status", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/status", "//v1/status", "/v1/nothing", "/dashboard/nothing", "/schema", "/health/"],
)
@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer " + TOKEN[1:], "Basic " + TOKEN, TOKEN])
async def test_without_the_token_there_is_no_answer(
    stranger: httpx.AsyncClient, path: str, token: str
) -> None:
    answer = await stranger.get(path, headers={"Authorization": token})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "api.token" in answer.json()["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "localhost@evil"]
)
async def test_a_name_that_was_bound_to_loopback_is_refused(
    client: httpx.AsyncClient, host: str
) -> None:
    for path in ("/v1/status", "/health"):
        assert (await client.get(path, headers={"Host": host})).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "LOCALHOST:1", "[::1]:8765"])
async def test_loopback_has_several_names(client: httpx.AsyncClient, host: str) -> None:
    own = {"Host": host, "Origin": f"http://{host}"}
    assert (await client.get("/v1/status", headers=own)).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_another_origin_is_refused_even_with_the_token(
    client: httpx.AsyncClient, origin: str
) -> None:
    answer = await client.get("/v1/status", headers={"Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_openapi_describes_every_route(stranger: httpx.AsyncClient) -> None:
    schema = (await stranger.get("/openapi.json")).json()
    assert sorted(schema["paths"]) == [
        "/health",
        "/ready",
        "/v1/backing",
        "/v1/backup",
        "/v1/endorsements",
        "/v1/endorsements/many",
        "/v1/equivocators",
        "/v1/events",
        "/v1/evidence",
        "/v1/export",
        "/v1/forget",
        "/v1/identities",
        "/v1/identities/many",
        "/v1/imports",
        "/v1/interactions",
        "/v1/interactions/many",
        "/v1/neighbourhood",
        "/v1/recommendations",
        "/v1/recommendations/{item}",
        "/v1/rotate",
        "/v1/status",
    ]
    assert schema["security"] == [{"token": []}]
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert "reasons" in json.dumps(schema["components"]["schemas"])


async def test_health_needs_no_token(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_metrics_are_prometheus_text(node: Node, stranger: httpx.AsyncClient) -> None:
    await node.record("a")
    answer = await stranger.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "tastemesh_window_records 1\n" in answer.text
    assert f'tastemesh_broker_connected{{broker="{node.status()["brokers"][0]["broker"]}"}}' in (
        answer.text
    )
    for line in answer.text.splitlines():
        assert line.startswith(("# HELP tastemesh_", "# TYPE tastemesh_", "tastemesh_"))


async def test_every_metric_is_documented_and_every_documented_one_is_told(
    stranger: httpx.AsyncClient,
) -> None:
    told = re.findall(r"^# TYPE (\S+) (\S+)$", (await stranger.get("/metrics")).text, re.MULTILINE)
    reference = Path(__file__).parents[2] / "docs" / "reference.py"
    page = runpy.run_path(str(reference))["metrics"]()
    assert told == re.findall(r"^\| `(\S+)` \| (\w+) \|", page, re.MULTILINE)
    assert all(f"`{reason}`" in page for reason in RejectReason)
    labels = {each.label for each in METRICS if each.label}
    assert labels == set(re.findall(r"^- `(\w+)`: ", page, re.MULTILINE))


async def test_label_values_are_escaped(node: Node) -> None:
    status = node.status() | {"rejected": {'a"b\\c\nd': 3}}
    assert 'tastemesh_rejected_total{reason="a\\"b\\\\c\\nd"} 3\n' in exposition(status)

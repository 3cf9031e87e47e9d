"""The API mounted in the frameworks that people have: FastAPI, Starlette, Litestar."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from litestar import Litestar
from litestar.handlers import asgi
from starlette.applications import Starlette
from starlette.routing import Mount

import tastemesh
from tastemesh.errors import UsageError
from tastemesh.node.node import Node
from tests.brokers import BrokerProcess

TOKEN = "a-token-of-enough-characters"


@pytest.fixture
async def node(tmp_path: Path, nats_broker: BrokerProcess) -> AsyncIterator[Node]:
    config = tastemesh.NodeConfig(home=tmp_path / "home", brokers=(nats_broker.url,))
    async with tastemesh.open_node(config) as node:
        yield node


def hosts(node: Node) -> dict[str, Any]:
    """Each framework with the API under /taste."""
    app = tastemesh.asgi_app(node, token=TOKEN)
    fast = FastAPI()
    fast.mount("/taste", app)
    nested = Starlette(routes=[Mount("/outer", Starlette(routes=[Mount("/taste", app)]))])
    handler = asgi("/taste", is_mount=True, copy_scope=True)(app)
    return {"fastapi": fast, "starlette": nested, "litestar": Litestar([handler])}


def connected(app: Any, prefix: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url=f"https://music.example{prefix}",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


@pytest.mark.broker
@pytest.mark.parametrize("framework", ["fastapi", "starlette", "litestar"])
async def test_mounted_it_answers_as_the_daemon_does(node: Node, framework: str) -> None:
    prefix = "/outer/taste" if framework == "starlette" else "/taste"
    ana = node.identity("ana")
    await ana.record("https://example/a/../b?c=é")
    async with connected(hosts(node)[framework], prefix) as client:
        said = await client.post("/v1/endorsements", json={"peer": ana.id})
        assert said.status_code == 201, said.text
        listed = await client.get("/v1/recommendations", params={"explain": "true"})
        (line,) = listed.json()["recommendations"]
        assert line["item"] == "https://example/a/../b?c=é"
        explained = await client.get(
            "/v1/recommendations/https%3A%2F%2Fexample%2Fa%2F..%2Fb%3Fc%3D%C3%A9"
        )
        assert explained.json()["reasons"][0]["contact"] == ana.id
        assert (await client.get("/v1/nothing")).status_code == 404
        described = (await client.get("/openapi.json")).json()
        assert described["servers"] == [{"url": prefix}]
        wrong = await client.get("/v1/recommendations", params={"k": 0})
        assert (wrong.status_code, "k" in wrong.json()["error"]) == (400, True)
        client.headers["Authorization"] = "Bearer guess"
        closed = ("/v1/status", "/metrics")
        assert [(await client.get(path)).status_code for path in closed] == [401, 401]
        assert (await client.get("/health")).json() == {"status": "ok"}


@pytest.mark.broker
async def test_the_application_says_how_fast_its_clients_may_ask(node: Node) -> None:
    app = tastemesh.asgi_app(node, token=TOKEN, requests_per_s=1)
    async with connected(app, "") as client:
        statuses = [(await client.get("/v1/identities")).status_code for _ in range(30)]
    assert statuses[:10] == [200] * 10
    assert statuses.count(429) >= 15  # the 30 are done within some seconds


async def test_a_node_that_is_not_open_is_unavailable(tmp_path: Path) -> None:
    app = tastemesh.asgi_app(tastemesh.open_node(tmp_path), token=TOKEN)
    async with connected(app, "") as client:
        answer = await client.get("/health")
    assert (answer.status_code, answer.json()) == (503, {"error": "the node is not open"})


def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="token has 4 characters; expected 16"):
        tastemesh.asgi_app(tastemesh.open_node(tmp_path), token="1234")


def test_what_no_client_could_present_and_what_is_no_node_are_refused(tmp_path: Path) -> None:
    node = tastemesh.open_node(tmp_path)
    wrong: list[tuple[Any, Any, str]] = [
        (node, None, "token is of type NoneType; expected text"),
        (node, f"{TOKEN}\n", "token has a blank at an end, or a control character"),
        (node, f"{TOKEN}\x00.", "token has a blank at an end, or a control character"),
        (tastemesh.open_node_sync(tmp_path), TOKEN, "node is of type SyncNode; expected what"),
    ]
    for given, token, said in wrong:
        with pytest.raises(UsageError, match=said):
            tastemesh.asgi_app(given, token=token)

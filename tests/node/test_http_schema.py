"""The API against its own OpenAPI schema, by schemathesis: valid and invalid requests, drawn by it.

`API_EXAMPLES` sets how many of each kind every operation gets, always the same ones. At the end the
server says how many calls it answered:

    API_EXAMPLES=150 pytest -s tests/node/test_http_schema.py
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from starlette.types import ASGIApp, Receive, Scope, Send

import tastemesh
from tastemesh.node.broker import EmbeddedBroker
from tastemesh.node.http.app import create_app
from tastemesh.node.http.rates import RateLimits, Rates
from tastemesh.node.http.server import HttpServer
from tastemesh.node.settings import NodeConfig

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
from schemathesis.checks import not_a_server_error  # noqa: E402 (after the import that may skip)
from schemathesis.config import SchemathesisConfig  # noqa: E402
from schemathesis.specs.openapi import checks as said  # noqa: E402

EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))
TOKEN = "t" * 43
USERS = ["me", "ana"]
ENDLESS = "/v1/events"  # tests/node/test_http_people.py reads it
CHECKS = [
    not_a_server_error,
    said.status_code_conformance,
    said.content_type_conformance,
    said.response_headers_conformance,
    said.response_schema_conformance,
    said.ignored_auth,
    said.unsupported_method,
    said.negative_data_rejection,
    said.missing_required_header,
]
# For questions only. What is said can be wrong in ways that no schema names: a date in the future,
# one's own id, 256 characters that are more bytes.
QUESTION_CHECKS = [*CHECKS, said.positive_data_acceptance]

# What this API refuses with. Schemathesis has a list of its own, without 421: for a `Host` that is
# not this machine's.
REFUSALS = SchemathesisConfig.from_dict(
    {
        "checks": {
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 429]
            }
        }
    }
)


def _schema() -> Any:
    async def read() -> Any:
        app = create_app(tastemesh.open_node("nowhere"), TOKEN)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/openapi.json")).json()

    schema = asyncio.run(read())
    _name_users(schema)
    return schemathesis.openapi.from_dict(schema, config=REFUSALS)


def _name_users(part: Any) -> None:
    """Say which users there are, which no schema knows: nearly all calls would be about others."""
    if isinstance(part, dict):
        for name, each in part.get("properties", {}).items():
            if name == "identity" and "maxLength" in each:
                each["enum"] = USERS
            if name == "name" and "not" in each:  # new users, whom no other call is to meet
                each["pattern"] = "^made-[a-z0-9]{1,20}$"
            if name == "names":
                each["items"]["pattern"] = "^made-[a-z0-9]{1,20}$"
            if name == "identities" and "maxItems" in each:
                each["items"] = {"enum": USERS}
        if part.get("name") == "identity" and part.get("in") == "query":
            part["schema"]["enum"] = USERS
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict | list):
            _name_users(inner)


SCHEMA = _schema()
OPERATIONS = {
    f"{each.ok().method.upper()} {each.ok().path}": each.ok()
    for each in SCHEMA.get_all_operations()
    if each.ok().path != ENDLESS
}


class Counted:
    """An application that counts the calls to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.count += 1
        await self._app(scope, receive, send)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """A node with something to say."""
    rates = Rates(RateLimits(known_per_s=1e9, unknown_per_s=1e9))
    async with (
        EmbeddedBroker(folder / "broker") as broker,
        tastemesh.open_node(NodeConfig(home=folder / "home", brokers=(broker.url,))) as node,
        HttpServer(app := Counted(create_app(node, TOKEN, rates=rates)), 0) as server,
    ):
        (ana,) = await node.add_identities(["ana"])
        for item in ("a", "b", "0"):
            await ana.record(item)
        await node.endorse(ana.id)
        await node.record("a")
        await node.recommend()  # on a fresh machine kernels compile for longer than clients wait
        yield server.url
        print(f"\n{app.count:,} calls answered")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Served from a thread: schemathesis asks and waits."""
    found: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served(tmp_path_factory.mktemp("api")) as address:
            found.append(address)
            ready.set()
            await asyncio.to_thread(done.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            ready.set()  # where it failed: nobody is to wait for ever

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    yield found[0]
    done.set()
    thread.join()


@pytest.mark.broker
@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "positive") for name in OPERATIONS]
    + [
        (name, "negative") for name in OPERATIONS if name not in {"GET /health", "GET /ready"}
    ],  # take nothing
)
def test_the_api_does_what_its_schema_says(url: str, name: str, mode: str) -> None:
    checks = QUESTION_CHECKS if name.startswith("GET") else CHECKS
    strategy = OPERATIONS[name].as_strategy(generation_mode=schemathesis.GenerationMode(mode))

    @seed(0)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: Any) -> None:
        case.call_and_validate(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, checks=checks
        )

    ask()

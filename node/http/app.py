"""The routes of the HTTP API, version 1, over one `Node`."""

import logging
from collections.abc import Iterable
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

import tastemesh
from tastemesh.errors import TastemeshError, UsageError
from tastemesh.node.dashboard import load_assets
from tastemesh.node.forgetting import Forgotten
from tastemesh.node.http.bodies import (
    Health,
    KeyChange,
    NewEndorsement,
    NewInteraction,
    Problem,
    Said,
    Withdrawal,
)
from tastemesh.node.http.commits import NodeDependency, committed
from tastemesh.node.http.gate import Gate
from tastemesh.node.http.history import backup, evidence, export, import_history
from tastemesh.node.http.listing import endorsements, interactions
from tastemesh.node.http.metrics import CONTENT_TYPE, exposition
from tastemesh.node.http.openapi import CompletePlugin
from tastemesh.node.http.page import page_routes
from tastemesh.node.http.people import add_identity, equivocators, identities, neighbourhood
from tastemesh.node.http.rates import Rates
from tastemesh.node.http.recommendations import explain_item, recommend, recommend_many
from tastemesh.node.http.status import NodeStatus
from tastemesh.node.http.stream import Streams, events
from tastemesh.node.node import Node

_LOGGER = logging.getLogger(__name__)

# Larger than any interaction in JSON with each byte of its item escaped.
BODY_BYTES = 64 * 1024


@post("/v1/interactions", summary="Record an interaction")
async def record(node: NodeDependency, data: JSONBody[NewInteraction]) -> Said:
    """Sign it, commit it, publish it; answers once it is committed."""
    saying = node.record(
        data.item,
        kind=data.kind,
        weight=data.weight,
        time_s=data.time_s,
        private=data.private,
        identity=data.identity,
    )
    return Said(await committed(node, saying))


@post("/v1/endorsements", summary="Endorse somebody")
async def endorse(node: NodeDependency, data: JSONBody[NewEndorsement]) -> Said:
    """State trust in somebody's taste; the latest statement counts."""
    saying = node.endorse(data.peer, data.weight, identity=data.identity)
    return Said(await committed(node, saying))


@post("/v1/forget", summary="Take interactions back")
async def forget(node: NodeDependency, data: JSONBody[Withdrawal]) -> Forgotten:
    """Delete them here, and have every node delete and refuse them."""
    return await committed(node, node.forget(data.item, identity=data.identity))


@post("/v1/rotate", summary="Put the next key in force")
async def rotate(node: NodeDependency, data: JSONBody[KeyChange]) -> Said:
    """Sign with the user's next key from now on; his id stays."""
    return Said(await committed(node, node.rotate(stolen=data.stolen, identity=data.identity)))


@get(
    "/v1/status",
    summary="What the node is doing",
    responses={200: ResponseSpec(NodeStatus, generate_examples=False, description="Its state.")},
)
async def status(node: NodeDependency) -> dict[str, Any]:
    """Return identities, brokers, window, rejections and storage."""
    return node.status()


@get(
    "/health",
    summary="Whether the daemon works",
    security=[{}],
    responses={503: ResponseSpec(Health, generate_examples=False, description="What is wrong.")},
)
async def health(node: NodeDependency) -> Response[Health]:
    """Answer 200, or 503 when nothing can be stored."""
    fault = node.storage_fault
    return Response(Health(fault or "ok"), status_code=503 if fault else 200)


@get("/metrics", media_type=MediaType.TEXT, include_in_schema=False)
async def metrics(node: NodeDependency) -> Response[str]:
    """Return the node's counts in Prometheus' text format."""
    return Response(exposition(node.status()), headers={"content-type": CONTENT_TYPE})


ROUTES: Iterable[ControllerRouterHandler] = (
    *(record, interactions, endorse, endorsements, forget, rotate, import_history, export, backup),
    *(recommend, recommend_many, explain_item, evidence),
    *(identities, add_identity, neighbourhood, equivocators),
    *(status, events, health, metrics),
)


def create_app(
    node: Node,
    token: str,
    *,
    loopback_only: bool = True,
    streams: Streams | None = None,
    rates: Rates | None = None,
) -> Gate:
    """Return the API as an ASGI application.

    Args:
        node: an entered node; the application neither opens nor closes it.
        token: what clients must present.
        loopback_only: False where another application mounts it: without the dashboard, and see
            `Gate`.
        streams: for whoever wants to end the event streams, which never end by themselves.
        rates: how fast clients may ask; the defaults where None.
    """
    assets = load_assets() if loopback_only else {}
    followed = streams or Streams()
    app = Litestar(
        [*ROUTES, *page_routes(assets)],
        dependencies={
            "node": Provide(lambda: node, sync_to_thread=False),
            "streams": Provide(lambda: followed, sync_to_thread=False),
        },
        exception_handlers={
            TastemeshError: _on_tastemesh_error,
            HTTPException: _on_http_error,
            UnicodeDecodeError: _on_undecodable,
            Exception: _on_bug,
        },
        logging_config=None,  # or it would take over the host application's logging
        openapi_config=OpenAPIConfig(
            title="tastemesh",
            version=tastemesh.__version__,
            path="/openapi.json",
            render_plugins=[CompletePlugin(path="/")],
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
            ),
            security=[{"token": []}],
        ),
        request_max_body_size=BODY_BYTES,
    )
    return Gate(app, token, loopback_only=loopback_only, page=assets, rates=rates)


def _on_tastemesh_error(_: Request[Any, Any, Any], error: TastemeshError) -> Response[Problem]:
    """A wrong value is the caller's fault; storage and brokers may work again later."""
    return Response(Problem(str(error)), status_code=400 if isinstance(error, UsageError) else 503)


def _on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    text = error.detail
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        text = "; ".join(f"{fault.get('key', 'body')}: {fault['message']}" for fault in error.extra)
    return Response(Problem(text), status_code=error.status_code, headers=error.headers)


def _on_undecodable(_: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[Problem]:
    """The item in the path or the body; nothing else is decoded on the way to a handler."""
    return Response(
        Problem(f"expected UTF-8, found {error.object[error.start]:#04x}"), status_code=400
    )


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    _LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(Problem("internal error; the daemon's log has it"), status_code=500)

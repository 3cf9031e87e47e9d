"""The routes of the HTTP API, version 1, over one `Node`."""

import logging
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import FromQuery, JSONBody, PathParameter, QueryParameter
from litestar.types import ASGIApp

import tastemesh
from tastemesh.errors import TastemeshError, UsageError
from tastemesh.node.advice import Advice
from tastemesh.node.forgetting import Forgotten
from tastemesh.node.http.bodies import (
    Health,
    KeyChange,
    NewEndorsement,
    NewInteraction,
    Problem,
    RecommendationList,
    Said,
    Withdrawal,
)
from tastemesh.node.http.commits import IdentityQuery, NodeDependency, committed
from tastemesh.node.http.gate import Gate
from tastemesh.node.http.history import evidence, export, import_history
from tastemesh.node.http.metrics import CONTENT_TYPE, exposition
from tastemesh.node.node import DEFAULT_IDENTITY, Node

_LOGGER = logging.getLogger(__name__)

# Larger than any interaction in JSON with each byte of its item escaped.
BODY_BYTES = 64 * 1024

_Length = Annotated[int, QueryParameter(ge=1, le=1000, description="length of the list")]


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


@get("/v1/recommendations", summary="Recommend items")
async def recommend(
    node: NodeDependency,
    k: _Length = 10,
    explain: FromQuery[bool] = False,
    identity: IdentityQuery = DEFAULT_IDENTITY,
) -> RecommendationList:
    """Return the best items that the user does not have yet; with `explain`, the reasons too."""
    lines = await node.recommend(k, identity=identity)
    if not explain:
        lines = [msgspec.structs.replace(line, reasons=()) for line in lines]
    return RecommendationList(lines)


@get("/v1/recommendations/{item:str}", summary="Explain one item")
async def explain_item(
    node: NodeDependency,
    item: Annotated[str, PathParameter(description="the item's id, percent-encoded")],
    identity: IdentityQuery = DEFAULT_IDENTITY,
) -> Advice:
    """Return the item's score for the user and whose word it rests on."""
    name = unquote(item, errors="strict")
    found = await node.explain(name, identity=identity)
    if found is None:
        raise HTTPException(status_code=404, detail=f"nothing speaks for {name!r} here")
    return found


@get("/v1/status", summary="What the node is doing")
async def status(node: NodeDependency) -> dict[str, Any]:
    """Return identities, brokers, window, rejections and storage."""
    return node.status()


@get("/health", summary="Whether the daemon works", security=[{}])
async def health(node: NodeDependency) -> Response[Health]:
    """Answer 200, or 503 when nothing can be stored."""
    fault = node.storage_fault
    return Response(Health(fault or "ok"), status_code=503 if fault else 200)


@get("/metrics", media_type=MediaType.TEXT, include_in_schema=False)
async def metrics(node: NodeDependency) -> Response[str]:
    """Return the node's counts in Prometheus' text format."""
    return Response(exposition(node.status()), headers={"content-type": CONTENT_TYPE})


def create_app(node: Node, token: str, *, loopback_only: bool = True) -> ASGIApp:
    """Return the API as an ASGI application.

    Args:
        node: an entered node; the application neither opens nor closes it.
        token: what clients must present.
        loopback_only: False where another application mounts it; see `Gate`.
    """
    app = Litestar(
        [
            *(record, endorse, forget, rotate, import_history, export),
            *(recommend, explain_item, evidence, status, health, metrics),
        ],
        dependencies={"node": Provide(lambda: node, sync_to_thread=False)},
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
            render_plugins=[JsonRenderPlugin(path="/")],
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
            ),
            security=[{"token": []}],
        ),
        request_max_body_size=BODY_BYTES,
    )
    return Gate(app, token, loopback_only=loopback_only)


def _on_tastemesh_error(_: Request[Any, Any, Any], error: TastemeshError) -> Response[Problem]:
    """A wrong value is the caller's fault; storage and brokers may work again later."""
    return Response(Problem(str(error)), status_code=400 if isinstance(error, UsageError) else 503)


def _on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    text = error.detail
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        text = "; ".join(f"{fault.get('key', 'body')}: {fault['message']}" for fault in error.extra)
    return Response(Problem(text), status_code=error.status_code)


def _on_undecodable(_: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[Problem]:
    """The item in the path or the body; nothing else is decoded on the way to a handler."""
    return Response(
        Problem(f"expected UTF-8, found {error.object[error.start]:#04x}"), status_code=400
    )


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    _LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(Problem("internal error; the daemon's log has it"), status_code=500)

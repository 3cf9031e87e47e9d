"""The HTTP API, version 1, over one `Node`, as an ASGI application."""

from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

import tastemesh
from tastemesh.node.dashboard import load_assets
from tastemesh.node.http import (
    health,
    history,
    listing,
    people,
    recommendations,
    statements,
    stream,
)
from tastemesh.node.http.answering import Answering, Reading, as_response, problem
from tastemesh.node.http.endings import Endings
from tastemesh.node.http.gate import Gate
from tastemesh.node.http.openapi import schema
from tastemesh.node.http.operation import Operation
from tastemesh.node.http.page import page_routes
from tastemesh.node.http.rates import Rates
from tastemesh.node.http.stream import Streams
from tastemesh.node.node import Node

# Routing looks through them in this order: what is asked for most comes first.
OPERATIONS: tuple[Operation, ...] = (
    *(recommendations.recommend, recommendations.recommend_many, recommendations.explain_item),
    *(statements.record, listing.interactions, statements.endorse, listing.endorsements),
    *(statements.record_many, statements.endorse_many, statements.forget, statements.rotate),
    *(history.import_history, history.export, history.evidence, history.backup),
    *(people.identities, people.add_identity, people.add_identities),
    *(people.neighbourhood, people.behind, people.equivocators),
    *(health.status, stream.events, health.health, health.ready),
)

ROOT = "tastemesh.root"
"""What a request's scope calls the path that we are mounted under, as clients see it."""


def create_app(
    node: Node,
    token: str,
    *,
    loopback_only: bool = True,
    streams: Streams | None = None,
    rates: Rates | None = None,
    names: Mapping[str, str] | None = None,
    endings: Endings | None = None,
) -> Gate:
    """Return the API as an ASGI application.

    Args:
        node: an entered node; the application neither opens nor closes it.
        token: what clients must present.
        loopback_only: False where another application mounts it: without the dashboard, and see
            `Gate`.
        streams: for whoever wants to end the event streams, which never end by themselves.
        rates: how fast clients may ask; the defaults where None.
        names: of made-up people, for the dashboard; see `load_assets`.
        endings: of the server's connections, for `/metrics`; None where it is not ours.
    """
    assets = load_assets(names) if loopback_only else {}
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    given = {"node": node, "streams": streams or Streams()}
    routes = [Route(path, Answering(known, given)) for path, known in by_path.items()]
    routes += [
        Route("/openapi.json", Reading(_schema)),
        Route("/metrics", Reading(partial(_metrics, node, endings))),
    ]
    router = Router([*routes, *page_routes(assets)], redirect_slashes=False, default=_nothing_there)
    return Gate(router, token, loopback_only=loopback_only, page=assets, rates=rates)


async def _metrics(node: Node, endings: Endings | None, _: Request) -> Response:
    return health.metrics(node, endings)


async def _schema(request: Request) -> Response:
    root = request.scope.get(ROOT, "")
    return as_response(schema(OPERATIONS, tastemesh.__version__, root), 200)


async def _nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(404, "no such path; /openapi.json names those that there are")
    await answer(scope, receive, send)

"""Routes for whoever looks after the node: a person, a supervisor, Prometheus."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tastemesh.node.http.answering import as_response
from tastemesh.node.http.bodies import Health
from tastemesh.node.http.endings import Endings
from tastemesh.node.http.metrics import CONTENT_TYPE, exposition
from tastemesh.node.http.operation import get
from tastemesh.node.http.status import NodeStatus
from tastemesh.node.kernels import KERNELS
from tastemesh.node.node import Node


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """In an address: how much of the status."""

    bounds: Annotated[bool, Meta(description="with users' Sybil bounds, a ranking each")] = True


@get("/v1/status", "What the node is doing", answer=NodeStatus)
async def status(node: Node, query: Extent) -> dict[str, Any]:
    """Return identities, brokers, window, rejections, storage, and users' Sybil bounds."""
    if query.bounds:
        await KERNELS.ready()  # a bound is read off a list
    return node.status(bounds=query.bounds)


@get("/health", "Whether the daemon works", answer=Health, refusals={503: Health}, is_open=True)
async def health(node: Node) -> Response:
    """Answer 200, or 503 when nothing can be stored, or not all be read: a person is needed."""
    return _told(_disk_fault(node))


@get("/ready", "Whether the node is in touch", answer=Health, refusals={503: Health}, is_open=True)
async def ready(node: Node) -> Response:
    """Answer 200, or 503 as `/health` does, or when no broker is connected, which may pass.

    A node that is offline by its configuration has no broker to wait for.
    """
    is_cut_off = not (node.is_connected or node.config.offline)
    return _told(_disk_fault(node) or ("no broker is connected" if is_cut_off else ""))


def _disk_fault(node: Node) -> str | None:
    storage = node.status(bounds=False)["storage"]
    found: str | None = storage["fault"] or storage["damage"]
    return found


def _told(fault: str | None) -> Response:
    return as_response(Health(fault or "ok"), 503 if fault else 200)


def metrics(node: Node, endings: Endings | None) -> Response:
    """Return the counts of the node, and of its server where it has one, in Prometheus' format."""
    status = node.status(bounds=False) | {"endings": endings}
    return Response(exposition(status), headers={"content-type": CONTENT_TYPE})

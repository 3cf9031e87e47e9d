"""The HTTP API inside another application: FastAPI, Starlette, Litestar, any ASGI server.

::

    app = FastAPI(lifespan=open_the_node)
    app.mount("/tastemesh", tastemesh.asgi_app(node, token=TOKEN))
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp

from tastemesh.errors import UsageError
from tastemesh.node.http.app import ROOT, create_app
from tastemesh.node.http.gate import ITEM_PREFIX, refuse
from tastemesh.node.http.rates import REQUESTS_PER_S, RateLimits, Rates
from tastemesh.node.node import Node

# What ASGI itself says of a request; the host's framework keeps its own things there too, under
# names that ours uses as well (`state`, `path_params`).
_SCOPE = frozenset(
    {"type", "asgi", "http_version", "method", "scheme", "query_string", "headers", "client"}
    | {"server", "extensions"}
)

TOKEN_CHARS = 16  # fewer can be guessed by somebody who may ask as often as the host lets him


def asgi_app(
    node: Node, *, token: str, requests_per_s: int = REQUESTS_PER_S
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the node's HTTP API, as the daemon serves it under `/v1/`, to be mounted under a path.

    Args:
        node: opened and closed by the application, in the event loop that serves it; until it is
            open, the answer is 503.
        token: what clients must present as `Authorization: Bearer …`, ASCII, at least 16
            characters. It opens all of the node's users: it is for your own services, not theirs.
        requests_per_s: how many with the token one address may send for long, 1 to 100,000; ten
            seconds' worth at once. Behind a proxy all clients may have one address.

    Raises:
        UsageError: the token is none that a client can present, or too short; or it is no `Node`,
            or `requests_per_s` no such number.
    """
    _check(node, token)
    if len(token) < TOKEN_CHARS or not token.isascii():
        raise UsageError(f"token has {len(token)} characters; expected {TOKEN_CHARS} of ASCII")
    rates = Rates(RateLimits.of(requests_per_s))
    return Mounted(create_app(node, token, loopback_only=False, rates=rates), node)


def _check(node: object, token: object) -> None:
    if not isinstance(node, Node):
        found = type(node).__name__
        raise UsageError(f"node is of type {found}; expected what tastemesh.open_node returns")
    if not isinstance(token, str):  # a variable that is not set, say; it is not repeated
        raise UsageError(f"token is of type {type(token).__name__}; expected text")
    if token != token.strip() or not token.isprintable():  # the line's end of a file, say
        raise UsageError("token has a blank at an end, or a control character; expected neither")


class Mounted:
    """ASGI middleware: makes paths relative to where the host application mounted us.

    Frameworks disagree: Starlette keeps the whole path and names the prefix in `root_path`,
    Litestar cuts it off and adds a slash at the end, and both leave `raw_path` as it came.

    Args:
        app: expects to stand at the root.
        node: answers once it is open.
    """

    def __init__(self, app: ASGIApp, node: Node) -> None:
        self._app = app
        self._node = node

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand the request on, as if it came to the root."""
        if scope["type"] != "http":
            return
        if not self._node.is_open:
            await refuse(send, 503, "the node is not open")
            return
        raw = (scope.get("raw_path") or b"").partition(b"?")[0]
        path = scope["path"]
        root = scope.get("root_path", "")
        if root and (path == root or path.startswith(f"{root}/")):
            path = path[len(root) :]
        if raw and not raw.endswith(b"/"):
            path = path.removesuffix("/")
        path = path or "/"
        own = {name: value for name, value in scope.items() if name in _SCOPE}
        own |= {"path": path, "raw_path": _raw(raw, path), "root_path": ""}
        own[ROOT] = raw.removesuffix(own["raw_path"]).decode("ascii", "replace")
        await self._app(own, receive, send)


def _raw(given: bytes, path: str) -> bytes:
    """Return a path as it came, less where we are mounted; only an item's id needs that.

    >>> _raw(b"/mount/v1/recommendations/a%2Fb", "/v1/recommendations/a/b")
    b'/v1/recommendations/a%2Fb'
    """
    item = given.partition(ITEM_PREFIX)[2]
    if item and path.startswith(ITEM_PREFIX.decode()):
        return ITEM_PREFIX + item
    return quote(path).encode()

"""The door of the HTTP API, in front of all routing: host, origin, token.

- Host: loopback names only. A page whose own name was pointed at 127.0.0.1 (DNS rebinding) is same
  origin to the browser, yet its requests carry that name.
- Origin: no page of another origin, with or without the token.
- Token: everything but the paths in `OPEN_PATHS` asks for it, so a path that routing reads
  differently from us stays closed.

Mounted in another application, the first two are that one's to decide: it answers on names of its
own, and a page cannot make a browser add the token. `/metrics` asks for the token there.
"""

import re
from hmac import compare_digest
from urllib.parse import quote, unquote_to_bytes

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec.json import encode

OPEN_PATHS = frozenset({"/health", "/metrics", "/openapi.json"})
OPEN_MOUNTED_PATHS = OPEN_PATHS - {"/metrics"}  # counts that are not for everybody on the web
ITEM_PREFIX = b"/v1/recommendations/"

_LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)


class Gate:
    """ASGI middleware.

    Args:
        app: what to guard.
        token: what `Authorization: Bearer …` must carry.
        loopback_only: refuse other hosts and origins.
    """

    def __init__(self, app: ASGIApp, token: str, *, loopback_only: bool = True) -> None:
        self._app = app
        self._loopback_only = loopback_only
        self._open_paths = OPEN_PATHS if loopback_only else OPEN_MOUNTED_PATHS
        self._expected = b"Bearer " + token.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or answer it with 401, 403 or 421."""
        if scope["type"] != ScopeType.HTTP:
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if self._loopback_only and (len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0])):
            await refuse(send, 421, "this API answers on loopback names only, such as 127.0.0.1")
        elif self._loopback_only and any(o != b"http://" + hosts[0] for o in origins):
            await refuse(send, 403, "requests from another origin are refused")
        elif scope["path"] not in self._open_paths and not self._knows_token(scope):
            token = "the text of api.token" if self._loopback_only else "the node's token"
            await refuse(send, 401, f"expected Authorization: Bearer with {token}")
        else:
            _protect_item(scope)
            await self._app(scope, receive, send)

    def _knows_token(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and compare_digest(given[0], self._expected)


def _protect_item(scope: Scope) -> None:
    """Make an item in the path one segment, percent-encoded: routing would tidy `//` and `..`."""
    raw = scope["raw_path"]
    if raw.startswith(ITEM_PREFIX) and len(raw) > len(ITEM_PREFIX):
        item = quote(unquote_to_bytes(raw.removeprefix(ITEM_PREFIX)), safe="")
        scope["path"] = ITEM_PREFIX.decode() + item.replace(".", "%2E")


async def refuse(send: Send, status: int, reason: str) -> None:
    """Answer a request with a status and a `Problem`.

    Args:
        send: of the request.
        status: of HTTP.
        reason: what was wrong and what was expected.
    """
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = encode({"error": reason})
    await send({"type": "http.response.body", "body": body, "more_body": False})

"""The door of the HTTP API, in front of all routing: host, origin, rate, token, answer headers.

- Host: loopback names only. A page whose own name was pointed at 127.0.0.1 (DNS rebinding) is same
  origin to the browser, yet its requests carry that name.
- Origin: no page of another origin, with or without the token. Requests that carry no Origin, such
  as images, say `Sec-Fetch-Site` in every browser of today; of these only a link may lead here.
- Rate: see `tastemesh.node.http.rates`.
- Token: everything but the open paths asks for it, so a path that routing reads differently from
  us stays closed.

Mounted in another application, the first two are that one's to decide: it answers on names of its
own, and a page cannot make a browser add the token. `/metrics` asks for the token there.
"""

import re
from collections.abc import Iterable
from hmac import compare_digest
from urllib.parse import quote, unquote_to_bytes

from msgspec.json import encode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tastemesh.node.http.rates import Rates

OPEN_PATHS = frozenset({"/health", "/ready", "/metrics", "/openapi.json"})
OPEN_MOUNTED_PATHS = OPEN_PATHS - {"/metrics"}  # counts that are not for everybody on the web
ITEM_PREFIX = b"/v1/recommendations/"

# The page's scripts, styles and requests come from here and nowhere else; a script cannot turn text
# into markup (trusted types), and no page can frame this one.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
ANSWER_POLICY = "default-src 'none'; frame-ancestors 'none'"

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)


class Gate:
    """ASGI middleware.

    Args:
        app: what to guard.
        token: what `Authorization: Bearer …` must carry.
        loopback_only: refuse other hosts and origins.
        page: paths of the dashboard, which are open.
        rates: how fast clients may ask.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        *,
        loopback_only: bool = True,
        page: Iterable[str] = (),
        rates: Rates | None = None,
    ) -> None:
        self._app = app
        self._loopback_only = loopback_only
        self._page = frozenset(page)
        self._open_paths = self._page | (OPEN_PATHS if loopback_only else OPEN_MOUNTED_PATHS)
        self._token = token.encode("ascii")
        self._rates = rates or Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or answer it with 401, 403, 421 or 429."""
        if scope["type"] != "http":
            return
        send = self._guarded(scope["path"], send)
        hosts = _values(scope, b"host")
        known = self._knows_token(scope)
        address = scope["client"]
        client = address[0] if address else ""
        if self._loopback_only and (len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0])):
            await refuse(send, 421, "this API answers on loopback names only, such as 127.0.0.1")
        elif self._loopback_only and self._is_foreign(scope, hosts[0]):
            await refuse(send, 403, "requests from another origin are refused")
        elif wait_s := self._rates.take(client, known=known):
            await refuse(send, 429, f"too many requests; try again in {wait_s} s", wait_s)
        elif not known and scope["path"] not in self._open_paths:
            token = "the text of api.token" if self._loopback_only else "the node's token"
            await refuse(send, 401, f"expected Authorization: Bearer with {token}")
        else:
            _protect_item(scope)
            await self._app(scope, receive, send)

    def _knows_token(self, scope: Scope) -> bool:
        given = _values(scope, b"authorization")
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and compare_digest(token.lstrip(b" "), self._token)

    def _is_foreign(self, scope: Scope, host: bytes) -> bool:
        if any(origin != b"http://" + host for origin in _values(scope, b"origin")):
            return True
        sites = _values(scope, b"sec-fetch-site")
        if all(site in (b"same-origin", b"none") for site in sites):
            return False
        return scope["path"] != "/" or _values(scope, b"sec-fetch-mode") != [b"navigate"]

    def _guarded(self, path: str, send: Send) -> Send:
        is_page = path in self._page
        headers = [
            *_HEADERS,
            (b"content-security-policy", (PAGE_POLICY if is_page else ANSWER_POLICY).encode()),
            (b"cache-control", b"no-cache" if is_page else b"no-store"),
        ]

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        return send_guarded


def _values(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]


def _protect_item(scope: Scope) -> None:
    """Make an item in the path one segment, percent-encoded: routing would tidy `//` and `..`."""
    raw = scope["raw_path"]
    if raw.startswith(ITEM_PREFIX) and len(raw) > len(ITEM_PREFIX):
        item = quote(unquote_to_bytes(raw.removeprefix(ITEM_PREFIX)), safe="")
        scope["path"] = ITEM_PREFIX.decode() + item.replace(".", "%2E")


async def refuse(send: Send, status: int, reason: str, wait_s: int | None = None) -> None:
    """Answer a request with a status and a `Problem`.

    Args:
        send: of the request.
        status: of HTTP.
        reason: what was wrong and what was expected.
        wait_s: after how many seconds to try again.
    """
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if wait_s is not None:
        headers.append((b"retry-after", str(wait_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = encode({"error": reason})
    await send({"type": "http.response.body", "body": body, "more_body": False})

"""Asks the running daemon of a home, over its HTTP API."""

import http.client
import json
import math
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import typer

from tastemesh.errors import TastemeshError, UsageError
from tastemesh.node.http.access import find_daemon, no_daemon, token_of

# A question ranks the whole window, a few tenths of a second. The first one on a machine with the
# extra `fast` waits for the compiler: half a minute (measured), on a small board some more (guess).
ANSWER_S = 300.0

_PATIENCE_S = 5.0  # until whoever waits is told why it can take long (guess)

_TOO_MANY = 429  # a long import that is ahead of the daemon's limit waits as long as it is told


def ask(
    home: Path,
    method: str,
    path: str,
    *,
    query: dict[str, object] | None = None,
    body: dict[str, object] | None = None,
) -> Any:
    """Send one request and return the answer.

    Args:
        home: whose daemon.
        method: GET or POST.
        path: from `/v1/` on.
        query: parameters of the URL.
        body: sent as JSON.

    Raises:
        UsageError: the daemon found a value wrong.
        TastemeshError: no daemon runs, or it could not do it.
    """
    try:
        content = json.dumps(body, allow_nan=False, ensure_ascii=False).encode() if body else None
    except UnicodeEncodeError:
        raise UsageError("an argument is not valid UTF-8") from None
    except ValueError:
        numbers = [(n, v) for n, v in (body or {}).items() if isinstance(v, float)]
        wrong = next((name for name, value in numbers if not math.isfinite(value)), "a number")
        raise UsageError(f"{wrong} is not finite; expected an ordinary number") from None
    while True:
        status, answer, wait_s = _exchange(home, method, path, query, content)
        if status != _TOO_MANY:
            break
        time.sleep(wait_s)
    if status == 400:
        raise UsageError(answer["error"])
    if status >= 300:
        raise TastemeshError(answer["error"])
    return answer


def _exchange(
    home: Path, method: str, path: str, query: dict[str, object] | None, content: bytes | None
) -> tuple[int, Any, int]:
    """Return the status, the answer, and after how many seconds to try again."""
    address = urlsplit(find_daemon(home).http)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S)
    told = threading.Timer(_PATIENCE_S, _ask_for_patience)
    if sys.stderr.isatty():
        told.daemon = True
        told.start()
    try:
        connection.request(
            method,
            f"{path}?{urlencode(query)}" if query else path,
            content,
            {"Authorization": f"Bearer {token_of(home)}", "Content-Type": "application/json"},
        )
        reply = connection.getresponse()
        content = reply.read()
        answer = json.loads(content) if content else None
    except ConnectionRefusedError:
        raise no_daemon(home) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise TastemeshError(f"the daemon of {home} does not answer: {error}") from None
    finally:
        told.cancel()
        connection.close()
    return reply.status, answer, int(reply.getheader("Retry-After") or 1)


def _ask_for_patience() -> None:
    typer.echo(
        "waiting for the daemon; the first list on a machine takes a minute with the extra fast",
        err=True,
    )

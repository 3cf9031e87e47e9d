"""Asks the running daemon of a home, over its HTTP API."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from tastemesh.node.client.daemon import OfHome
from tastemesh.node.client.line import Line, encoded

# A question ranks the whole window, a few tenths of a second. The first one on a machine with the
# extra `fast` waits for the compiler: half a minute (measured), on a small board some more (guess).
ANSWER_S = 300.0

_PATIENCE_S = 5.0  # until whoever waits is told why it can take long (guess)


def ask(
    home: Path,
    method: str,
    path: str,
    *,
    query: dict[str, object] | None = None,
    body: dict[str, object] | None = None,
    changes: bool = True,
) -> Any:
    """Send one request and return the answer.

    Args:
        home: whose daemon.
        method: GET or POST.
        path: from `/v1/` on.
        query: parameters of the URL.
        body: sent as JSON.
        changes: False for a POST that only asks.

    Raises:
        UsageError: the daemon found a value wrong.
        TastemeshError: no daemon runs, or it could not do it.
    """
    line = Line(OfHome(home), ANSWER_S)
    content = encoded(body) if body else None
    try:
        with _patience():
            told = line.ask(
                method, path, query=query, content=content, changes=changes and method != "GET"
            )
        return json.loads(told) if told else None
    except ValueError as error:
        raise line.foreign(error) from None
    finally:
        line.close()


@contextmanager
def _patience() -> Iterator[None]:
    """Tell a person who waits for long what for."""
    told = threading.Timer(_PATIENCE_S, _ask_for_patience)
    if sys.stderr.isatty():
        told.daemon = True
        told.start()
    try:
        yield
    finally:
        told.cancel()


def _ask_for_patience() -> None:
    typer.echo(
        "waiting for the daemon; the first list on a machine takes a minute with the extra fast",
        err=True,
    )

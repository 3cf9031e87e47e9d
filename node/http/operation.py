"""One operation of the API: a method on a path, apart from how it is served or described.

A handler is a coroutine function whose parameters say what it wants, by name:

- ``node``, ``streams``: what the application was made with;
- ``query``, ``body``: a msgspec struct, from the address or from the JSON of the request;
- ``item``: the last part of the path, percent-decoded.

What it returns is the answer. The schema (`tastemesh.node.http.openapi`) is made of the same
annotations that requests are read by, so it cannot drift from them.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_type_hints

import msgspec

Handler = Callable[..., Awaitable[object]]

# Larger than any interaction in JSON with each byte of its item escaped.
BODY_BYTES = 64 * 1024


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """See the module.

    Attributes:
        method: GET or POST.
        path: from the root; ``{item}`` stands for one part of it.
        summary: a line for the schema.
        handler: answers.
        status: of a success.
        answer: type of what the handler returns; None for an empty answer.
        refusals: what else it answers, beside what every operation may: type by status.
        takes: the handler's parameters.
        query: struct of the address's parameters, or None.
        body: struct of the body, or None.
        is_open: answers without the token.
        body_bytes: how large a body may be.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    status: int
    answer: Any
    refusals: Mapping[int, Any]
    takes: tuple[str, ...]
    query: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None
    is_open: bool
    body_bytes: int

    @property
    def description(self) -> str:
        """What the handler's docstring says."""
        return inspect.getdoc(self.handler) or ""


def get(
    path: str,
    summary: str,
    *,
    answer: Any = None,
    refusals: Mapping[int, Any] | None = None,
    is_open: bool = False,
) -> Callable[[Handler], Operation]:
    """Make a handler answer GET on a path.

    Args:
        path: see `Operation`.
        summary: see `Operation`.
        answer: type of the answer where the handler's annotation does not say it.
        refusals: see `Operation`.
        is_open: see `Operation`.
    """
    return lambda handler: _operation(
        "GET", path, summary, handler, 200, answer, refusals or {}, is_open, 0
    )


def post(
    path: str,
    summary: str,
    *,
    status: int = 201,
    answer: Any = None,
    refusals: Mapping[int, Any] | None = None,
    body_bytes: int = BODY_BYTES,
) -> Callable[[Handler], Operation]:
    """Make a handler answer POST on a path; see `get`.

    Args:
        path: see `Operation`.
        summary: see `Operation`.
        status: of a success.
        answer: as for `get`.
        refusals: see `Operation`.
        body_bytes: see `Operation`.
    """
    return lambda handler: _operation(
        "POST", path, summary, handler, status, answer, refusals or {}, False, body_bytes
    )


def _operation(
    method: str,
    path: str,
    summary: str,
    handler: Handler,
    status: int,
    answer: Any,
    refusals: Mapping[int, Any],
    is_open: bool,
    body_bytes: int,
) -> Operation:
    hints = get_type_hints(handler, include_extras=True)
    returned = hints.pop("return")
    return Operation(
        method=method,
        path=path,
        summary=summary,
        handler=handler,
        status=status,
        answer=answer or (None if returned is type(None) else returned),
        refusals=refusals,
        takes=tuple(hints),
        query=hints.get("query"),
        body=hints.get("body"),
        is_open=is_open,
        body_bytes=body_bytes,
    )

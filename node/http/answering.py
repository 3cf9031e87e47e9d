"""Reads a request for an operation, runs it, and writes its answer, or what was wrong, as JSON."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, get_origin, get_type_hints
from urllib.parse import parse_qs, unquote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tastemesh.errors import TastemeshError, UsageError
from tastemesh.node.http.bodies import Problem
from tastemesh.node.http.operation import Operation

_LOGGER = logging.getLogger(__name__)


class Answering:
    """The ASGI application of one path.

    Args:
        operations: by method.
        given: what handlers may ask for beside what the request holds, by name.
    """

    def __init__(self, operations: Mapping[str, Operation], given: Mapping[str, object]) -> None:
        self._operations = dict(operations)
        reading = operations.get("GET")
        if reading is not None and reading.answer is not str:  # a stream has no end, so no length
            self._operations["HEAD"] = reading
        self._given = given

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        answer = await self._answer(request)
        if request.method == "HEAD":
            answer.body = b""  # its length stays in the head
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        operation = self._operations.get(request.method)
        if operation is None:
            return _unknown_method(request.method, self._operations)
        try:
            done = await operation.handler(**await self._arguments(operation, request))
            return as_response(done, operation.status)
        except UsageError as error:
            return problem(HTTPStatus.BAD_REQUEST, str(error))
        except TastemeshError as error:  # storage and brokers may work again later
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except HTTPException as error:
            return problem(error.status_code, error.detail, error.headers)
        except UnicodeDecodeError as error:  # the path, what stands behind it, or the body
            text = f"expected UTF-8, found {error.object[error.start]:#04x}"
            return problem(HTTPStatus.BAD_REQUEST, text)
        except ClientDisconnect:
            return problem(HTTPStatus.BAD_REQUEST, "the body ended early")  # to nobody
        except Exception:  # whatever it is, the daemon goes on
            _LOGGER.exception("%s %s failed", request.method, request.url.path)
            text = "internal error; the daemon's log has it"
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, text)

    async def _arguments(self, operation: Operation, request: Request) -> dict[str, object]:
        found: dict[str, object] = {}
        query = read_query(request.scope["query_string"], operation.query)
        for name in operation.takes:
            if name == "query":
                found[name] = query
            elif name == "body":
                content = await _content(request, operation.body_bytes)
                found[name] = read_body(content, operation.body)
            elif name == "item":
                found[name] = unquote(request.path_params["item"], errors="strict")
            else:
                found[name] = self._given[name]
        return found


class Reading:
    """The ASGI application of a path that is only read, and that is no operation of the API.

    Parameters say nothing here: whoever collects metrics may add some.

    Args:
        read: answers.
    """

    def __init__(self, read: Callable[[Request], Awaitable[Response]]) -> None:
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        if request.method in ("GET", "HEAD"):
            answer = await self._read(request)
        else:
            answer = _unknown_method(request.method, ("GET", "HEAD"))
        if request.method == "HEAD":
            answer.body = b""
        await answer(scope, receive, send)


def _unknown_method(method: str, known: Iterable[str]) -> Response:
    expected = ", ".join(known)
    text = f"{method} is not known here; expected {expected}"
    return problem(HTTPStatus.METHOD_NOT_ALLOWED, text, {"Allow": expected})


def read_query(given: bytes, wanted: Any) -> object:
    """Return the parameters of an address as a struct.

    One that is given twice and is no list is refused: one of the two would be ignored. So is one
    that is not known: it is a known one misspelt, or meant for the body.

    Args:
        given: what stands behind the question mark.
        wanted: the struct, or None where no parameter is known.

    Raises:
        UsageError: names the parameter and what is expected.
        UnicodeDecodeError: it is not UTF-8.
    """
    found = parse_qs(given.decode(), keep_blank_values=True, errors="strict")
    fields = {} if wanted is None else _fields(wanted)
    values: dict[str, object] = {}
    for name, each in found.items():
        if name not in fields:
            known = f"expected {', '.join(fields)}" if fields else "none is known here"
            raise UsageError(f"unknown parameter {name!r}; {known}")
        if len(each) > 1 and not fields[name]:
            raise UsageError(f"parameter {name!r} is given {len(each)} times; expected it once")
        values[name] = each if fields[name] else each[0]
    if wanted is None:
        return None
    try:
        read: object = msgspec.convert(values, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(_placed(error, "query")) from None
    return read


@cache
def _fields(wanted: Any) -> dict[str, bool]:
    """Return which fields a struct has, and whether each is a list."""
    return {name: get_origin(hint) is list for name, hint in get_type_hints(wanted).items()}


def read_body(content: bytes, wanted: Any) -> object:
    """Return the JSON of a body as a struct.

    Raises:
        UsageError: names the field and what is expected.
    """
    try:
        read: object = msgspec.json.decode(content, type=wanted)
    except msgspec.ValidationError as error:
        told = _placed(error, "body")
        is_ours = told.startswith("body: Object")  # and not an object in it
        raise UsageError(
            f"{told}; expected {', '.join(_fields(wanted))}" if is_ours else told
        ) from None
    except msgspec.DecodeError as error:
        raise UsageError(f"{_placed(error, 'body')}; expected JSON") from None
    return read


def _placed(error: msgspec.DecodeError, whole: str) -> str:
    """Return msgspec's text with the place in front.

    >>> _placed(msgspec.ValidationError("Expected `int`, got `str` - at `$.plays[0].item`"), "body")
    'plays[0].item: Expected `int`, got `str`'
    """
    text, _, place = str(error).partition(" - at `")
    return f"{place.rstrip('`').removeprefix('$').removeprefix('.') or whole}: {text}"


async def _content(request: Request, most_bytes: int) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it is too large; no more than that is read.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most_bytes:
            raise HTTPException(413, f"the body has more than {most_bytes} bytes")
    return bytes(content)


def as_response(done: object, status: int) -> Response:
    """Return what a handler returned as it is sent; a response of its own goes as it is."""
    if isinstance(done, Response):
        return done
    if done is None:
        return Response(status_code=status)
    return Response(encoded(done), status, media_type="application/json")


def problem(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal.

    Args:
        status: of HTTP.
        text: what was wrong and what was expected.
        headers: to be sent with it.
    """
    content = encoded(Problem(text))
    return Response(content, status, headers, media_type="application/json")


def encoded(value: object) -> bytes:
    """Return JSON; what is no UTF-8 in a text, as in the name of a home, stands there as `?`."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        told = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        return told.encode("utf-8", "replace")

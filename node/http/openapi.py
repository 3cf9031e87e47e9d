"""The OpenAPI 3.1 schema of the API, from the operations and the structs that they take and give.

What an item, a kind or a name may be is said in the structs (`tastemesh.node.http.bodies`); what
stands before every handler, the gate above all, is said here once.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from tastemesh.node.http.bodies import Problem
from tastemesh.node.http.operation import Operation

_MEANINGS = {
    400: "A value is wrong, or a parameter is not known; the text names it.",
    401: "The token is missing or wrong.",
    403: "A page of another origin asked.",
    413: "The body is too large; the text says how large it may be.",
    421: "The host is no loopback name.",
    429: "Too many requests; `Retry-After` says when to try again.",
    500: "A fault of ours; the daemon's log has it.",
    503: "Nothing can be stored just now, or the node is not open.",
}
_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After"}
_REFERENCE = "#/components/schemas/{name}"

_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {5,}.+)*)", re.MULTILINE)


def schema(operations: Iterable[Operation], version: str, root: str = "") -> dict[str, Any]:
    """Return the schema.

    Args:
        operations: the API's.
        version: of the API's software.
        root: path that the API is mounted under, if any, without a slash at the end.
    """
    described = list(operations)
    types = [
        each
        for operation in described
        for each in (operation.answer, operation.body, *operation.refusals.values())
        if each is not None and each is not str
    ]
    _, components = msgspec.json.schema_components([*types, Problem], ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in described:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tastemesh", "version": version},
        "servers": [{"url": root or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {name: _documented(told) for name, told in components.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    parameters = _parameters(operation)
    told: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "description": operation.description,
        "responses": _responses(operation),
    }
    if parameters:
        told["parameters"] = parameters
    if operation.body:
        told["requestBody"] = {"required": True, "content": _content(operation.body)}
    if operation.is_open:
        told["security"] = [{}]
    return told


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "item" in operation.takes:
        description = "the item's id, percent-encoded"
        shape = {"type": "string", "minLength": 1}
        found.append(_parameter("item", "path", shape, description, required=True))
    if operation.query:
        _, components = msgspec.json.schema_components([operation.query])
        told = components[operation.query.__name__]
        for name, shape in told["properties"].items():
            required = name in told.get("required", ())
            description = shape.get("description", "")
            found.append(_parameter(name, "query", shape, description, required=required))
    return found


def _parameter(
    name: str, place: str, shape: Mapping[str, Any], description: str, *, required: bool
) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": required,
        "schema": shape,
        "description": description,
    }


def _responses(operation: Operation) -> dict[str, Any]:
    statuses = [400, 403, 421, 429, 500, 503]
    statuses += [] if operation.is_open else [401]
    statuses += [413] if operation.method == "POST" else []
    answers: dict[int, Any] = {status: _refusal(status, _MEANINGS[status]) for status in statuses}
    for status, answer in operation.refusals.items():
        answers[status] = _answer(HTTPStatus(status).phrase, answer)
    answers[operation.status] = _answer("Done.", operation.answer)
    return {str(status): answers[status] for status in sorted(answers)}


def _refusal(status: int, meaning: str) -> dict[str, Any]:
    answer = _answer(meaning, Problem)
    if status in _HEADERS:
        answer["headers"] = {_HEADERS[status]: {"schema": {"type": "string"}, "required": True}}
    return answer


def _answer(meaning: str, answer: Any) -> dict[str, Any]:
    if answer is None:
        return {"description": meaning}
    return {"description": meaning, "content": _content(answer)}


def _content(answer: Any) -> dict[str, Any]:
    if answer is str:
        return {"text/event-stream": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=answer.__name__)}}}


def _documented(told: dict[str, Any]) -> dict[str, Any]:
    """Return a struct's schema with its docstring taken apart: a description for each field."""
    text, _, attributes = inspect.cleandoc(told.pop("description", "")).partition(
        "\n\nAttributes:\n"
    )
    for name, meaning in _ATTRIBUTE.findall(attributes):
        shape = told["properties"].get(name)
        if shape is not None and "description" not in shape:
            told["properties"][name] = {**shape, "description": " ".join(meaning.split())}
    return {**told, "description": text} if text else told

"""Makes the generated OpenAPI schema say everything: each error status, and what bodies may hold.

Litestar describes what a handler returns. What stands before a handler, the gate and the limits of
the wire format, is added here once for all routes.
"""

from collections.abc import Mapping
from typing import Any

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.serialization import encode_json

_MEANINGS = {
    400: "A value is wrong; the text names it.",
    401: "The token is missing or wrong.",
    403: "A page of another origin asked.",
    404: "Nothing speaks for the item.",
    409: "The copy is there already.",
    413: "The body is larger than 64 KiB.",
    421: "The host is no loopback name.",
    429: "Too many requests; `Retry-After` says when to try again.",
    500: "A fault of ours; the daemon's log has it.",
    503: "Nothing can be stored just now, or the node is not open.",
}
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "what was wrong and what was expected"}
    },
}
_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After"}

_ITEM = {
    "minLength": 1,
    "maxLength": 256,
    "pattern": r"^[^\u0000-\u001F\u007F-\u009F\uD800-\uDFFF]+$",
}
_KIND = {"minLength": 1, "maxLength": 32, "pattern": "^[a-z][a-z0-9_-]*$"}
_NAME = {"minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9_-]+$"}

# Constraints of the wire format, which the node checks itself and names better than a schema does.
_FIELDS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "NewInteraction": {
        "item": _ITEM,
        "kind": _KIND,
        "weight": {"exclusiveMinimum": 0, "maximum": 1},
        "time_s": {"minimum": 0},
    },
    "Play": {
        "item": _ITEM,
        "kind": _KIND,
        "weight": {"exclusiveMinimum": 0, "maximum": 1},
        "time_s": {"minimum": 0},
    },
    "NewEndorsement": {
        "peer": {"pattern": "^[0-9a-f]{64}$"},
        "weight": {"minimum": -1, "maximum": 1},
    },
    "NewUser": {"name": {**_NAME, "not": {"const": "node"}}},
}


# Bodies; what they do not name is refused. `Play` is not among them: it is an application's type.
_CLOSED = {"History", "KeyChange", "ManyLists", "NewEndorsement", "NewInteraction", "NewUser"}
_CLOSED |= {"Withdrawal"}


class CompletePlugin(JsonRenderPlugin):
    """Renders the schema, completed."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the schema as JSON."""
        return encode_json(completed(openapi_schema))


def completed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a generated schema with everything that it lacks.

    Args:
        schema: as Litestar makes it; not changed.
    """
    paths = {
        path: {method: _operation(path, method, told) for method, told in operations.items()}
        for path, operations in schema["paths"].items()
    }
    schemas = {
        name: _constrained(told, _FIELDS.get(name, {}))
        for name, told in schema["components"]["schemas"].items()
    }
    for name in sorted(_CLOSED):
        schemas[name]["additionalProperties"] = False
    components = {**schema["components"], "schemas": {**schemas, "Problem": _PROBLEM}}
    return {**schema, "paths": paths, "components": components}


def _operation(path: str, method: str, told: dict[str, Any]) -> dict[str, Any]:
    statuses = [400, 403, 421, 429, 500, 503]
    if told.get("security") != [{}]:
        statuses.append(401)
    if method == "post":
        statuses.append(413)
    if path == "/v1/backup":
        statuses.append(409)
    if "item" in path or path == "/v1/evidence":
        statuses.append(404)
    answers = {status: _problem(status) for status in statuses}
    if path == "/v1/events":
        stream = {"text/event-stream": {"schema": {"type": "string"}}}
        answered = {**told["responses"]["200"], "description": "Events, as they happen."}
        told = {**told, "responses": {**told["responses"], "200": {**answered, "content": stream}}}
    kept = {code: answer for code, answer in told["responses"].items() if code != "400"}
    return {**told, "responses": {**{str(s): answers[s] for s in sorted(answers)}, **kept}}


def _problem(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _HEADERS:
        answer["headers"] = {_HEADERS[status]: {"schema": {"type": "string"}, "required": True}}
    return answer


def _constrained(
    told: dict[str, Any], fields: Mapping[str, Mapping[str, object]]
) -> dict[str, Any]:
    properties = told.get("properties", {})
    return {
        **told,
        "properties": {name: {**each, **fields.get(name, {})} for name, each in properties.items()},
    }

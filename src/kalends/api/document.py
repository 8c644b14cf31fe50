"""The OpenAPI document: FastAPI's, with what is true of every call said once more in each."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from kalends.api.changes import PARAMETERS, Change
from kalends.api.errors import WITH_BODY, BodyTooLarge, MissingFields
from kalends.api.examples import illustrate
from kalends.api.gate import GUARDED, PUBLIC
from kalends.api.json_body import made_by
from kalends.api.plain_schemas import not_null, plain

DESCRIPTION = """
Staff, web pages and programs book time over HTTP, and the same time is never sold twice.

Calls under `/v1` need an API key: `Authorization: Bearer vst_…`. Times are answered in UTC as
`2024-01-25T14:00:00Z`. Every refusal has the shape `{"error": "…", "code": "…", "details": {…}}`.

Calls under `/v1/public` need none: they are for the clients of one organization. In sandbox organizations
(`kalends org create --sandbox`) the header `Test-Clock: <ISO 8601>` says what time it is for a request.
"""

_REQUEST_ID = {
    "X-Request-Id": {
        "description": "Echoes the request's, or names it; the log line carries it too.",
        "schema": {"type": "string"},
    }
}
_ALLOWANCE = {
    "X-RateLimit-Limit": {
        "description": "Requests per hour, by all keys of the organization; without a key, by the address.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {"description": "What is left of them.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "When they are counted anew, in Unix seconds.",
        "schema": {"type": "integer"},
    },
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}}
_REPLAYED = {
    "Idempotent-Replayed": {
        "description": "`true` where this answer was given before, to the same Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


_HEADERS = _REQUEST_ID | _ALLOWANCE | _RETRY_AFTER | _CHALLENGE | _REPLAYED


def operation_id(route: APIRoute) -> str:
    """`appointments.create`: the tag and the handler's name."""
    return ".".join([*map(str, route.tags[:1]), route.name])


def document(app: FastAPI, public_url: str) -> dict[str, Any]:
    """The document of this application, made once. Its calls are below `public_url`, if there is one."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION,
            contact={"name": "Whoever runs this server"},
            license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
            servers=[{"url": public_url or "/", "description": "The server that this document comes from."}],
            routes=app.routes,
            tags=[
                {"name": "appointments", "description": "Booked time."},
                {"name": "appointment_types", "description": "What can be booked."},
                {"name": "availability", "description": "The organization's own weekly hours."},
                {"name": "schedules", "description": "Hours that types and calendars share, by name."},
                {"name": "overrides", "description": "Days that differ from the organization's own hours."},
                {"name": "schedule_overrides", "description": "Days that differ from a named schedule."},
                {"name": "calendars", "description": "People, rooms, chairs: whose time is booked."},
                {"name": "slots", "description": "What is free, and why something is not."},
                {"name": "holds", "description": "Time kept for somebody who still fills in a form."},
                {"name": "public", "description": "For an organization's clients: no key."},
                {"name": "manage", "description": "For a client with the secret link of their appointment."},
                {"name": "feeds", "description": "Secret addresses for calendar programs."},
                {"name": "files", "description": "What calendar programs read."},
                {"name": "events", "description": "What happened, in its order."},
                {"name": "webhooks", "description": "Being told of events."},
                {"name": "mails", "description": "What clients and staff are mailed, and what became of it."},
                {"name": "organization", "description": "The organization of the key."},
                {"name": "keys", "description": "The organization's API keys."},
                {"name": "health", "description": "For load balancers and containers."},
            ],
        )
        changes = _changes(app)
        for path, operations in made["paths"].items():
            for operation in operations.values():
                _complete(
                    operation,
                    keyed=path.startswith(GUARDED) and not path.startswith(PUBLIC),
                    changes=operation["operationId"] in changes,
                )
                _refuse_less(operation, made["components"]["schemas"])
                if path.startswith(GUARDED):
                    _allow(operation)
        made["components"]["headers"] = _HEADERS
        schemas = made["components"]["schemas"]
        while unused := _unused(made):
            for name in unused:
                del schemas[name]
        _simplify(made)
        illustrate(made)
        for schema in schemas.values():
            for field in schema.get("properties", {}).values():
                if "default" in field and field["default"] is None and "null" not in str(field):
                    del field["default"]  # a field that stays as it is unless it is sent
        app.openapi_schema = made
    return app.openapi_schema


def _changes(app: FastAPI) -> set[str]:
    """The operations whose handlers ask for a Change: what it reads, they all take."""
    return {
        route.unique_id
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute) and _asks_for_a_change(route.dependant)
    }


def _asks_for_a_change(dependant: Dependant) -> bool:
    return any(
        issubclass(made_by(each.call), Change) or _asks_for_a_change(each) for each in dependant.dependencies
    )


def _unused(made: dict[str, Any]) -> list[str]:
    """Schemas that nothing refers to: FastAPI's own errors, and what is a plain string on the wire."""
    text = str(made)
    return [name for name in made["components"]["schemas"] if f"'#/components/schemas/{name}'" not in text]


def _simplify(made: dict[str, Any]) -> None:
    """Say every schema in plain words."""
    schemas = made["components"]["schemas"]
    schemas.update({name: plain(schema) for name, schema in schemas.items()})
    for operation in (each for methods in made["paths"].values() for each in methods.values()):
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = not_null(plain(parameter["schema"]))
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["schema"] = plain(content["schema"])
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                content["schema"] = plain(content["schema"])


def _first_sentence(text: str) -> str:
    """The first sentence of a description, as plain text: a summary is not Markdown."""
    return re.split(r"(?<=\.)\s", text.strip(), maxsplit=1)[0].replace("\n", " ").replace("`", "")


def _allow(operation: dict[str, Any]) -> None:
    """What is counted says what is left."""
    for status, response in operation["responses"].items():
        if status not in ("401", "503"):
            response["headers"] |= _referred(_ALLOWANCE)


def _refuse_less(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Leave out what an operation can't refuse: without a body, whatever is wrong with one; and without a
    required field, that one is missing."""
    impossible = set()
    if "requestBody" not in operation:
        impossible = {code.code for code in (*WITH_BODY, MissingFields)} - {BodyTooLarge.code}
    elif not _body_of(operation, schemas).get("required"):
        impossible = {MissingFields.code}
    for status, response in list(operation["responses"].items()):
        examples = response.get("content", {}).get("application/json", {}).get("examples", {})
        if impossible & examples.keys():
            for code in impossible & examples.keys():
                del examples[code]
            response["description"] = " ".join(each["summary"] for each in examples.values())
        if not response["description"]:
            del operation["responses"][status]


def _body_of(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    content = operation["requestBody"]["content"].get("application/json", {})
    schema: dict[str, Any] = content.get("schema", {})
    found: dict[str, Any] = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return found


def _complete(operation: dict[str, Any], *, keyed: bool, changes: bool) -> None:
    if "description" in operation:
        operation["summary"] = _first_sentence(operation["description"])
    if not keyed:
        operation["security"] = []
    if changes:
        operation.setdefault("parameters", []).extend(PARAMETERS)
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]  # FastAPI's own; here malformed input is a 400
    for status, response in responses.items():
        headers = dict(_REQUEST_ID)
        if status in ("429", "503"):
            headers |= _RETRY_AFTER
        if status == "401":
            headers |= _CHALLENGE
        if changes and status in ("200", "201"):
            headers |= _REPLAYED
        response["headers"] = response.get("headers", {}) | _referred(headers)


def _referred(headers: dict[str, Any]) -> dict[str, Any]:
    """Headers that are said once, among the components."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}

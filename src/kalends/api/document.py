"""The OpenAPI document: FastAPI's own, completed by what is true of every call."""

import re
from collections.abc import Iterator
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
from kalends.api.picture_body import BINARY
from kalends.api.plain_schemas import may_be_null, not_null, plain
from kalends.api.sharing import share

DESCRIPTION = """
Staff, web pages and programs book time over HTTP, and the same time is never sold twice.

Calls under `/v1` need an API key: `Authorization: Bearer vst_…`. Times are answered in UTC as
`2024-01-25T14:00:00Z`. Every refusal has the shape `{"error": "…", "code": "…", "details": {…}}`.

Calls under `/v1/public` need none: they are for the clients of one organization. In sandbox organizations
(`kalends org create --sandbox`) the header `Test-Clock: <ISO 8601>` says what time it is for a request.
"""

_REQUEST_ID = {
    "X-Request-Id": {
        "description": "The request's own id, or a new one. The log line has it, too.",
        "schema": {"type": "string"},
    }
}
_ALLOWANCE = {
    "X-RateLimit-Limit": {
        "description": "Requests per hour, of all keys of the organization; without a key, of the address.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {"description": "How many of them are left.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "When the count starts again, in Unix seconds.",
        "schema": {"type": "integer"},
    },
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}}
_REPLAYED = {
    "Idempotent-Replayed": {
        "description": "`true` if this answer was given before, to the same Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


_HEADERS = _REQUEST_ID | _ALLOWANCE | _RETRY_AFTER | _CHALLENGE | _REPLAYED


def operation_id(route: APIRoute) -> str:
    """Return an operation's id, such as `appointments.create`: the tag and the handler's name."""
    return ".".join([*map(str, route.tags[:1]), route.name])


def document(app: FastAPI, public_url: str) -> dict[str, Any]:
    """Return the document of this application, made once. Its server is `public_url`, if that is set."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION,
            contact={"name": "The operator of this server"},
            license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
            servers=[{"url": public_url or "/", "description": "The server that this document comes from."}],
            routes=app.routes,
            tags=[
                {"name": "appointments", "description": "Booked time."},
                {"name": "clients", "description": "Those who have booked."},
                {"name": "appointment_types", "description": "What can be booked."},
                {"name": "availability", "description": "The organization's own weekly hours."},
                {"name": "schedules", "description": "Hours that types and calendars share, by name."},
                {"name": "overrides", "description": "Days that differ from the organization's own hours."},
                {"name": "schedule_overrides", "description": "Days that differ from a named schedule."},
                {"name": "calendars", "description": "People, rooms, chairs: whose time is booked."},
                {"name": "sources", "description": "Other calendars, whose busy times a calendar keeps."},
                {"name": "blocks", "description": "Time of calendars without a client."},
                {"name": "slots", "description": "What is free, and why something is not."},
                {"name": "days", "description": "How much is free on each day."},
                {"name": "holds", "description": "Time kept while somebody fills in a form."},
                {"name": "public", "description": "For an organization's clients: no key."},
                {"name": "manage", "description": "For a client with the secret link of their appointment."},
                {"name": "feeds", "description": "Secret addresses for calendar programs."},
                {"name": "files", "description": "What calendar programs read."},
                {"name": "events", "description": "What happened, in order."},
                {"name": "webhooks", "description": "URLs that events are sent to."},
                {"name": "mails", "description": "Mails to clients and staff, and their state."},
                {"name": "organization", "description": "The organization of the key."},
                {"name": "keys", "description": "The organization's API keys."},
                {"name": "people", "description": "The staff, who sign in to pages under their own names."},
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
        for schema in schemas.values():
            for field in schema.get("properties", {}).values():
                if "default" in field and field["default"] is None and not may_be_null(field):
                    del field["default"]  # a field that stays as it is unless it is sent
        illustrate(made)
        share(made)
        app.openapi_schema = made
    return app.openapi_schema


def _changes(app: FastAPI) -> set[str]:
    """Return the operations whose handlers ask for a Change. All of them take what it reads."""
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
    """Return the schemas that nothing refers to: FastAPI's own errors, and plain strings on the wire."""
    used = set(_references(made))
    return [name for name in made["components"]["schemas"] if f"#/components/schemas/{name}" not in used]


def _references(part: Any) -> Iterator[str]:
    """Yield what a part of the document refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from _references(each)
    elif isinstance(part, list):
        for each in part:
            yield from _references(each)


def _simplify(made: dict[str, Any]) -> None:
    """Replace every schema by its plain form, and say what describes a parameter once."""
    schemas = made["components"]["schemas"]
    schemas.update({name: plain(schema) for name, schema in schemas.items()})
    for operation in (each for methods in made["paths"].values() for each in methods.values()):
        for parameter in operation.get("parameters", ()):
            schema = not_null(plain(parameter["schema"]))
            if schema.get("description") == parameter.get("description"):
                schema.pop("description", None)
            parameter["schema"] = schema
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["schema"] = plain(content["schema"])
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                content["schema"] = plain(content["schema"])


def _first_sentence(text: str) -> str:
    """Return the first sentence of a description, as plain text: a summary is not Markdown."""
    return re.split(r"(?<=\.)\s", text.strip(), maxsplit=1)[0].replace("\n", " ").replace("`", "")


def _allow(operation: dict[str, Any]) -> None:
    """Add the headers of the allowance to every answer of a call that is counted."""
    for status, response in operation["responses"].items():
        if status not in ("401", "503"):
            response["headers"] |= _referred(_ALLOWANCE)


def _refuse_less(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Remove the refusals that an operation can't give. Without a body none is malformed, and without a
    required field none is missing."""
    impossible = set()
    if BINARY in operation.get("requestBody", {}).get("content", {}):
        return  # the body is no JSON
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
    if _is_the_frameworks(responses.get("422", {})):
        del responses["422"]  # here malformed input is a 400
    for status, response in responses.items():
        headers = dict(_REQUEST_ID)
        if status in ("429", "503"):
            headers |= _RETRY_AFTER
        if status == "401":
            headers |= _CHALLENGE
        if changes and status in ("200", "201"):
            headers |= _REPLAYED
        response["headers"] = response.get("headers", {}) | _referred(headers)


def _is_the_frameworks(response: dict[str, Any]) -> bool:
    """Tell whether an answer is the one that FastAPI itself documents for malformed input."""
    schema: dict[str, Any] = response.get("content", {}).get("application/json", {}).get("schema", {})
    return schema == {"$ref": "#/components/schemas/HTTPValidationError"}


def _referred(headers: dict[str, Any]) -> dict[str, Any]:
    """Return references to headers, which are described once, among the components."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}

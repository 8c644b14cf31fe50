"""The one table of what refusals are in HTTP, and what is made from it: answers and documentation."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from kalends.api.trail import trail_of
from kalends.core import errors
from kalends.schemas.errors import ErrorAnswer
from kalends.schemas.webhooks import Failure, FailureDetails

RETRY_AFTER_SECONDS = 2


class MissingFields(errors.Malformed):
    """Required fields are missing; the sentence is the contract's own."""

    code = "missing_fields"


class MalformedJson(errors.Malformed):
    """The body is not the JSON it should be."""

    code = "invalid_json"


class MethodNotAllowed(errors.Refusal):
    """This path does not know that method; the Allow header lists what it knows."""

    code = "method_not_allowed"


class ForeignPage(errors.Refusal):
    """What changes something on a page has to be sent from a page of this server."""

    code = "foreign_page"


class BodyTooLarge(errors.Refusal):
    """The body is larger than 64 KiB, or a logo than 200 KiB."""

    code = "body_too_large"


class RequestTimeout(errors.Refusal):
    """The request did not arrive in time: headers have 10 seconds, a body 30."""

    code = "request_timeout"


class TargetTooLong(errors.Refusal):
    """The path and query are too long: together with all headers they may have 16 KiB."""

    code = "target_too_long"


class HeadersTooLarge(errors.Refusal):
    """The headers are too large: together with the path and query they may have 16 KiB."""

    code = "headers_too_large"


class ServerBusy(errors.Refusal):
    """The server has as many requests under way as it can; nothing was changed. Try again shortly."""

    code = "server_busy"


class UnsupportedMediaType(errors.Refusal):
    """The body must be JSON: send `Content-Type: application/json`."""

    code = "unsupported_media_type"


class NotAPicture(UnsupportedMediaType):
    """The body must be a PNG, JPEG or WebP picture, sent as `image/png`, `image/jpeg`, `image/webp` or
    `application/octet-stream`."""

    code = "not_a_picture"


class InternalError(errors.Refusal):
    """Something went wrong on our side; the log has the details under this request's id."""

    code = "internal_error"


STATUS: Mapping[type[errors.Refusal], int] = {
    errors.Moved: 308,
    errors.Malformed: 400,
    MissingFields: 400,
    MalformedJson: 400,
    errors.InvalidTime: 400,
    errors.Unauthorized: 401,
    errors.ScopeMissing: 403,
    ForeignPage: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    RequestTimeout: 408,
    errors.Conflict: 409,
    errors.CursorExpired: 410,
    errors.PreconditionFailed: 412,
    BodyTooLarge: 413,
    TargetTooLong: 414,
    UnsupportedMediaType: 415,
    errors.IdempotencyKeyReused: 422,
    errors.RateLimited: 429,
    HeadersTooLarge: 431,
    InternalError: 500,
    errors.Unavailable: 503,
    ServerBusy: 503,
}
"""By family: a refusal that is not here has its parent's status. docs/errors.md has this order."""


def status_of(refusal: type[errors.Refusal]) -> int:
    """Return the status of a refusal: its family's."""
    return next(STATUS[ancestor] for ancestor in refusal.__mro__ if ancestor in STATUS)


WEBHOOKS = "/v1/webhooks"


def answer(refusal: errors.Refusal, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal as HTTP, in the shape that the contract gives to errors under this path."""
    status = status_of(type(refusal))
    sent = dict(headers or {})
    if isinstance(refusal, errors.Moved):
        # Not for good, as browsers would keep it: an organization may take its slug back.
        sent |= {"Location": refusal.location, "Cache-Control": "no-store"}
    elif status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    elif status == 503:
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    elif isinstance(refusal, errors.RateLimited) and refusal.retry_after is not None:
        sent.setdefault("Retry-After", str(refusal.retry_after))
    body = failure(refusal) if path.startswith(WEBHOOKS) else plain(refusal)
    return Response(body.model_dump_json(), status, sent, media_type="application/json")


def plain(refusal: errors.Refusal) -> ErrorAnswer:
    """Return a refusal in the shape of the calendar's errors."""
    return ErrorAnswer(error=refusal.message, code=refusal.code, details=dict(refusal.details))


def failure(refusal: errors.Refusal) -> Failure:
    """Return a refusal in the shape of the webhooks' errors. A wrong body is a VALIDATION_ERROR, as
    documented, which names the first wrong field."""
    if status_of(type(refusal)) != 400:
        details = FailureDetails(
            code=refusal.code.upper(), message=refusal.message, details=dict(refusal.details)
        )
        return Failure(error=details)
    first = next(iter(refusal.details.get("fields", [])), {"field": None, "reason": refusal.message})
    return Failure(
        error=FailureDetails(
            code="VALIDATION_ERROR",
            message=refusal.message,
            details={**first, "code": refusal.code, **refusal.details},
        )
    )


def from_http(error: HTTPException) -> errors.Refusal:
    """Return what Starlette itself refuses: an unknown path, a method, a body over the limit."""
    match error.status_code:
        case 404:
            return errors.NotFound("There is no such path.")
        case 405:
            return MethodNotAllowed()
        case 408:
            return RequestTimeout()
        case 413:
            return BodyTooLarge()
        case _:
            return errors.Malformed(str(error.detail))


async def on_refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, errors.Refusal)
    trail_of(request.scope).refused = refusal.code
    return answer(refusal, request.url.path)


async def on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = from_http(error)
    trail_of(request.scope).refused = refusal.code
    headers = error.headers
    if isinstance(refusal, MethodNotAllowed):
        headers = _allowed(request, headers)
    return answer(refusal, request.url.path, headers)


def _allowed(request: Request, fallback: Mapping[str, str] | None) -> dict[str, str]:
    """Return every method known for this path; the router's own answer has those of one route only."""
    known = [(each.path or "", each.methods or set()) for each in iter_route_contexts(request.app.routes)]
    fitting = [
        (path.count("{"), methods)
        for path, methods in known
        if methods and compile_path(path)[0].fullmatch(request.url.path)
    ]
    fewest = min((wild for wild, _ in fitting), default=0)  # the most literal path is the one meant
    methods = {method for wild, methods in fitting if wild == fewest for method in methods}
    if not methods:  # files, which are not among the routes
        methods = set((fallback or {}).get("Allow", "GET").split(", "))
    if "GET" in methods:
        methods.add("HEAD")
    return {"Allow": ", ".join(sorted(methods))}


HANDLERS = {
    errors.Refusal: on_refusal,
    HTTPException: on_http,
}


Shape = Callable[[errors.Refusal], ErrorAnswer | Failure]


def documented(
    *refusals: type[errors.Refusal],
    shape: Shape = plain,
) -> dict[int | str, dict[str, Any]]:
    """Return what a route may refuse, for its `responses`: every status with an example for each code."""
    model = Failure if shape is failure else ErrorAnswer
    by_status: dict[int | str, dict[str, Any]] = {}
    for refusal in refusals:
        entry = by_status.setdefault(
            status_of(refusal),
            {"model": model, "description": "", "content": {"application/json": {"examples": {}}}},
        )
        sentence = refusal.sentence()
        entry["description"] = (entry["description"] + " " + sentence).strip()
        entry["content"]["application/json"]["examples"][refusal.code] = {
            "summary": sentence,
            "value": json.loads(shape(_example(refusal, sentence)).model_dump_json()),
        }
    return dict(sorted(by_status.items(), key=lambda item: int(item[0])))


OUT_OF_SERVICE: tuple[type[errors.Refusal], ...] = (
    errors.TypeInactive,
    errors.CalendarInactive,
    errors.CalendarNotServing,
)
"""What can be wrong with the type or the calendar of a booking."""
UNBOOKABLE: tuple[type[errors.Refusal], ...] = tuple(
    each for each in errors.Unbookable.__subclasses__() if each not in OUT_OF_SERVICE
)
"""Why a time can't be booked, besides what is wrong with its type or calendar."""
UNBOOKABLE_BY_CLIENTS: tuple[type[errors.Refusal], ...] = tuple(
    each for each in UNBOOKABLE if each not in (errors.Blocked, errors.BusyElsewhere)
)
"""The same for clients, to whom all time that is taken is taken alike (`api.visits`)."""

TIMES: tuple[type[errors.Refusal], ...] = (errors.InvalidTime, errors.NonexistentTime, errors.AmbiguousTime)
"""What may be wrong with a time that is sent."""


def _example(refusal: type[errors.Refusal], sentence: str) -> errors.Refusal:
    made = refusal.__new__(refusal)
    errors.Refusal.__init__(made, sentence)
    return made


EVERYWHERE = (
    errors.Malformed,
    errors.Unauthorized,
    errors.KeyExpired,
    errors.KeyRevoked,
    errors.ScopeMissing,
    errors.RateLimited,
    errors.Unavailable,
)
"""Why any call with a key may be refused."""

WITH_BODY = (MalformedJson, BodyTooLarge, UnsupportedMediaType)
"""Why any call with a body may be refused besides."""


Route = dict[str, Any]
"""Keywords of a route's decorator: what the call answers, what it may refuse, and headers it knows."""


def reading(
    answer: type[BaseModel],
    *refusals: type[errors.Refusal],
    shape: Shape = plain,
    sends: Mapping[str, Any] | None = None,
) -> Route:
    """Return the keywords of a route that reads. `sends` documents headers of the answer."""
    route = _route(answer, documented(*EVERYWHERE, *refusals, shape=shape))
    return route if sends is None else route | {"responses": {**route["responses"], 200: sends}}


def writing(
    answer: type[BaseModel],
    *refusals: type[errors.Refusal],
    shape: Shape = plain,
    reads: Sequence[Mapping[str, Any]] = (),
) -> Route:
    """Return the keywords of a route that writes what its body says. `reads` documents headers that it reads
    besides those that all such routes read."""
    route = _route(answer, documented(*EVERYWHERE, *WITH_BODY, MissingFields, *refusals, *_ONCE, shape=shape))
    return route | {"openapi_extra": {"parameters": list(reads)}} if reads else route


def uploading(answer: type[BaseModel], body: Mapping[str, Any], *refusals: type[errors.Refusal]) -> Route:
    """Return the keywords of a route that keeps a file. `body` documents it."""
    route = _route(answer, documented(*EVERYWHERE, BodyTooLarge, *refusals, *_ONCE))
    return route | {"openapi_extra": {"requestBody": body}}


def deleting(answer: type[BaseModel], *refusals: type[errors.Refusal], shape: Shape = plain) -> Route:
    """Return the keywords of a route that deletes what its path names."""
    return _route(answer, documented(*EVERYWHERE, errors.NotFound, *refusals, *_ONCE, shape=shape))


def public_reading(answer: type[BaseModel], *refusals: type[errors.Refusal]) -> Route:
    """Return the keywords of a route that reads without a key."""
    return _route(answer, public(*refusals))


def public_writing(answer: type[BaseModel], *refusals: type[errors.Refusal]) -> Route:
    """Return the keywords of a route that writes what its body says, without a key."""
    return _route(answer, public(*WITH_BODY, MissingFields, *refusals, *_ONCE))


def public_deleting(answer: type[BaseModel], *refusals: type[errors.Refusal]) -> Route:
    """Return the keywords of a route that deletes what its path names, without a key."""
    return _route(answer, public(*refusals, *_ONCE))


def public(*refusals: type[errors.Refusal]) -> dict[int | str, dict[str, Any]]:
    """Return what a call without a key may refuse, for its `responses`."""
    return documented(errors.Malformed, errors.NotFound, *refusals, errors.RateLimited, errors.Unavailable)


_ONCE = (errors.IdempotencyKeyReused, errors.OutcomeUnknown)
"""Why any call that changes something may be refused besides."""


def _route(answer: type[BaseModel], responses: dict[int | str, dict[str, Any]]) -> Route:
    return {"response_model": answer, "responses": responses}

"""What Pydantic has against a request, as a refusal. Of a booking it names wrong answers, too: a form is
judged in one round, though only the type of a booking says what it asks."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.context import context_of
from kalends.api.errors import MalformedJson, MissingFields, on_refusal
from kalends.api.trail import trail_of
from kalends.core import errors
from kalends.core.errors import Refusal
from kalends.ids import digest
from kalends.schemas.appointments import AppointmentCreate
from kalends.schemas.public import ClientBooking, Correction
from kalends.schemas.wrong_fields import MOST, WrongField, of_problem, sentence_of
from kalends.services.booking import booking_page, bookings


async def on_validation(request: Request, error: Exception) -> Response:
    """Answer what FastAPI could not read."""
    assert isinstance(error, RequestValidationError)
    refusal = from_validation(error)
    if "fields" in refusal.details and isinstance(error.body, Mapping):
        fields = [*refusal.details["fields"]]
        named = {each["field"].partition(".")[0] for each in fields}
        fields += [
            each
            for each in await _wrong_besides(request, error.body)
            if each["field"] not in named and each["field"].partition(".")[0] not in named
        ]
        refusal.details = {**refusal.details, "fields": fields[:MOST]}
    return await on_refusal(request, refusal)


def from_validation(error: RequestValidationError) -> Refusal:
    """Return what Pydantic or FastAPI has against the request: the first thing as a sentence, all as
    details."""
    problems = error.errors()
    first = problems[0]
    kind = first["type"]
    if kind == "json_invalid":
        return MalformedJson(f"The body is not valid JSON: {first['ctx']['error']}.")
    if first["loc"] == ("body",) and kind in ("model_attributes_type", "dict_type", "model_type", "missing"):
        return MalformedJson("The body must be a JSON object.")
    fields = [each for problem in problems for each in of_problem(problem, problem["loc"][1:])][:MOST]
    if kind == "missing_fields":
        return MissingFields(first["ctx"]["sentence"], fields=fields)
    refusal = errors.InvalidTime if kind == "invalid_time" else errors.Malformed
    return refusal(sentence_of(fields[0]), fields=fields)


async def _wrong_besides(request: Request, body: Mapping[str, Any]) -> list[WrongField]:
    """Return what else is wrong with the body of a booking or a correction, as the database says."""
    context = context_of(request.scope)
    path = request.path_params
    field = getattr(request.scope.get("route"), "body_field", None)
    kind = None if field is None else field.field_info.annotation
    try:
        if kind is ClientBooking and (host := await context.hosts.get(path["slug"])) is not None:
            return await context.database.read(booking_page.wrong_besides, host, body)
        if kind is AppointmentCreate and (caller := trail_of(request.scope).caller) is not None:
            return await context.database.read(bookings.wrong_besides, caller.org_id, body)
        if kind is Correction and (link := await context.links.get(digest(path["token"]))) is not None:
            return await context.database.read(booking_page.wrong_besides_correction, link, body)
    except errors.Refusal:  # what is known to be wrong is answered all the same
        pass
    return []

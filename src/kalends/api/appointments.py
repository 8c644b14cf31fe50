"""`/v1/calendar/appointments`."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import PARAMETERS, Writing
from kalends.api.errors import EVERYWHERE, WITH_BODY, MissingFields, documented
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.appointments import AppointmentAnswer, AppointmentCreate
from kalends.services import appointments

router = APIRouter(prefix="/v1/calendar/appointments", tags=["appointments"], route_class=JsonRoute)


@router.post(
    "",
    response_model=AppointmentAnswer,
    openapi_extra={"parameters": PARAMETERS},
    responses=documented(
        *EVERYWHERE,
        *WITH_BODY,
        MissingFields,
        errors.InvalidTime,
        errors.NonexistentTime,
        errors.AmbiguousTime,
        errors.NotFound,
        errors.SlotTaken,
        errors.TypeInactive,
        errors.IdempotencyKeyReused,
        errors.OutcomeUnknown,
    ),
)
async def create(body: AppointmentCreate, change: Writing) -> Response:
    """Book an appointment by hand.

    It may lie in the past and outside opening hours, but never over another active appointment of the
    same calendar, buffers included: that is a 409 `slot_taken` that names what is in the way.
    """
    return await change.make_by_one_statement(
        AppointmentAnswer.of, appointments.book, change.caller, body, change.now
    )


@router.get("/{id}", responses=documented(*EVERYWHERE, errors.NotFound))
async def get(id: PathId, call: Reading) -> AppointmentAnswer:  # noqa: A002 - the contract's name
    """Show one appointment."""
    return AppointmentAnswer.of(await call.db.read_one(appointments.get, call.org_id, id))

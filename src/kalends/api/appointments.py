"""`/v1/calendar/appointments`."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.changes import Changing
from kalends.api.dependencies import Db, Now, PathId, Reader, Writer
from kalends.api.errors import EVERYWHERE, WITH_BODY, MissingFields, documented
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.appointments import AppointmentAnswer, AppointmentCreate
from kalends.services import appointments

router = APIRouter(prefix="/v1/calendar/appointments", tags=["appointments"], route_class=JsonRoute)


@router.post(
    "",
    response_model=AppointmentAnswer,
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
async def create(body: AppointmentCreate, caller: Writer, change: Changing, now: Now) -> Response:
    """Book an appointment by hand.

    It may lie in the past and outside opening hours, but never over another active appointment of the
    same calendar, buffers included: that is a 409 `slot_taken` that names what is in the way.
    """
    return await change.make_by_one_statement(AppointmentAnswer.of, appointments.book, caller, body, now)


@router.get("/{id}", responses=documented(*EVERYWHERE, errors.NotFound))
async def get(id: PathId, caller: Reader, db: Db) -> AppointmentAnswer:  # noqa: A002 - the contract's name
    """Show one appointment."""
    return AppointmentAnswer.of(await db.read_one(appointments.get, caller.org_id, id))

"""`/v1/calendar/appointment-types`."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import Reading
from kalends.api.changes import PARAMETERS, Writing
from kalends.api.errors import EVERYWHERE, WITH_BODY, MissingFields, documented
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.appointment_types import (
    AppointmentTypeAnswer,
    AppointmentTypeCreate,
    AppointmentTypesAnswer,
)
from kalends.services import appointment_types

router = APIRouter(prefix="/v1/calendar/appointment-types", tags=["appointment_types"], route_class=JsonRoute)


@router.post(
    "",
    response_model=AppointmentTypeAnswer,
    openapi_extra={"parameters": PARAMETERS},
    responses=documented(
        *EVERYWHERE,
        *WITH_BODY,
        MissingFields,
        errors.NotFound,
        errors.IdempotencyKeyReused,
        errors.OutcomeUnknown,
    ),
)
async def create(body: AppointmentTypeCreate, change: Writing) -> Response:
    """Add a kind of appointment."""
    return await change.make(
        AppointmentTypeAnswer.of, appointment_types.create, change.org_id, body, change.now
    )


@router.get("", name="list", responses=documented(*EVERYWHERE))
async def list_all(call: Reading) -> AppointmentTypesAnswer:
    """List every kind of appointment, active or not, in the organization's order."""
    return AppointmentTypesAnswer.of(await call.db.read_one(appointment_types.all_of, call.org_id))

"""`/v1/public/appointments/{token}`: a client's own appointment, by its secret link."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.errors import OUT_OF_SERVICE, UNBOOKABLE, public_reading, public_writing
from kalends.api.json_body import JsonRoute
from kalends.api.visits import ByLink, LinkChange, WritingByLink
from kalends.core import errors
from kalends.schemas.appointments import Appointment
from kalends.schemas.public import (
    Cancellation,
    ClientAppointment,
    ClientAppointmentAnswer,
    Confirmation,
    Rescheduling,
)
from kalends.services import booking_page

router = APIRouter(prefix="/v1/public/appointments", tags=["manage"], route_class=JsonRoute)


@router.get("/{token}", responses=public_reading())
async def get(visit: ByLink) -> ClientAppointmentAnswer:
    """Show the appointment."""
    found = await visit.db.read(booking_page.own, visit.by, visit.now)
    return ClientAppointmentAnswer(appointment=ClientAppointment.of(found, visit.visited))


@router.post(
    "/{token}/confirm",
    response_model=ClientAppointmentAnswer,
    responses=public_writing(errors.IllegalTransition),
)
async def confirm(body: Confirmation, change: WritingByLink) -> Response:
    """Confirm a booking that waits for it; again changes nothing. If staff have to confirm it, too, it is
    still pending then."""
    return await change.make(_said(change), booking_page.confirm, change.by, change.now)


@router.post(
    "/{token}/cancel",
    response_model=ClientAppointmentAnswer,
    responses=public_writing(errors.TooLate, errors.IllegalTransition),
)
async def cancel(body: Cancellation, change: WritingByLink) -> Response:
    """Cancel the appointment; again changes nothing."""
    return await change.make(_said(change), booking_page.cancel, change.by, body, change.now)


@router.post(
    "/{token}/reschedule",
    response_model=ClientAppointmentAnswer,
    responses=public_writing(
        errors.InvalidTime,
        errors.NonexistentTime,
        errors.AmbiguousTime,
        errors.TooLate,
        errors.IllegalTransition,
        *UNBOOKABLE,
        *OUT_OF_SERVICE,
    ),
)
async def reschedule(body: Rescheduling, change: WritingByLink) -> Response:
    """Move the appointment to another time that can be booked. Where bookings have to be confirmed, it has to
    be confirmed again."""

    async def make() -> Response:
        return await change.make(_said(change), booking_page.reschedule, change.by, body, change.now)

    moved = change.by.appointment_id
    return await change.context.public_bookings.move(change, change.visited, moved, make)


def _said(change: LinkChange) -> Callable[[Appointment], ClientAppointmentAnswer]:
    return lambda changed: ClientAppointmentAnswer(appointment=ClientAppointment.of(changed, change.visited))

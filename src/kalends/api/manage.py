"""`/v1/public/appointments/{token}`: a client's own appointment, by its secret link."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.errors import OUT_OF_SERVICE, TIMES, UNBOOKABLE_BY_CLIENTS, public_reading, public_writing
from kalends.api.json_body import JsonRoute
from kalends.api.visits import ByLink, LinkChange, WritingByLink, for_clients
from kalends.core import errors
from kalends.schemas.appointments import Appointment
from kalends.schemas.days import DaysAnswer
from kalends.schemas.public import (
    Cancellation,
    ClientAppointment,
    ClientAppointmentAnswer,
    Confirmation,
    Correction,
    Rescheduling,
)
from kalends.schemas.queries import DaysByLinkQuery, ExplainByLinkQuery, SlotsByLinkQuery
from kalends.schemas.slots import ClientSlotsAnswer, Explanation
from kalends.services.booking import booking_page

router = APIRouter(prefix="/v1/public/appointments", tags=["manage"], route_class=JsonRoute)

_UNMOVABLE = (errors.TooLate, errors.IllegalTransition)
"""Why no time is told to which to move an appointment: it can't be moved at all."""


@router.get("/{token}", **public_reading(ClientAppointmentAnswer))
async def get(visit: ByLink) -> ClientAppointmentAnswer:
    """Show the appointment."""
    found = await visit.db.read(booking_page.own, visit.by, visit.now)
    return ClientAppointmentAnswer(appointment=ClientAppointment.of(found, visit.host))


@router.patch(
    "/{token}",
    name="correct",
    **public_writing(ClientAppointmentAnswer, errors.TooLate, errors.IllegalTransition),
)
async def correct(body: Correction, change: WritingByLink) -> Response:
    """Correct the client's own phone number, notes and answers, until the appointment is over. A field that
    is not sent stays as it is."""
    return await change.make(said(change), booking_page.correct, change.by, body, change.now)


@router.post("/{token}/confirm", **public_writing(ClientAppointmentAnswer, errors.IllegalTransition))
async def confirm(body: Confirmation, change: WritingByLink) -> Response:
    """Confirm a booking that waits for it. Sent again, it changes nothing. If staff have to confirm the
    booking, too, it is still pending then."""
    return await change.make(said(change), booking_page.confirm, change.by, change.now)


@router.post(
    "/{token}/cancel", **public_writing(ClientAppointmentAnswer, errors.TooLate, errors.IllegalTransition)
)
async def cancel(body: Cancellation, change: WritingByLink) -> Response:
    """Cancel the appointment. Sent again, it changes nothing."""
    return await change.make(said(change), booking_page.cancel, change.by, body, change.now)


@router.post(
    "/{token}/reschedule",
    **public_writing(
        ClientAppointmentAnswer,
        *TIMES,
        *_UNMOVABLE,
        *UNBOOKABLE_BY_CLIENTS,
        *OUT_OF_SERVICE,
    ),
)
async def reschedule(body: Rescheduling, change: WritingByLink) -> Response:
    """Move the appointment to another time that can be booked. If bookings of its type have to be confirmed,
    it has to be confirmed again."""

    async def make() -> Response:
        return await change.make(said(change), booking_page.reschedule, change.by, body, change.now)

    moved = change.by.appointment_id
    return await change.context.public_bookings.move(change, change.host, moved, make)


@router.get("/{token}/slots", name="slots", **public_reading(ClientSlotsAnswer, *_UNMOVABLE, *TIMES))
async def search(query: Annotated[SlotsByLinkQuery, Query()], visit: ByLink) -> Response:
    """List every start to which the appointment can be moved. Its own time counts as free."""
    found = await visit.look(booking_page.free_slots, visit.by, query, visit.now)
    return Response(found, media_type="application/json")


@router.get("/{token}/slots/explain", **public_reading(Explanation, *_UNMOVABLE, *TIMES))
async def explain(query: Annotated[ExplainByLinkQuery, Query()], visit: ByLink) -> Explanation:
    """Tell whether the appointment can be moved to a start, and if not, why not, and to which it can."""
    told = await visit.look(booking_page.explain, visit.by, query, visit.now)
    return told.model_copy(update={"reasons": for_clients(told.reasons)})


@router.get("/{token}/days", name="days", **public_reading(DaysAnswer, *_UNMOVABLE, *TIMES))
async def count(query: Annotated[DaysByLinkQuery, Query()], visit: ByLink) -> DaysAnswer:
    """Count the starts on each day to which the appointment can be moved, and tell the first. The days are
    those of the `timezone` asked for."""
    return await visit.look(booking_page.free_days, visit.by, query, visit.now)


def said(change: LinkChange) -> Callable[[Appointment], ClientAppointmentAnswer]:
    """Return what makes the answer to a change. It is the same on the page, since idempotency keys are common
    to both."""
    return lambda changed: ClientAppointmentAnswer(appointment=ClientAppointment.of(changed, change.host))

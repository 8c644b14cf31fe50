"""`/v1/public/{slug}`: what an organization's clients can see and book, without a key."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import PathId
from kalends.api.errors import (
    OUT_OF_SERVICE,
    TIMES,
    UNBOOKABLE_BY_CLIENTS,
    public_deleting,
    public_reading,
    public_writing,
)
from kalends.api.json_body import JsonRoute
from kalends.api.links import keeping_no_link
from kalends.api.visits import ClientWriting, Visiting, for_clients
from kalends.core import errors
from kalends.schemas.appointments import Appointment
from kalends.schemas.days import DaysAnswer
from kalends.schemas.holds import ClientHoldAnswer, ClientHoldCreate
from kalends.schemas.public import (
    BookedAnswer,
    BookingPage,
    ClientAppointment,
    ClientBooking,
)
from kalends.schemas.queries import ClientDaysQuery, ClientExplainQuery, ClientSlotsQuery
from kalends.schemas.slots import ClientSlotsAnswer, Explanation
from kalends.schemas.wire import Deleted
from kalends.services.booking import booking_page, holds, public_types

router = APIRouter(prefix="/v1/public", tags=["public"], route_class=JsonRoute)

_REFUSED: tuple[type[errors.Refusal], ...] = (*TIMES, *UNBOOKABLE_BY_CLIENTS, *OUT_OF_SERVICE)


@router.get("/{slug}", **public_reading(BookingPage, errors.Moved))
async def page(visit: Visiting) -> BookingPage:
    """Show the organization and what can be booked there."""
    return await visit.db.read(public_types.page, visit.host)


@router.get("/{slug}/slots", name="slots", **public_reading(ClientSlotsAnswer, errors.Moved, *TIMES))
async def search(query: Annotated[ClientSlotsQuery, Query()], visit: Visiting) -> Response:
    """List every start that can be booked. If there are more than 5,000, the answer has the first ones, and
    the `next` start."""
    found = await visit.look(public_types.free_slots, visit.host, query, visit.now)
    return Response(found, media_type="application/json")


@router.get("/{slug}/slots/explain", **public_reading(Explanation, errors.Moved, *TIMES))
async def explain(query: Annotated[ClientExplainQuery, Query()], visit: Visiting) -> Explanation:
    """Tell whether a start can be booked, and if not, why not, and which starts can."""
    told = await visit.look(public_types.explain, visit.host, query, visit.now)
    return told.model_copy(update={"reasons": for_clients(told.reasons)})


@router.get("/{slug}/days", name="days", **public_reading(DaysAnswer, errors.Moved, *TIMES))
async def count(query: Annotated[ClientDaysQuery, Query()], visit: Visiting) -> DaysAnswer:
    """Count the starts that can be booked on each day, and tell the first. The days are those of the
    `timezone` asked for."""
    return await visit.look(public_types.free_days, visit.host, query, visit.now)


@router.post(
    "/{slug}/holds",
    name="hold",
    **public_writing(ClientHoldAnswer, errors.Moved, *_REFUSED, errors.TooManyHolds),
)
async def hold(body: ClientHoldCreate, change: ClientWriting) -> Response:
    """Keep time while the client fills in the form. If they choose another time, send the first hold as
    `replaces`: it is no longer in the way."""
    return await change.make(
        ClientHoldAnswer.of,
        booking_page.hold,
        change.host,
        body,
        change.visitor,
        change.now,
    )


@router.get("/{slug}/holds/{id}", name="held", **public_reading(ClientHoldAnswer, errors.Moved))
async def held(id: PathId, visit: Visiting) -> ClientHoldAnswer:
    """Show a hold that stands."""
    return ClientHoldAnswer.of(await visit.db.read(holds.get, visit.org_id, id, visit.now))


@router.delete("/{slug}/holds/{id}", **public_deleting(Deleted, errors.Moved))
async def release(id: PathId, change: ClientWriting) -> Response:
    """Give the time back."""
    return await change.make(Deleted.of, holds.release, change.party, id, change.now)


@router.post(
    "/{slug}/appointments",
    **public_writing(
        BookedAnswer,
        errors.Moved,
        *_REFUSED,
        errors.HoldGone,
        errors.HoldMismatch,
        errors.TooManyOpen,
        errors.TooManyHolds,
    ),
)
async def book(body: ClientBooking, change: ClientWriting) -> Response:
    """Book an appointment. The answer has the client's secret link to it, except in a rehearsal, which books
    nothing, or if clients have to confirm by mail: then the mail has the link."""

    def said(made: tuple[Appointment, str | None]) -> BookedAnswer:
        booked, token = made
        return BookedAnswer(
            appointment=ClientAppointment.of(booked, change.host),
            manage_url=None if token is None else change.link(token),
            manage_token=token,
        )

    async def make() -> Response:
        return await keeping_no_link(change, BookedAnswer).make(
            said, booking_page.book, change.host, body, change.visitor, change.now
        )

    context = change.context
    return await context.public_bookings.book(change, change.host, context.no_links, make)

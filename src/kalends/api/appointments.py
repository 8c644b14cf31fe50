"""`/v1/calendar/appointments`."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import ALL, PathId, Reading
from kalends.api.changes import ETAG, IF_MATCH, StaffChange, Writing
from kalends.api.errors import OUT_OF_SERVICE, TIMES, UNBOOKABLE, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.api.links import keeping_no_link
from kalends.core import errors
from kalends.schemas.appointments import (
    AppointmentAnswer,
    AppointmentChange,
    AppointmentCreate,
    AppointmentsAnswer,
    AppointmentUpdate,
    BookedByStaffAnswer,
    HistoryAnswer,
    ManageLinkAnswer,
    ManageLinkCreate,
)
from kalends.schemas.queries import AppointmentsQuery
from kalends.services.booking import (
    appointment_changes,
    appointment_lists,
    appointments,
    bookings,
    manage_links,
    undoing,
)
from kalends.services.booking import history as appointment_history

router = APIRouter(prefix="/v1/calendar/appointments", tags=["appointments"], route_class=JsonRoute)

_ABSENT = ManageLinkCreate()
_CHANGE = writing(
    AppointmentAnswer,
    *TIMES,
    errors.NotFound,
    *UNBOOKABLE,
    errors.IllegalTransition,
    errors.Conflict,
    errors.PreconditionFailed,
    reads=[IF_MATCH],
)


@router.post(
    "",
    **writing(
        BookedByStaffAnswer,
        *TIMES,
        errors.NotFound,
        *UNBOOKABLE,
        *OUT_OF_SERVICE,
        errors.HoldGone,
        errors.HoldMismatch,
    ),
)
async def create(body: AppointmentCreate, change: Writing) -> Response:
    """Book an appointment by hand.

    Unless `check` is `all`, it may lie in the past and outside opening hours, but never over another active
    appointment of the same calendar, buffers included: that is refused (409 `slot_taken`), and the answer
    names what is in the way.
    """
    if body.manage_link:
        return await keeping_no_link(change, BookedByStaffAnswer).make(
            lambda made: BookedByStaffAnswer(
                appointment=made[0], manage_url=change.link(made[1]), manage_token=made[1]
            ),
            bookings.by_staff_with_link,
            change.party,
            body,
            change.now,
        )
    return await change.make_at_once(
        AppointmentAnswer.of,
        bookings.by_staff_at_once,
        bookings.by_staff,
        change.party,
        body,
        change.now,
    )


@router.get("", name="list", **reading(AppointmentsAnswer, *TIMES))
async def list_page(query: Annotated[AppointmentsQuery, Query()], call: Reading) -> Response:
    """List appointments, page by page: by start time, or by last change to catch up (`updated_since`)."""
    reads = query.limit if query.q is None else ALL
    return await call.listing(reads, appointment_lists.page, call.org_id, call.timezone, query, call.now)


@router.get("/{id}", **reading(AppointmentAnswer, errors.NotFound, sends=ETAG))
async def get(id: PathId, call: Reading, response: Response) -> AppointmentAnswer:
    """Show one appointment. The ETag is its version."""
    appointment = await call.db.read_one(appointments.get, call.org_id, id, call.now)
    response.headers["ETag"] = f'"{appointment.version}"'
    return AppointmentAnswer.of(appointment)


@router.patch("", name="update", **_CHANGE)
async def update(body: AppointmentUpdate, change: Writing) -> Response:
    """Change the appointment that the body names: its time, its status, its details."""
    return await _change(body.id, body, change)


@router.patch("/{id}", name="change", **_CHANGE)
async def change_one(id: PathId, body: AppointmentChange, change: Writing) -> Response:
    """Change an appointment: its time, its status, its details."""
    return await _change(id, body, change)


@router.get("/{id}/history", **reading(HistoryAnswer, errors.NotFound))
async def history(id: PathId, call: Reading) -> HistoryAnswer:
    """List everything that was ever changed in an appointment, and by whom."""
    return HistoryAnswer(history=await call.db.read(appointment_history.of, call.org_id, id, call.now))


@router.post(
    "/{id}/undo-cancellation",
    **writing(
        AppointmentAnswer,
        errors.NotFound,
        *UNBOOKABLE,
        errors.IllegalTransition,
        errors.TooLate,
        errors.Conflict,
        errors.PreconditionFailed,
        reads=[IF_MATCH],
    ),
)
async def undo_cancellation(id: PathId, change: Writing) -> Response:
    """Make an appointment what it was before staff cancelled it, within ten seconds and in the very time
    that it had. Later, or if that time was taken meanwhile, it is refused. `PATCH` with the status
    `confirmed` takes a cancellation back at any time."""
    unit, versions = undoing.cancellation, change.versions
    return await change.make(AppointmentAnswer.of, unit, change.party, id, change.now, versions=versions)


@router.post("/{id}/manage-link", **writing(ManageLinkAnswer, errors.NotFound))
async def manage_link(id: PathId, change: Writing, body: ManageLinkCreate = _ABSENT) -> Response:
    """Make a new secret link by which the client can see, cancel and move the appointment. Earlier links stop
    working, unless `keep_others` is true."""

    def with_link(token: str) -> ManageLinkAnswer:
        return ManageLinkAnswer(manage_url=change.link(token), manage_token=token)

    return await keeping_no_link(change, ManageLinkAnswer).make(
        with_link, manage_links.renew, change.party, id, change.now, keep_others=body.keep_others
    )


async def _change(id_: str, wish: AppointmentChange, change: StaffChange) -> Response:
    return await change.make(
        AppointmentAnswer.of,
        appointment_changes.change,
        change.party,
        id_,
        wish,
        change.now,
        versions=change.versions,
    )

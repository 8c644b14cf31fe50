"""The page on which clients move their appointment: the same month and times as for booking."""

from datetime import date, datetime

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.manage import said
from kalends.api.visits import ByLink, LinkChange, LinkVisit, WritingByLink
from kalends.core.errors import (
    Conflict,
    IllegalTransition,
    PreconditionFailed,
    RateLimited,
    Refusal,
    TooLate,
)
from kalends.db.database import Tx
from kalends.schemas.public import Rescheduling
from kalends.services.booking import booking_page, own_pages
from kalends.services.booking.months import Month, day_of
from kalends.web import problems
from kalends.web.appointments import OwnAppointment
from kalends.web.booking import alternatives
from kalends.web.forms import form_of
from kalends.web.grids import Grid, asked, at
from kalends.web.manage import found, own_page, path_of
from kalends.web.readers import Reader
from kalends.web.sent import start_in, versions_in
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

_UNMOVABLE = (TooLate, IllegalTransition)
_TITLE = marked("Move your appointment")
_TOO_OFTEN = marked("This appointment was moved too often in this hour. Please get in touch with us.")

router = APIRouter(prefix="/manage", include_in_schema=False)


@router.get("/{token}/move")
async def ask(visit: ByLink) -> Response:
    """Show a month with the times to which the appointment can be moved."""
    return await _times(visit, reader_of(visit))


@router.post("/{token}/move")
async def move(change: WritingByLink) -> Response:
    """Move the appointment to the time that was chosen, if it still is as its client saw it. Sent again, it
    changes nothing."""
    form = await form_of(change.request)
    reader = reader_of(change)
    start = start_in(form.text("start"), change.timezone)
    wish = Rescheduling(start_time=start)
    versions = versions_in(form.text("version"))

    async def make() -> Response:
        moving = booking_page.reschedule
        return await change.make(said(change), moving, change.by, wish, change.now, versions=versions)

    try:
        await change.context.public_bookings.move(change, change.host, change.by.appointment_id, make)
    except PreconditionFailed as refusal:
        own = await change.db.read(found, change, reader)
        if own.about.start_time != start or not own.can_move:
            return await _times(change, reader, refusal, start)
    except (Conflict, RateLimited) as refusal:
        return await _times(change, reader, refusal, start)
    return lead_to(change, path_of(change, reader, moved="1"))


async def _times(
    call: LinkVisit | LinkChange,
    reader: Reader,
    refusal: Refusal | None = None,
    refused: datetime | None = None,
) -> Response:
    """Return the page; above it, why a start was refused, if one was. If the appointment can't be moved at
    all, the page says that."""
    status = 200 if refusal is None else problems.noted(call.request, refusal)
    try:
        own, month = await call.look(_movable, call, reader)
    except _UNMOVABLE:
        own = await call.db.read(found, call, reader)
        return own_page(call, "manage/closed.html", _TITLE, own, status=status)
    here = at(reader, f"/manage/{call.request.path_params['token']}/move")
    answer = own_page(
        call,
        "manage/move.html",
        _TITLE,
        own,
        status=status,
        grid=Grid(month, own.zone, here, call.now, own.kind.type_.max_days_ahead, own.about.start_time),
        zone=reader.zone_name(own.zone, call.now),
        zones=None if own.kind.is_in_person else path_of(call, reader, "/zone", to="move"),
        action=at(here, here.path, date=None if month.day is None else month.day.isoformat()).here(),
        refused=None if refusal is None else _why(refusal, refused, own),
        instead=[] if refusal is None else alternatives(refusal, own.zone, reader),
    )
    if isinstance(refusal, RateLimited) and refusal.retry_after is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after)
    return answer


def _movable(tx: Tx, call: LinkVisit | LinkChange, reader: Reader) -> tuple[OwnAppointment, Month]:
    """Return the appointment, and the month that is asked for, or else that in which it is. Raises TooLate,
    IllegalTransition."""
    own = found(tx, call, reader)
    first, day = asked(reader, call.now, own.zone)

    def month(first: date | None, day: date | None) -> Month:
        return own_pages.month(tx, call.by, own.zone, call.now, first=first, day=day)

    if first is not None:
        return own, month(first, day)
    present = day_of(own.about.start_time, own.zone)
    near = month(present.replace(day=1), present)
    # Staff may have booked it where clients can't: then the days that they can choose are shown.
    return own, near if near.starts else month(None, None)


def _why(refusal: Refusal, refused: datetime | None, own: OwnAppointment) -> str:
    reader = own.kind.reader
    if isinstance(refusal, RateLimited):
        return reader.say(_TOO_OFTEN)
    return problems.of_refusal(refusal, refused, own.zone, reader)

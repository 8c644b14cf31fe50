"""The form in which clients book the time that is kept for them."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.errors import RETRY_AFTER_SECONDS
from kalends.api.links import keeping_no_link
from kalends.api.visits import ClientChange, ClientWriting, Visit, Visiting
from kalends.core.errors import (
    Conflict,
    HoldGone,
    IdempotencyKeyReused,
    Malformed,
    NotFound,
    RateLimited,
    Refusal,
    Unavailable,
)
from kalends.db.database import Tx
from kalends.schemas.appointments import Appointment
from kalends.schemas.holds import Hold
from kalends.schemas.public import BookedAnswer, ClientAppointment, ClientBooking
from kalends.schemas.wire import Deleted
from kalends.schemas.wrong_fields import malformed
from kalends.services.booking import booking_page, holds, public_types
from kalends.web import problems
from kalends.web.booking import alternatives, keep, page_of
from kalends.web.forms import Form, form_of, validated
from kalends.web.grids import at, elsewhere
from kalends.web.kinds import Kind
from kalends.web.pages import About
from kalends.web.readers import Reader
from kalends.web.sent import Name, count_in, id_in, start_in
from kalends.web.sheets import Sheet
from kalends.web.visits import SLUG, lead_to, must_have_pages, reader_of
from kalends.words import dates
from kalends.words.sentences import marked

TRAP = "website"
"""A field that people don't see. Programs that fill in whatever they find fill it in, too."""
QUICKEST = timedelta(seconds=2)
"""Nobody reads and fills in the form faster."""
_NOT_SURE = marked("Please press Book once more, so that we know you are not a robot.")
_GONE_EARLY = marked(
    "This time is no longer kept for you: it was booked or given back. If you have booked it already, you "
    "need not do it again. If not, press Book."
)
_DONE = {None: marked("Booked"), "client": marked("Please confirm"), "organization": marked("Requested")}
"""What is said of a booking, by who has to confirm it."""

router = APIRouter(include_in_schema=False)


@router.get(f"/{SLUG}/hold/{{hold}}")
async def details(hold: Name, visit: Visiting) -> Response:
    """Show the form for a time that is kept."""
    must_have_pages(visit.host)
    reader = reader_of(visit)
    try:
        kept, kind = await visit.db.read(_kept, visit, hold, reader)
    except NotFound as refusal:
        return _gone(visit, reader, refusal)
    person = kind.person(reader.query.get("with"))
    sheet = Sheet(kind, kept.id, kept.start_time, kept.expires_at, None if person is None else person.id)
    return _form(visit, sheet.prefilled(reader.query), 200)


@router.post(f"/{SLUG}/hold/{{hold}}")
async def book(hold: Name, change: ClientWriting) -> Response:
    """Book the time with what was filled in; or keep another time for the same form."""
    must_have_pages(change.host)
    form = await form_of(change.request)
    reader = reader_of(change)
    try:
        kept, kind = await change.db.read(_named, change, hold, form, reader)
    except NotFound as refusal:
        return _gone(change, reader, refusal)
    sheet = _filled(change, kept, kind, hold, form)
    if another := form.text("instead"):
        return await _instead(change, sheet, start_in(another, change.timezone))
    is_quick = kept is not None and change.now - kept.created_at < QUICKEST
    if is_quick or form.text(TRAP):
        return _form(change, replace(sheet, alert=reader.say(_NOT_SURE)), 400)
    return await _booked(change, sheet, form)


@router.post(f"/{SLUG}/hold/{{hold}}/release")
async def release(hold: Name, change: ClientWriting) -> Response:
    """Give the time back, and lead to the others."""
    must_have_pages(change.host)
    form = await form_of(change.request)
    reader = reader_of(change)
    with suppress(NotFound):  # it is given back already
        await change.make(Deleted.of, holds.release, change.party, hold, change.now)
    back = f"/{change.host.slug}"
    with suppress(NotFound):
        type_ = await change.db.read(public_types.bookable, change.host, id_in(form.text("type")) or "")
        back = Kind(type_, change.host, reader).path
    return lead_to(change, at(reader, back).here())


async def _booked(change: ClientChange, sheet: Sheet, form: Form) -> Response:
    """Book, and lead to the appointment; or return the form with what speaks against it."""
    reader, zone = sheet.kind.reader, sheet.kind.zone
    try:
        made = await _with_hold_or_without(change, sheet, form)
    except (HoldGone, IdempotencyKeyReused):
        until, copy = min(sheet.until, change.now), sheet.copy + 1
        spent = replace(sheet, until=until, copy=copy, alert=reader.say(_GONE_EARLY))
        return _form(change, spent, problems.noted(change.request, HoldGone()))
    except NotFound as refusal:
        return _gone(change, reader, refusal)
    except Malformed as refusal:
        return _form(change, sheet.refused(refusal), problems.noted(change.request, refusal))
    except (Conflict, RateLimited, Unavailable) as refusal:
        told = problems.of_refusal(refusal, sheet.start, zone, reader)
        sheet = replace(sheet, alert=told, instead=alternatives(refusal, zone, reader))
        return _form(change, sheet, problems.noted(change.request, refusal), after=_after(refusal))
    return _done(change, sheet, made)


async def _with_hold_or_without(change: ClientChange, sheet: Sheet, form: Form) -> BookedAnswer:
    """Book with the hold. If it has run out by its time, book without it, since perhaps nobody else has taken
    the time. Raises HoldGone if it is gone before its time, and what `_made` raises."""
    try:
        return await _made(change, sheet, form, hold_id=sheet.hold_id)
    except HoldGone:
        if change.now < sheet.until:
            raise
        return await _made(change, sheet, form, hold_id=None)


async def _made(change: ClientChange, sheet: Sheet, form: Form, *, hold_id: str | None) -> BookedAnswer:
    """Book, with the hold or without one, once for each form: a client who sends it again gets the first
    answer. Raises IdempotencyKeyReused if it was sent with other words, and what `booking_page.book`
    raises."""
    wish = await _wish(change, sheet.body(form, hold_id=hold_id))

    def said(made: tuple[Appointment, str | None]) -> BookedAnswer:
        booked, token = made
        shown = ClientAppointment.of(booked, change.host)
        return BookedAnswer(appointment=shown, manage_url=None, manage_token=token)

    async def make() -> Response:
        once = keeping_no_link(change.for_form(f"{sheet.hold_id}:{sheet.copy}"), BookedAnswer)
        return await once.make(said, booking_page.book, change.host, wish, change.visitor, change.now)

    context = change.context
    answer = await context.public_bookings.book(change, change.host, context.no_links, make)
    return BookedAnswer.model_validate_json(bytes(answer.body))


async def _wish(change: ClientChange, body: dict[str, Any]) -> ClientBooking:
    """Return the booking that was filled in. Raises Malformed with everything that is wrong."""
    try:
        return validated(ClientBooking, body)
    except Malformed as refusal:
        besides = await change.db.read(booking_page.wrong_besides, change.host, body)
        raise malformed([*refusal.details["fields"], *besides]) from None


async def _instead(change: ClientChange, sheet: Sheet, start: datetime) -> Response:
    """Keep another time for what was filled in, and show the form again."""
    kind = sheet.kind
    try:
        made = await keep(change, kind, start, calendar_id=sheet.calendar_id, replaces=sheet.hold_id)
    except Conflict as refusal:
        told = problems.of_refusal(refusal, start, kind.zone, kind.reader)
        sheet = replace(sheet, alert=told, instead=alternatives(refusal, kind.zone, kind.reader))
        return _form(change, sheet, problems.noted(change.request, refusal))
    return _form(change, replace(sheet, hold_id=made.id, start=start, until=made.expires_at, copy=0), 200)


def _kept(tx: Tx, visit: Visit, hold_id: str, reader: Reader) -> tuple[Hold, Kind]:
    kept = holds.get(tx, visit.org_id, hold_id, visit.now)
    return kept, Kind(public_types.bookable(tx, visit.host, kept.appointment_type_id), visit.host, reader)


def _named(
    tx: Tx, change: ClientChange, hold_id: str, form: Form, reader: Reader
) -> tuple[Hold | None, Kind]:
    """Return a hold, if it stands, and the type that the form is about. Raises NotFound."""
    try:
        kept = holds.get(tx, change.org_id, hold_id, change.now)
    except NotFound:
        kept = None
    name = id_in(form.text("type")) if kept is None else kept.appointment_type_id
    return kept, Kind(public_types.bookable(tx, change.host, name or ""), change.host, reader)


def _filled(change: ClientChange, kept: Hold | None, kind: Kind, hold_id: str, form: Form) -> Sheet:
    """Return the form as it was sent. What the hold says itself is not asked of the form."""
    person = kind.person(id_in(form.text("with")))
    if kept is None:
        start = start_in(form.text("start"), change.timezone)
        until = start_in(form.text("until"), change.timezone)
    else:
        start, until = kept.start_time, kept.expires_at
    chosen = None if person is None else person.id
    return Sheet(kind, hold_id, start, until, chosen, count_in(form.text("copy"))).filled(form)


def _form(visit: Visit | ClientChange, sheet: Sheet, status: int, *, after: int | None = None) -> Response:
    """Return the page with the form. `after` is in how many seconds to try again, if that is known."""
    kind, reader, host = sheet.kind, sheet.kind.reader, visit.host
    when = dates.local(sheet.start, kind.zone)
    here = at(reader, f"/{host.slug}/hold/{sheet.hold_id}", **{"with": sheet.calendar_id})
    answer = page_of(
        visit,
        "booking/details.html",
        About(f"{reader.say('Your details')} – {kind.name}"),
        here,
        status=status,
        kind=kind,
        sheet=sheet,
        person=kind.person(sheet.calendar_id),
        day=reader.long_day(when.date()),
        time=reader.time(when),
        zone=reader.zone_name(kind.zone, sheet.start),
        elsewhere=elsewhere(reader, sheet.start, visit.timezone),
        seconds=max(0, round((sheet.until - visit.now).total_seconds())),
        until=reader.time(dates.local(sheet.until, kind.zone)),
        again=None if after is None else problems.again(after, reader),
        action=here.here(),
        release=at(here, f"{here.path}/release", date=when.date().isoformat()).here(),
        back=at(here, kind.path, replaces=sheet.hold_id, date=when.date().isoformat()).here(),
        trap=TRAP,
    )
    if after is not None:
        answer.headers["Retry-After"] = str(after)
    return answer


def _done(change: ClientChange, sheet: Sheet, made: BookedAnswer) -> Response:
    """Lead to the appointment. If only the mail has the link to it, the link has ended since, or the page is
    part of another site's, which may not show that link, say what happens next."""
    reader, booked = sheet.kind.reader, made.appointment
    manage = None if made.manage_token is None else f"/manage/{made.manage_token}"
    if manage is not None and not reader.is_embedded:
        return lead_to(change, reader.link(manage, booked="1"))
    when = dates.local(booked.start_time, sheet.kind.zone)
    expires = None if booked.expires_at is None else dates.local(booked.expires_at, sheet.kind.zone)
    heading = reader.say(_DONE[booked.to_be_confirmed_by])
    return page_of(
        change,
        "booking/done.html",
        About(heading),
        at(reader, sheet.kind.path, date=None),  # the hold is gone, so this page has no address
        heading=heading,
        kind=sheet.kind,
        booked=booked,
        day=reader.long_day(when.date()),
        time=reader.time(when),
        zone=reader.zone_name(sheet.kind.zone, booked.start_time),
        until=None if expires is None else reader.time(expires),
        manage=None if manage is None else reader.link(manage, booked="1", embed=None),
    )


def _gone(visit: Visit | ClientChange, reader: Reader, refusal: NotFound) -> Response:
    """Return the page for a time that is no longer kept."""
    status = problems.noted(visit.request, refusal)
    about = About(reader.say("This time is no longer kept"))
    back = at(reader, f"/{visit.host.slug}", date=None, **{"with": None}).here()
    sends_mails = visit.settings.mail
    return page_of(
        visit, "booking/gone.html", about, reader, status=status, back=back, sends_mails=sends_mails
    )


def _after(refusal: Refusal) -> int | None:
    """Return in how many seconds what was refused may be tried again, if that helps."""
    if isinstance(refusal, RateLimited):
        return refusal.retry_after
    return RETRY_AFTER_SECONDS if isinstance(refusal, Unavailable) else None

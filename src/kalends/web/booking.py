"""The pages on which clients look for a time: what can be booked, and when."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.visits import ClientChange, ClientWriting, Visit, Visiting
from kalends.core.errors import Conflict, Refusal, Unbookable
from kalends.db.database import Tx
from kalends.schemas.fields import as_moment
from kalends.schemas.holds import ClientHold, ClientHoldAnswer, ClientHoldCreate
from kalends.schemas.public import ClientType
from kalends.services.booking import booking_page, months, public_types
from kalends.services.booking.months import Month, Wish
from kalends.web import offers, problems
from kalends.web.forms import form_of, validated
from kalends.web.grids import Grid, Time, asked, at, elsewhere
from kalends.web.kinds import Kind
from kalends.web.pages import About
from kalends.web.readers import OF_THE_CHOICE, Reader
from kalends.web.sent import Name, id_in, start_in
from kalends.web.visits import SLUG, lead_to, must_have_pages, page, reader_of
from kalends.words import dates

MOST_LOOKED_AT = 10
"""Of how many types the first free time is looked for: of more, it would take long."""
HOLD_SECONDS = 600

router = APIRouter(include_in_schema=False)


@router.get(f"/{SLUG}")
async def services(visit: Visiting) -> Response:
    """Show what can be booked. If it is one thing only, its page is the first."""
    must_have_pages(visit.host)
    reader = reader_of(visit)
    offered, free = await visit.look(_offered, visit)
    kinds = [Kind(each, visit.host, reader) for each in offered]
    if len(kinds) == 1:
        return lead_to(visit, at(reader, kinds[0].path).here())
    links = [
        (kind, at(reader, kind.path).here(), _first_free(kind, free.get(kind.type_.id), visit.now))
        for kind in kinds
    ]
    about = About(
        visit.host.name,
        _summary(visit.host.intro or ""),
        canonical=f"{visit.base}/{visit.host.slug}",
        image=_picture(visit),
        indexed=visit.host.indexing,
    )
    data = offers.described(visit, kinds)
    return page_of(visit, "booking/services.html", about, reader, links=links, data=data)


@router.get(f"/{SLUG}/{{name}}")
async def times(name: Name, visit: Visiting) -> Response:
    """Show a month with the days on which something is free, and the times of one of them."""
    must_have_pages(visit.host)
    return await _times(visit, name, reader_of(visit))


@router.get(f"/{SLUG}/{{name}}/zone")
async def zones(name: Name, visit: Visiting, city: str = "") -> Response:
    """Ask for the zone in which times are told, by a city; if it is known, lead to the times."""
    must_have_pages(visit.host)
    reader = reader_of(visit)
    kind = Kind(await visit.db.read(public_types.bookable, visit.host, name), visit.host, reader)
    back = at(reader, kind.path, city=None)
    if (zone := reader.zone_called(city)) is not None:
        return lead_to(visit, at(back, kind.path, zone=zone, month=None, date=None).here())
    kept = {name: sent for name, sent in back.query.items() if name not in ("month", "date")}
    return page_of(
        visit,
        "booking/zone.html",
        About(reader.say("Your time zone")),
        reader,
        kind=kind,
        action=f"{reader.prefix}{kind.path}/zone",
        kept=kept,
        city=city,
        places=reader.places(visit.now),
        back=back.here(),
    )


@router.post(f"/{SLUG}/{{name}}/hold")
async def hold(name: Name, change: ClientWriting) -> Response:
    """Keep the time that was chosen, and lead to the form."""
    must_have_pages(change.host)
    form = await form_of(change.request)
    reader = reader_of(change)
    sent = change.request.query_params
    chosen = {each: id_in(form.text(each) or sent.get(each)) for each in ("with", "replaces")}
    known = await change.db.read(public_types.bookable, change.host, name)
    kind = Kind(known, change.host, reader)
    start = start_in(form.text("start"), change.timezone)
    try:
        made = await keep(change, kind, start, calendar_id=chosen["with"], replaces=chosen["replaces"])
    except Conflict as refusal:
        looking = Visit(change.request, change.host)
        return await _times(looking, name, at(reader, kind.path, **chosen), refusal, start)
    form_at = f"/{change.host.slug}/hold/{made.id}"
    chosen["replaces"] = None
    return lead_to(change, at(reader, form_at, month=None, **chosen).here())


async def keep(
    change: ClientChange, kind: Kind, start: datetime, *, calendar_id: str | None, replaces: str | None
) -> ClientHold:
    """Keep a time for a client. Raises Malformed, and what `booking_page.keep` raises, with other times if it
    is taken."""
    sent = {
        "appointment_type_id": kind.type_.id,
        "start_time": start,
        "ttl_seconds": HOLD_SECONDS,
        "calendar_id": None if (person := kind.person(calendar_id)) is None else person.id,
        "replaces": replaces,
    }
    wish = validated(ClientHoldCreate, sent)
    answer = await change.make(
        ClientHoldAnswer.of, booking_page.keep, change.host, wish, change.visitor, change.now
    )
    return ClientHoldAnswer.model_validate_json(bytes(answer.body)).hold


async def _times(
    visit: Visit,
    name: str,
    reader: Reader,
    refusal: Conflict | None = None,
    refused: datetime | None = None,
) -> Response:
    """Return the page of a type; above it, why a start was refused, if one was."""
    kind, month, is_public = await visit.look(_looked_at, visit, name, reader)
    here = at(reader, kind.path)
    grid = Grid(month, kind.zone, here, visit.now, kind.type_.max_days_ahead)
    person = kind.person(reader.query.get("with"))
    # The parameter of an earlier address may say another spelling of the type, or somebody who has left.
    action = at(here, f"{kind.path}/hold", **{"with": None, "replaces": None, "month": None})
    first = next(iter(month.starts), None)
    about = About(
        kind.name,
        _summary(kind.description or visit.host.intro or ""),
        canonical=f"{visit.base}{kind.path}",
        image=_picture(visit),
        indexed=visit.host.indexing and is_public,
    )
    return page_of(
        visit,
        "booking/times.html",
        about,
        reader,
        status=200 if refusal is None else problems.noted(visit.request, refusal),
        kind=kind,
        grid=grid,
        person=person,
        action=at(action, action.path, date=None if month.day is None else month.day.isoformat()).here(),
        replaces=reader.query.get("replaces"),
        zone=reader.zone_name(kind.zone, visit.now),
        other=None if kind.is_in_person else at(here, f"{kind.path}/zone").here(),
        elsewhere=None if first is None else elsewhere(reader, first, visit.timezone),
        kept={key: sent for key, sent in here.query.items() if key not in ("with", "month", "date")},
        services=at(reader, f"/{visit.host.slug}", **dict.fromkeys(OF_THE_CHOICE)).here(),
        refused=None if refusal is None else problems.of_refusal(refusal, refused, kind.zone, reader),
        instead=[] if refusal is None else alternatives(refusal, kind.zone, reader),
    )


def alternatives(refusal: Refusal, zone: str, reader: Reader) -> list[Time]:
    """Return the times that are free in place of one that was refused, with their days."""
    if not isinstance(refusal, Unbookable):
        return []
    found = []
    for each in refusal.details.get("next_available", ()):
        when = dates.local(as_moment(each), zone)
        found.append(Time(each, f"{reader.short_day(when.date())}, {reader.time(when)}"))
    return found


def _looked_at(tx: Tx, visit: Visit, name: str, reader: Reader) -> tuple[Kind, Month, bool]:
    """Return a type, the month that is asked for, and whether everybody may know of the type."""
    host = visit.host
    kind = Kind(public_types.bookable(tx, host, name), host, reader)
    first, day = asked(reader, visit.now, kind.zone)
    person = kind.person(reader.query.get("with"))
    wish = Wish(kind.type_.id, None if person is None else person.id, id_in(reader.query.get("replaces")))
    month = months.for_clients(tx, host, wish, kind.zone, visit.now, first=first, day=day)
    is_public = host.indexing and public_types.is_listed(tx, host, kind.type_.id)
    return kind, month, is_public


def _offered(tx: Tx, visit: Visit) -> tuple[list[ClientType], dict[str, datetime]]:
    """Return what can be booked, and the first free time of each, unless there are many."""
    offered = public_types.listed(tx, visit.host)
    ids = [each.id for each in offered]
    if not 1 < len(ids) <= MOST_LOOKED_AT:
        return offered, {}
    return offered, months.first_free(tx, visit.host, ids, visit.now)


def _first_free(kind: Kind, start: datetime | None, now: datetime) -> str | None:
    if start is None:
        return None
    return kind.reader.short_day(dates.local(start, kind.zone).date(), dates.local(now, kind.zone).date())


def _summary(text: str) -> str:
    """Return a text in one line, short enough for those who show it beside a link."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:159].rstrip() + "…"


def _picture(visit: Visit) -> str | None:
    logo = visit.host.logo
    return None if logo is None else f"{visit.base}/{visit.host.slug}/logo?v={logo}"


def page_of(
    visit: Visit | ClientChange, template: str, about: About, reader: Reader, **what: Any
) -> Response:
    """Return a page that the organization's own sites may embed."""
    return page(
        visit, template, about, reader=reader, host=visit.host, embedders=visit.host.embed_origins, **what
    )

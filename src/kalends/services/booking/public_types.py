"""What clients can book: the types that are offered to them, and whom they may choose."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select

from kalends.core.caller import Host
from kalends.core.errors import NotFound
from kalends.core.offered import OfferedType
from kalends.db.database import Tx
from kalends.db.tables import appointment_types, calendars, type_calendars
from kalends.schemas.appointments import Appointment
from kalends.schemas.days import DaysAnswer
from kalends.schemas.public import BookingHost, BookingPage, ClientType, PublicCalendar
from kalends.schemas.queries import ClientDaysQuery, ClientExplainQuery, ClientSlotsQuery
from kalends.schemas.slots import Explanation
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.booking import days, offers, searches, slots
from kalends.services.booking.searches import Search
from kalends.services.setup.organizations import logo_path

_LISTED = (appointment_types.c.is_active, appointment_types.c.visibility == "public")


def page(tx: Tx, host: Host) -> BookingPage:
    """Return the organization and its types that are `listed`, as people may see them who have not booked."""
    types = [each.for_everybody() for each in listed(tx, host)]
    return BookingPage(organization=_shown(host), appointment_types=types)


def listed(tx: Tx, host: Host) -> list[ClientType]:
    """Return the active types that everybody may book, in the organization's order."""
    return _types(tx, host.org_id, *_LISTED)


def is_listed(tx: Tx, host: Host, type_id: str) -> bool:
    """Return whether a type is among those that are `listed`."""
    mine = (appointment_types.c.org_id == host.org_id, appointment_types.c.id == type_id)
    return tx.execute(select(appointment_types.c.id).where(*mine, *_LISTED)).first() is not None


def bookable(tx: Tx, host: Host, name: str) -> ClientType:
    """Return an active type that clients may book, by its id or slug. Raises NotFound."""
    named = or_(appointment_types.c.id == name, appointment_types.c.slug == name)
    which = (named, appointment_types.c.is_active, appointment_types.c.visibility != "staff")
    found = _types(tx, host.org_id, *which)
    if not found:
        raise NotFound("There is no appointment type with this name.")
    return found[0]


def any_type(tx: Tx, host: Host, type_id: str) -> ClientType:
    """Return a type as its clients see it, whether or not they may book it. Raises NotFound."""
    found = _types(tx, host.org_id, appointment_types.c.id == type_id)
    if not found:
        raise offers.no_type()
    return found[0]


def offered(tx: Tx, host: Host, type_id: str, calendar_id: str | None = None) -> OfferedType:
    """Return a type that clients may book, active or not. If they choose a calendar, the type must let them.

    Raises NotFound for an unknown type or one that only staff book, and for a calendar that is not public or
    does not serve the type; Malformed if the type does not let clients choose.
    """
    type_ = offers.type_of(tx, host.org_id, type_id)
    if type_.visibility == "staff":
        raise offers.no_type()
    if calendar_id is None:
        return type_
    if not type_.clients_choose:
        raise malformed([wrong("calendar_id", "can't be chosen for this type", "read_only")])
    calendar = offers.calendar_named(tx, type_, calendar_id)
    if not (calendar.is_public and calendar.serves and calendar.requirement == 0):
        raise offers.no_calendar()
    return type_


def free_slots(tx: Tx, host: Host, query: ClientSlotsQuery, now: datetime) -> str:
    """Return every start that clients can book, as `slots.found` does. Raises what `offered` and that
    raise."""
    return slots.found(tx, _search(tx, host, query, now), host.timezone, query, naming=False)


def free_days(tx: Tx, host: Host, query: ClientDaysQuery, now: datetime) -> DaysAnswer:
    """Return on which days there are such starts, as `days.found` does. Raises what `offered` and that
    raise."""
    return days.found(tx, _search(tx, host, query, now), host.timezone, query)


def explain(tx: Tx, host: Host, query: ClientExplainQuery, now: datetime) -> Explanation:
    """Return whether clients can book a start, as `slots.explained` does. Raises what `offered` and that
    raise."""
    return slots.explained(tx, _search(tx, host, query, now), host.timezone, query)


def _search(
    tx: Tx, host: Host, query: ClientSlotsQuery | ClientDaysQuery | ClientExplainQuery, now: datetime
) -> Search:
    type_ = offered(tx, host, query.appointment_type_id, query.calendar_id)
    return Search(type_, searches.in_question(tx, type_, query.calendar_id), now)


def _shown(host: Host) -> BookingHost:
    known = asdict(host) | {"logo": logo_path(host.slug, host.logo)}
    return BookingHost.model_validate({name: known[name] for name in BookingHost.model_fields})


def _types(tx: Tx, org_id: str, *which: ColumnElement[bool]) -> list[ClientType]:
    rows = tx.execute(
        select(appointment_types)
        .where(appointment_types.c.org_id == org_id, *which)
        .order_by(appointment_types.c.sort_order, appointment_types.c.id)
    ).all()
    choices = _choices(tx, org_id, [row.id for row in rows if row.clients_choose])
    return [
        ClientType.model_validate(
            {**row._mapping, "questions": row.booking_questions, "calendars": choices.get(row.id, [])}
        )
        for row in rows
    ]


def person(tx: Tx, about: Appointment) -> str | None:
    """Return what clients call the person with whom an appointment is; None if they did not see it when they
    booked: the type lets them choose nobody, or the calendar is not public."""
    type_ = (
        appointment_types.c.org_id == about.org_id,
        appointment_types.c.id == about.appointment_type_id,
    )
    if not tx.execute(select(appointment_types.c.clients_choose).where(*type_)).scalar():
        return None
    found = _choices(tx, about.org_id, [about.appointment_type_id]).get(about.appointment_type_id, [])
    return next((each.name for each in found if each.id == about.calendar_id), None)


def _choices(tx: Tx, org_id: str, type_ids: Collection[str]) -> Mapping[str, list[PublicCalendar]]:
    """Return the public calendars of types, in each type's order: those of its first requirement."""
    if not type_ids:
        return {}
    found: dict[str, list[PublicCalendar]] = {}
    for row in tx.execute(
        select(type_calendars.c.appointment_type_id, calendars)
        .join_from(
            type_calendars,
            calendars,
            and_(
                calendars.c.org_id == type_calendars.c.org_id, calendars.c.id == type_calendars.c.calendar_id
            ),
        )
        .where(
            type_calendars.c.org_id == org_id,
            type_calendars.c.appointment_type_id.in_(type_ids),
            type_calendars.c.requirement == 0,
            calendars.c.is_public,
            calendars.c.is_active,
            calendars.c.deleted_at.is_(None),
        )
        .order_by(type_calendars.c.position)
    ):
        choice = PublicCalendar(id=row.id, name=row.public_name or row.name, about=row.about)
        found.setdefault(row.appointment_type_id, []).append(choice)
    return found

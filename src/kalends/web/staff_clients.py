"""The clients of an organization before its staff, as their appointments tell of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Malformed, NotFound, Refusal
from kalends.core.finding import LONGEST_SEARCH
from kalends.db.database import Tx
from kalends.schemas.appointments import AppointmentsAnswer
from kalends.schemas.clients import Client, ClientsAnswer
from kalends.schemas.queries import AppointmentsQuery, ClientsQuery
from kalends.services.booking import appointment_lists, clients
from kalends.services.setup import calendars, colors
from kalends.services.setup.colors import Colors
from kalends.web import problems
from kalends.web.forms import validated
from kalends.web.grids import at
from kalends.web.readers import Reader
from kalends.web.sent import Name
from kalends.web.staff_lists import Row, rows_of
from kalends.web.staff_pages import staff_page
from kalends.web.staff_problems import moment
from kalends.web.staff_visits import Entered, EnteredCall
from kalends.web.visits import reader_of

PAGE = 50
_LONGEST = 255

router = APIRouter(prefix="/staff/clients", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ShownClient:
    """A client in words."""

    about: Client
    href: str
    last: str
    next: str


@router.get("")
async def show(call: Entered) -> Response:
    """List the clients, perhaps those with some words."""
    sent = call.request.query_params
    asked = {name: sent.get(name, "").strip()[:_LONGEST] for name in ("q", "cursor")}
    reader = at(reader_of(call), "/staff/clients", **{name: value or None for name, value in asked.items()})
    refusal: Refusal | None = None
    found = ClientsAnswer(clients=[], next_cursor=None)
    try:
        wanted = {name: value for name, value in asked.items() if value} | {"limit": PAGE}
        found = await call.look(clients.page, call.org_id, validated(ClientsQuery, wanted), call.now)
    except Malformed as other:
        refusal = other
    return staff_page(
        call,
        "staff/clients.html",
        reader.say("Clients"),
        reader,
        room="clients",
        status=200 if refusal is None else problems.noted(call.request, refusal),
        refused=None if refusal is None else reader.say("This does not work"),
        asked=asked,
        longest=LONGEST_SEARCH,
        found=[_shown(each, reader, call.timezone, call.now) for each in found.clients],
        following=found.next_cursor and reader.here(cursor=found.next_cursor),
        start=reader.here(cursor=None) if asked["cursor"] else None,
        zone=reader.zone_name(call.timezone, call.now),
    )


@router.get("/{appointment_id}")
async def see(appointment_id: Name, call: Entered) -> Response:
    """Show the client of an appointment, with everything they have booked, the latest first."""
    cursor = call.request.query_params.get("cursor", "")[:_LONGEST]
    reader = at(reader_of(call), f"/staff/clients/{appointment_id}", cursor=cursor or None)
    refusal: Refusal | None = None
    try:
        client, rows, following, own = await call.db.read(_of, call, reader, appointment_id, cursor)
    except Malformed as other:
        refusal, cursor = other, ""
        client, rows, following, own = await call.db.read(_of, call, reader, appointment_id, "")
    return staff_page(
        call,
        "staff/client.html",
        client.name,
        reader,
        status=200 if refusal is None else problems.noted(call.request, refusal),
        refused=None if refusal is None else reader.say("This does not work"),
        client=_shown(client, reader, call.timezone, call.now),
        rows=rows,
        colors=own.every,
        following=following and reader.here(cursor=following),
        start=reader.here(cursor=None) if cursor else None,
        book=reader.link("/staff/new", client=appointment_id),
        zone=reader.zone_name(call.timezone, call.now),
    )


def _of(
    tx: Tx, call: EnteredCall, reader: Reader, appointment_id: str, cursor: str
) -> tuple[Client, Sequence[Row], str | None, Colors]:
    """Return the client of an appointment, a page of what they have booked, where the next one begins, and
    all colours. Raises NotFound, Malformed."""
    client = clients.of_appointment(tx, call.org_id, appointment_id, call.now)
    if client is None:
        raise NotFound("There is no client with this appointment.")
    asked = {"same_client_as": appointment_id, "order": "desc", "limit": PAGE}
    query = validated(AppointmentsQuery, asked | ({"cursor": cursor} if cursor else {}))
    found: AppointmentsAnswer = appointment_lists.page(tx, call.org_id, call.timezone, query, call.now)
    known = colors.of(tx, call.org_id)
    rows = rows_of(found.appointments, calendars.names(tx, call.org_id), known, reader, call.timezone)
    return client, rows, found.next_cursor, known


def _shown(client: Client, reader: Reader, zone: str, now: datetime) -> ShownClient:
    def shown(start: datetime | None) -> str:
        return "" if start is None else moment(start, reader, zone, now)

    href = reader.link(f"/staff/clients/{client.id}")
    return ShownClient(client, href, shown(client.last_start), shown(client.next_start))

"""Organizations for tests."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, true

from kalends.clock import SystemClock
from kalends.core.caller import Caller
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import api_keys, appointments, calendars, events, idempotency_keys, manage_links
from kalends.ids import digest, new_api_key
from kalends.schemas.appointment_types import AppointmentTypeCreate
from kalends.schemas.appointments import AppointmentCreate
from kalends.services.outbox.parties import operator
from kalends.services.setup import appointment_types, keys, organizations
from tests.support.copies import Pattern, pattern

JANE = {
    "start_time": "2024-01-25T14:00:00Z",
    "client_name": "Jane Doe",
    "client_email": "jane@example.com",
    "client_phone": "+1234567890",
}
"""The reference's own example, but for the type."""


@dataclass(frozen=True)
class Org:
    id: str
    slug: str
    key: str
    caller: Caller
    type_id: str
    calendar_id: str

    def wish(self, **fields: Any) -> dict[str, Any]:
        """A body for POST appointments: the reference's example, with these fields."""
        return JANE | {"appointment_type_id": self.type_id} | fields

    def create(self, **fields: Any) -> AppointmentCreate:
        return AppointmentCreate.model_validate(self.wish(**fields))


async def make_org(
    db: Database,
    now: datetime,
    *,
    organization: str = "Test",
    key_name: str = "Test key",
    scopes: tuple[str, ...] = ("admin",),
    timezone: str = "UTC",
    sandbox: bool = False,
    requests_per_hour: int | None = None,
    **kind: Any,
) -> Org:
    """An organization with a key and a type, of which `kind` are fields."""

    def make(tx: Tx) -> Org:
        row = organizations.create(
            tx,
            name=organization,
            slug=_new_slug(),
            timezone=timezone,
            sandbox=sandbox,
            requests_per_hour=requests_per_hour,
            now=now,
        )
        party = operator(row["id"])
        key = keys.create(tx, party, name=key_name, scopes=scopes, lifetime=None, now=now)["key"]
        wish = {"name": "Tax Consultation", "durationMinutes": 60} | kind
        made = appointment_types.create(tx, party, AppointmentTypeCreate.model_validate(wish), now)
        tx.execute(delete(events).where(events.c.org_id == row["id"]))  # tests begin with nothing told
        calendar = tx.execute(select(calendars.c.id).where(calendars.c.org_id == row["id"])).scalar_one()
        return Org(row["id"], row["slug"], key, _caller_of(tx, key), made.id, calendar)

    wish = repr((organization, key_name, scopes, timezone, sandbox, requests_per_hour, kind))
    return await copied(db, now, wish, lambda: db.write(make))


async def copied(db: Database, now: datetime, wish: str, make: Callable[[], Awaitable[Org]]) -> Org:
    """What `make` makes: the first time in this process that this is the wish, by `make` itself, and then as
    a copy, which takes a fifth of the time."""
    known = type(db), wish  # a pattern's values are those of one kind of database
    if known not in _made:
        org = await make()
        _made[known] = org, await db.read(pattern, org.id, now)
        return org
    return await db.write(_copy, *_made[known], now)


_made: dict[tuple[type[Database], str], tuple[Org, Pattern]] = {}


def _copy(tx: Tx, org: Org, its: Pattern, now: datetime) -> Org:
    slug, key = _new_slug(), new_api_key(sandbox=org.caller.sandbox)
    [[shown]] = [[row["prefix"] for row in rows] for table, rows in its.rows if table is api_keys]
    instead = {org.slug: slug, digest(org.key): digest(key), shown: key[: len(shown)]}
    new = its.copy(tx, now, instead)
    return Org(new[org.id], slug, key, _caller_of(tx, key), new[org.type_id], new[org.calendar_id])


def _new_slug() -> str:
    return f"test-{uuid.uuid4().hex}"


def _caller_of(tx: Tx, key: str) -> Caller:
    return keys.find(tx, [digest(key)])[digest(key)]


async def new_org(url: str) -> Org:
    """An organization in the database at `url`, for a server that runs there."""
    database = open_database(url, pool_size=1)
    try:
        return await make_org(database, SystemClock().now())
    finally:
        await database.close()


def counts(tx: Tx, org_id: str) -> dict[str, int]:
    """How many rows an organization has of what bookings leave behind."""
    of_appointments = events.c.type.startswith("appointment.", autoescape=True)
    return {
        table.name: tx.execute(
            select(func.count()).select_from(table).where(table.c.org_id == org_id, rule)
        ).scalar_one()
        for table, rule in ((appointments, true()), (events, of_appointments), (idempotency_keys, true()))
    }


async def stored(db: Database, org: Org) -> int:
    """How many appointments an organization has; each must have its event, and each event its appointment."""
    found = await db.read(counts, org.id)
    assert found["appointments"] == found["events"]
    return found["appointments"]


def links_of(tx: Tx, org_id: str) -> int:
    """How many links clients of an organization have to their appointments."""
    found = select(func.count()).select_from(manage_links).where(manage_links.c.org_id == org_id)
    return int(tx.execute(found).scalar_one())


async def rows(db: Database, org_id: str) -> int:
    """How many appointments and holds an organization has."""

    def count(tx: Tx) -> int:
        return len(tx.execute(select(appointments.c.id).where(appointments.c.org_id == org_id)).all())

    return await db.read(count)

"""Violated keys of the database, as refusals.

Units check before they write, but on PostgreSQL another transaction may come between. Then the database has
the last word, and the answer is a 404 or a 409 like that of the unit's own check.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.exc import IntegrityError

from kalends.core.errors import AlreadyExists, Conflict, InUse, NotFound, Refusal
from kalends.db.tables import metadata

FOREIGN_KEY, UNIQUE = "23503", "23505"


class _Thing(NamedTuple):
    """What the rows of a table are called: one of them, and several."""

    one: str
    several: str


THINGS: Mapping[str, _Thing] = {
    "organizations": _Thing("organization", "organizations"),
    "slugs": _Thing("slug", "slugs"),
    "logos": _Thing("logo", "logos"),
    "api_keys": _Thing("API key", "API keys"),
    "people": _Thing("person", "people"),
    "sessions": _Thing("session", "sessions"),
    "entries": _Thing("link", "links"),
    "passkeys": _Thing("passkey", "passkeys"),
    "challenges": _Thing("challenge", "challenges"),
    "schedules": _Thing("schedule", "schedules"),
    "calendars": _Thing("calendar", "calendars"),
    "appointment_types": _Thing("appointment type", "appointment types"),
    "type_calendars": _Thing("calendar of an appointment type", "appointment types"),
    "windows": _Thing("availability", "windows of availability"),
    "overrides": _Thing("override", "overrides"),
    "appointments": _Thing("appointment", "appointments or holds"),
    "occupations": _Thing("occupation", "appointments, holds or blocks"),
    "appointment_changes": _Thing("change of the appointment", "changes of appointments"),
    "manage_links": _Thing("link", "links"),
    "request_links": _Thing("link", "links"),
    "events": _Thing("event", "events"),
    "event_heads": _Thing("head", "events"),
    "receivers": _Thing("webhook", "webhooks"),
    "deliveries": _Thing("delivery", "deliveries"),
    "blocks": _Thing("block", "blocks"),
    "feeds": _Thing("feed", "feeds"),
    "sources": _Thing("source", "sources"),
    "idempotency_keys": _Thing("Idempotency-Key", "Idempotency-Keys"),
    "zone_data": _Thing("version", "versions"),
}
"""What the rows of each table are called."""
_FIELDS: Mapping[tuple[str, str], str] = {
    ("appointments", "appointment_type_id"): "appointment_type_id",
    ("appointments", "calendar_id"): "calendar_id",
    ("windows", "appointment_type_id"): "appointment_type_id",
    ("calendars", "schedule_id"): "schedule_id",
    ("appointment_types", "schedule_id"): "scheduleId",
    ("type_calendars", "calendar_id"): "calendarIds",
    ("blocks", "calendar_id"): "calendar_id",
    ("feeds", "calendar_id"): "calendar_id",
}
"""The fields of bodies that foreign keys come from, by the keys' tables and last columns; other keys come
from paths, or from the server."""
_TAKEN: Mapping[str, tuple[str, str]] = {
    "uq_organizations_slug": ("There is already an organization with this slug; choose another.", "slug"),
}
"""The sentences for unique keys whose values people choose, and the fields in which they do."""

_FOREIGN_KEYS: Mapping[str, ForeignKeyConstraint] = {
    str(constraint.name): constraint
    for table in metadata.tables.values()
    for constraint in table.foreign_key_constraints
}


def refusal_of(error: BaseException) -> Refusal | None:
    """Return the refusal for a violated foreign key or unique key; None for any other error, which is a
    defect. SQLite does not name foreign keys, and names unique keys by their columns only."""
    if not isinstance(error, IntegrityError) or error.orig is None:
        return None
    cause, text = error.orig.__cause__, str(error.orig)
    state, name = getattr(cause, "sqlstate", None), getattr(cause, "constraint_name", None) or ""
    if state == FOREIGN_KEY or text.startswith("FOREIGN KEY constraint failed"):
        # A deleted row is referred to; a stored row refers to something.
        deleting = (error.statement or "").lstrip().upper().startswith("DELETE")
        return _in_use(_FOREIGN_KEYS.get(name)) if deleting else _missing(_FOREIGN_KEYS.get(name))
    if state == UNIQUE:
        return _taken(getattr(cause, "table_name", None) or "", name)
    if text.startswith("UNIQUE constraint failed: "):
        table, names = _columns(text.partition(": ")[2])
        return _taken(table, "_".join(("uq", table, *names)))
    return None


def _in_use(key: ForeignKeyConstraint | None) -> Refusal:
    if key is None:
        return InUse("Something else refers to it, so it can't be deleted.")
    one, users = THINGS[key.referred_table.name].one, THINGS[key.table.name].several
    return InUse(f"Some {users} use this {one}, so it can't be deleted; change or delete them first.")


def _missing(key: ForeignKeyConstraint | None) -> Refusal:
    if key is None:
        return Conflict("Something that this refers to was deleted a moment ago; please look again.")
    field = _FIELDS.get((key.table.name, key.column_keys[-1]))
    sentence = f"There is no {THINGS[key.referred_table.name].one} with this id."
    return NotFound(sentence, **({"field": field} if field else {}))


def _taken(table: str, name: str) -> Refusal:
    if name in _TAKEN:
        sentence, field = _TAKEN[name]
        return AlreadyExists(sentence, field=field)
    one = THINGS[table].one if table in THINGS else "thing"
    return AlreadyExists(f"The same {one} was stored a moment ago; please look again.")


def _columns(listed: str) -> tuple[str, list[str]]:
    """Return the table and the names of columns that SQLite lists: `organizations.slug`."""
    columns = [each.partition(".") for each in listed.split(", ")]
    return columns[0][0], [name for _, _, name in columns]

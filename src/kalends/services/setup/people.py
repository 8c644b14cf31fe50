"""People: the staff of an organization, who sign in and act under their own names."""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from kalends.core.contacts import folded
from kalends.core.errors import AlreadyExists, Conflict, NotFound, ScopeMissing, Unauthorized
from kalends.core.text import named
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import calendars, entries, passkeys, people, request_links, sessions
from kalends.ids import new_id
from kalends.schemas.people import Person, PersonChange, PersonCreate
from kalends.schemas.wire import Deleted
from kalends.services.outbox import events, makers
from kalends.services.outbox.parties import Party
from kalends.services.setup import ways_in


def create(tx: Tx, party: Party, wish: PersonCreate, now: datetime) -> Person:
    """Add somebody. Raises NotFound for an unknown calendar, AlreadyExists if somebody else has the address,
    and what `makers.stamp` raises."""
    lock_settings(tx, party.org_id)
    row = {
        "org_id": party.org_id,
        "id": new_id("psn"),
        "name": named(wish.name),
        **_of_email(wish.email),
        "scopes": wish.scopes,
        "calendar_id": wish.calendar_id,
        "language": wish.language,
        "active": True,
        "password": None,
        "created_by": makers.stamp(tx, party),
        "created_at": now,
        "updated_at": now,
    }
    _must_fit(tx, row)
    tx.execute(insert(people), row)
    person = get(tx, party.org_id, row["id"])
    events.tell(tx, party, "person.created", _told(person), person.id, now)
    return person


def at_address(tx: Tx, org_id: str, email: str) -> Person | None:
    """Return the person who is active and has an address, locked: they are not sent away until the
    transaction ends. Returns None if nobody has it."""
    whose = (people.c.org_id == org_id, people.c.address == folded(email), people.c.active)
    row = tx.execute(select(people).where(*whose).with_for_update(read=True)).first()
    return None if row is None else shown(row)


def all_of(tx: Tx, org_id: str) -> Sequence[Person]:
    """Return the staff of an organization, oldest first."""
    rows = tx.execute(select(people).where(people.c.org_id == org_id).order_by(people.c.id))
    return [shown(row) for row in rows]


def get(tx: Tx, org_id: str, person_id: str) -> Person:
    """Return one person. Raises NotFound."""
    return shown(row_of(tx, org_id, person_id))


def owner_of(tx: Tx, person_id: str) -> str:
    """Return the id of the organization that has this person. Raises NotFound."""
    owner = tx.execute(select(people.c.org_id).where(people.c.id == person_id)).scalar()
    if owner is None:
        raise _nobody(person_id)
    return owner


def row_of(tx: Tx, org_id: str, person_id: str, *, locked: bool = False) -> AnyRow:
    """Return the row of a person, perhaps locked: nobody signs in, or is sent away, until the transaction
    ends. Raises NotFound."""
    found = select(people).where(*_this(org_id, person_id))
    row = tx.execute(found.with_for_update() if locked else found).first()
    if row is None:
        raise _nobody(person_id)
    return row


def change(tx: Tx, party: Party, person_id: str, wish: PersonChange, now: datetime) -> Person:
    """Change what is sent. Whoever is no longer active is signed out everywhere, and the links that they made
    for others end, as do those of whoever is no longer an admin.

    Raises NotFound, also for an unknown calendar; AlreadyExists if somebody else has the address; Malformed
    for another value of what can't be changed; Conflict if somebody would take away what they need to undo
    it: their own `admin`, or themselves; and what `_must_still_be_admin` raises.
    """
    lock_settings(tx, party.org_id)
    _must_still_be_admin(tx, party)
    before = row_of(tx, party.org_id, person_id, locked=True)
    wish.must_agree(shown(before))
    sent = wish.sent()
    row = dict(before._mapping) | sent | {"updated_at": now}
    if "email" in sent:
        row |= _of_email(sent["email"])
    if not row["active"]:
        row |= dict.fromkeys(("password", "password_by", "oidc_issuer", "oidc_subject"))
    if _is(party, person_id) and not (row["active"] and "admin" in row["scopes"]):
        raise Conflict("People can't take away their own right to change people.")
    _must_fit(tx, row, sent)
    tx.execute(update(people).where(*_this(party.org_id, person_id)).values(row))
    if not (row["active"] and "admin" in row["scopes"]):
        ways_in.end_links(tx, party.org_id, person_id)
    if not row["active"]:
        _sign_out(tx, party.org_id, person_id)
    elif row["address"] != before.address:
        _end_mailed(tx, party.org_id, person_id)
    person = get(tx, party.org_id, person_id)
    events.tell(tx, party, "person.updated", _told(person), person_id, now)
    return person


def remove(tx: Tx, party: Party, person_id: str, now: datetime) -> str:
    """Delete a person, sign them out everywhere, and end the links that they made for others; history keeps
    their name. Returns the id. Raises NotFound, Conflict for oneself, and what `_must_still_be_admin`
    raises."""
    lock_settings(tx, party.org_id)
    _must_still_be_admin(tx, party)
    row_of(tx, party.org_id, person_id, locked=True)
    if _is(party, person_id):
        raise Conflict("People can't delete themselves.")
    _sign_out(tx, party.org_id, person_id)
    ways_in.end_links(tx, party.org_id, person_id)
    tx.execute(delete(people).where(*_this(party.org_id, person_id)))
    events.tell(tx, party, "person.deleted", Deleted.of(person_id), person_id, now)
    return person_id


def shown(row: AnyRow) -> Person:
    """Return a person as everybody may see them: without their password."""
    return Person.model_validate({**row._mapping, "has_password": row.password is not None})


def _nobody(person_id: str) -> NotFound:
    return NotFound(f"There is no person with the id '{person_id}'.")


def _must_still_be_admin(tx: Tx, party: Party) -> None:
    """Raise Unauthorized for a person who is no longer active, ScopeMissing for one who is no longer an
    admin. The settings are locked, so of two admins who send each other away at the same moment, one
    stays."""
    if party.actor.kind != "person":
        return
    wanted = select(people.c.active, people.c.scopes).where(*_this(party.org_id, party.actor.id or ""))
    row = tx.execute(wanted).first()
    if row is None or not row.active:
        raise Unauthorized("This person is no longer active.")
    if "admin" not in row.scopes:
        raise ScopeMissing("admin")


def _sign_out(tx: Tx, org_id: str, person_id: str) -> None:
    """End all sessions of a person, the links and passkeys by which they would sign in, and the links in
    their mails."""
    for table in (sessions, entries, passkeys, request_links):
        tx.execute(delete(table).where(table.c.org_id == org_id, table.c.person_id == person_id))


def _end_mailed(tx: Tx, org_id: str, person_id: str) -> None:
    """End the links that were mailed to a person: somebody else may read their former address."""
    mailed = (entries.c.org_id == org_id, entries.c.person_id == person_id, entries.c.event_id.is_not(None))
    tx.execute(delete(entries).where(*mailed))
    theirs = (request_links.c.org_id == org_id, request_links.c.person_id == person_id)
    tx.execute(delete(request_links).where(*theirs))


def _is(party: Party, person_id: str) -> bool:
    return party.actor.kind == "person" and party.actor.id == person_id


def _this(org_id: str, person_id: str) -> tuple[Any, ...]:
    return people.c.org_id == org_id, people.c.id == person_id


def _of_email(email: str | None) -> dict[str, Any]:
    return {"email": email, "address": None if email is None else folded(email)}


def _must_fit(tx: Tx, row: Mapping[str, Any], sent: Container[str] = ("calendar_id", "email")) -> None:
    """Raise NotFound for an unknown calendar that was sent, AlreadyExists if somebody else has the address
    that was. (What was there before may not fit any more, and must not be in the way of sending somebody
    away.)"""
    calendar = select(calendars.c.id).where(
        calendars.c.org_id == row["org_id"],
        calendars.c.id == row["calendar_id"],
        calendars.c.deleted_at.is_(None),
    )
    if "calendar_id" in sent and row["calendar_id"] is not None and tx.execute(calendar).first() is None:
        raise NotFound(f"There is no calendar with the id '{row['calendar_id']}'.")
    other = select(people.c.id).where(
        people.c.org_id == row["org_id"], people.c.address == row["address"], people.c.id != row["id"]
    )
    if "email" in sent and row["address"] is not None and tx.execute(other).first() is not None:
        raise AlreadyExists("Somebody else of the staff has this e-mail address.")


def _told(person: Person) -> dict[str, Any]:
    """Return what events tell of a person: not how to reach them, for more may read events than people."""
    return {"person": person.model_dump(mode="json", exclude={"email"})}

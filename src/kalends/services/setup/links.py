"""Links by which people of the staff come in, once. Their tokens are random and stored as digests."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from kalends.core.errors import Conflict, Malformed
from kalends.core.event_types import PERSON_MAILED
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import entries, organizations, people
from kalends.ids import digest, new_token
from kalends.services.outbox import events, makers
from kalends.services.outbox.parties import Party
from kalends.services.setup.people import row_of
from kalends.services.setup.sessions import begin, locked

ENTRY = timedelta(days=7)
"""How long a link to sign in with is good."""


@dataclass(frozen=True, slots=True)
class Mailed:
    """A link by which a person signs in, on its way to them: its token, and until when it is good."""

    token: str
    person_id: str
    until: datetime


def invite(
    tx: Tx, party: Party, person_id: str, now: datetime, *, token: str | None = None, again: bool = False
) -> str:
    """Return the token of a new link by which a person signs in; a former link ends. `token` is for the demo,
    whose link may be used `again`. Raises NotFound, Malformed for somebody who is not active, and what
    `makers.stamp` raises."""
    person, maker = _invitable(tx, party, person_id)
    token = token or new_token()
    _keep_entry(tx, person, token, maker, now, again=again)
    events.tell(tx, party, "person.invited", _named(person), person_id, now)
    return token


def invite_by_mail(tx: Tx, party: Party, person_id: str, now: datetime, *, mail: bool) -> None:
    """Mail a person a new link by which they sign in; a former link ends. The token is made when the mail is
    written (`renew_mailed`). Raises NotFound, Malformed for somebody who is not active or has no address,
    Conflict if this server can't mail links (`mail`), and what `makers.stamp` raises."""
    person, maker = _invitable(tx, party, person_id)
    if person.email is None:
        raise Malformed("This person has no e-mail address, so nothing can be mailed to them.")
    if not mail:
        raise Conflict(
            "No links are mailed: this server's operator has set no mail server (KALENDS_SMTP_HOST), or not "
            "where links lead (KALENDS_PUBLIC_URL)."
        )
    told = _named(person)
    events.tell(tx, party, "person.invited", told, person_id, now)
    event_id = events.tell(tx, party, PERSON_MAILED, told, person_id, now)
    _keep_entry(tx, person, new_token(), maker, now, event_id=event_id)


def renew_mailed(tx: Tx, org_id: str, event_id: str, now: datetime) -> Mailed | None:
    """Give the link that an event mails a new token, in place of one that nobody knows, or that was mailed
    before. Returns None if the link has ended, or was used."""
    token = new_token()
    renewed = tx.execute(
        update(entries)
        .where(entries.c.org_id == org_id, entries.c.event_id == event_id, entries.c.expires_at > now)
        .values(digest=digest(token))
        .returning(entries.c.person_id, entries.c.expires_at)
    ).first()
    return None if renewed is None else Mailed(token, renewed.person_id, renewed.expires_at)


def invited(tx: Tx, token: str, now: datetime) -> AnyRow | None:
    """Return the person (`org_id`, `id`, `name`, `language`) to whom a link belongs, the name of their
    `organization`, and whether it may be used `again`; None if it has ended."""
    return tx.execute(
        select(
            people.c.org_id,
            people.c.id,
            people.c.name,
            people.c.language,
            organizations.c.name.label("organization"),
            entries.c.again,
        )
        .join_from(
            entries, people, (people.c.org_id == entries.c.org_id) & (people.c.id == entries.c.person_id)
        )
        .join(organizations, organizations.c.id == entries.c.org_id)
        .where(entries.c.digest == digest(token), entries.c.expires_at > now, people.c.active)
    ).first()


def enter(tx: Tx, token: str, device: str, now: datetime) -> str | None:
    """Sign in by a link, which is used up. Returns the token of the session; None if the link has ended."""
    person = invited(tx, token, now)
    if person is None:
        return None
    org_id = person.org_id
    is_in = locked(tx, org_id, person.id)
    this = (entries.c.org_id == org_id, entries.c.digest == digest(token))
    entry = tx.execute(select(entries).where(*this)).first()
    if is_in is None or entry is None:
        return None  # of several at once, one finds the link still there
    tx.execute(delete(entries).where(*this, ~entries.c.again))
    return begin(tx, org_id, person.id, device, now, created_by=entry.created_by)


def _invitable(tx: Tx, party: Party, person_id: str) -> tuple[AnyRow, str | None]:
    """Return the row of a person who is to get a link, locked, and what is kept of who makes it. Raises
    NotFound, Malformed for somebody who is not active, and what `makers.stamp` raises."""
    lock_settings(tx, party.org_id)
    maker = makers.stamp(tx, party)
    person = row_of(tx, party.org_id, person_id, locked=True)
    if not person.active:
        raise Malformed("This person is not active, so there is no link for them.")
    return person, maker


def _keep_entry(
    tx: Tx,
    person: AnyRow,
    token: str,
    maker: str | None,
    now: datetime,
    *,
    again: bool = False,
    event_id: str | None = None,
) -> None:
    """Store a link by which a person signs in, in place of a former one. The demo's is everybody's, and
    stays."""
    org_id, person_id = person.org_id, person.id
    former = (entries.c.org_id == org_id, entries.c.person_id == person_id, ~entries.c.again)
    tx.execute(delete(entries).where(*former))
    row = {"org_id": org_id, "digest": digest(token), "person_id": person_id, "again": again}
    row |= {"created_by": maker, "expires_at": now + ENTRY, "event_id": event_id}
    tx.execute(insert(entries), row)


def _named(person: AnyRow) -> dict[str, Any]:
    """Return what events tell of a person who is invited."""
    return {"person": {"id": person.id, "name": person.name}}

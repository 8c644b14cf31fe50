"""The secret links by which clients see, cancel and move their appointments."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, insert, select

from kalends.core.caller import Link
from kalends.core.errors import NotFound
from kalends.core.hours import shifted
from kalends.db.database import Tx
from kalends.db.tables import appointments, manage_links, organizations
from kalends.ids import digest, new_token
from kalends.services.booking.appointments import row_of
from kalends.services.outbox.parties import Party
from kalends.services.setup.organizations import host_of

GOOD_AFTER_END = timedelta(days=30)


def renew(tx: Tx, party: Party, appointment_id: str, now: datetime, *, keep_others: bool = False) -> str:
    """Make a new link of an appointment. The others stop working, unless they are to be kept. Returns the
    token of the new one. Raises NotFound."""
    row_of(tx, party.org_id, appointment_id, locked=True)  # of two at once, the second ends the first's
    if not keep_others:
        drop(tx, party.org_id, appointment_id)
    return issue(tx, party.org_id, appointment_id, now)


def issue_beside(tx: Tx, other: bytes, now: datetime) -> str | None:
    """Return the token of one more link beside the one with this digest; None, and nothing is made, if that
    one has ended."""
    found = select(manage_links.c.org_id, manage_links.c.appointment_id).where(manage_links.c.digest == other)
    if (link := tx.execute(found).first()) is None:
        return None
    row_of(tx, link.org_id, link.appointment_id, locked=True)  # links are ended under this lock
    return None if tx.execute(found).first() is None else issue(tx, link.org_id, link.appointment_id, now)


def drop(tx: Tx, org_id: str, appointment_id: str) -> None:
    """End every link of a locked appointment."""
    mine = (manage_links.c.org_id == org_id, manage_links.c.appointment_id == appointment_id)
    tx.execute(delete(manage_links).where(*mine))


def issue(tx: Tx, org_id: str, appointment_id: str, now: datetime) -> str:
    """Make one more link. Returns its token. Only its digest is stored, so every mail has a link of its
    own."""
    token = new_token()
    tx.execute(
        insert(manage_links),
        {"org_id": org_id, "appointment_id": appointment_id, "digest": digest(token), "created_at": now},
    )
    return token


def withdraw(tx: Tx, org_id: str, tokens: Sequence[str]) -> None:
    """Remove links that nobody was given."""
    unused = manage_links.c.digest.in_([digest(token) for token in tokens])
    tx.execute(delete(manage_links).where(manage_links.c.org_id == org_id, unused))


def must_be_good(tx: Tx, link: Link) -> None:
    """Raise NotFound if the link was ended since it was found."""
    if tx.execute(select(manage_links.c.digest).where(manage_links.c.digest == link.digest)).first() is None:
        raise no_link()


def no_link() -> NotFound:
    """Return the refusal of a link that has ended, or never existed."""
    return NotFound("This link is not good, or no longer.")


def find(tx: Tx, digests: Sequence[bytes]) -> Mapping[bytes, Link]:
    """Return the links with these digests, expired ones included."""
    rows = tx.execute(
        select(
            organizations,
            manage_links.c.digest,
            manage_links.c.appointment_id,
            appointments.c.end_time,
        )
        .join_from(
            manage_links,
            appointments,
            and_(
                appointments.c.org_id == manage_links.c.org_id,
                appointments.c.id == manage_links.c.appointment_id,
            ),
        )
        .join(organizations, organizations.c.id == manage_links.c.org_id)
        .where(manage_links.c.digest.in_(digests))
    )
    return {
        row.digest: Link(row.digest, host_of(row), row.appointment_id, shifted(row.end_time, GOOD_AFTER_END))
        for row in rows
    }

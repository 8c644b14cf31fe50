"""Mailing the staff the links by which they sign in."""

from datetime import datetime

from sqlalchemy import select

from kalends.db.database import AnyRow, Tx
from kalends.db.tables import organizations
from kalends.schemas.letters import Invitation
from kalends.services.booking.appointments import DEFAULT_LANGUAGE
from kalends.services.setup import links
from kalends.services.setup.organizations import host_of
from kalends.services.setup.people import row_of


def write(tx: Tx, org_id: str, delivery: AnyRow, now: datetime) -> Invitation | None:
    """Return the mail with a person's link, which gets its token now: it is stored nowhere, not even until it
    is sent. A retry has a token of its own, and the former one ends. Returns None if the link has ended, or
    was used."""
    mailed = links.renew_mailed(tx, org_id, delivery.event_id, now)
    if mailed is None:
        return None
    person = row_of(tx, org_id, mailed.person_id)
    host = host_of(tx.execute(select(organizations).where(organizations.c.id == org_id)).one())
    if person.email is None:
        return None
    return Invitation(
        id=f"{delivery.event_id}.{delivery.audience}",
        address=person.email,
        name=person.name,
        language=person.language or host.language or DEFAULT_LANGUAGE,
        timezone=host.timezone,
        host=host.name,
        link=mailed.token,
        until=mailed.until,
    )

"""The pictures by which organizations are known."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from kalends.core.errors import NotFound
from kalends.core.pictures import Picture
from kalends.db.database import Tx
from kalends.db.tables import logos
from kalends.db.tables import organizations as table
from kalends.schemas.organizations import Organization, OrganizationAnswer
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party
from kalends.services.setup import organizations


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture that is stored. `digest` stands in its address."""

    digest: str
    media_type: str
    content: bytes


def keep(tx: Tx, party: Party, picture: Picture, now: datetime) -> Organization:
    """Make a picture the organization's logo, in place of any other."""
    digest = hashlib.sha256(picture.content).hexdigest()[:16]
    _name(tx, party.org_id, digest, now)  # first, so that of two at once the second waits here
    tx.execute(delete(logos).where(logos.c.org_id == party.org_id))
    row = {"org_id": party.org_id, "digest": digest}
    tx.execute(insert(logos), row | {"media_type": picture.media_type, "content": picture.content})
    return _told(tx, party, now)


def remove(tx: Tx, party: Party, now: datetime) -> Organization:
    """Delete the organization's logo. Raises NotFound if it has none."""
    _name(tx, party.org_id, None, now)
    if not tx.execute(delete(logos).where(logos.c.org_id == party.org_id)).rowcount:
        raise NotFound("The organization has no logo.")
    return _told(tx, party, now)


def find(tx: Tx, org_id: str) -> Logo:
    """Return the organization's logo. Raises NotFound if it has none."""
    row = tx.execute(
        select(logos.c.digest, logos.c.media_type, logos.c.content).where(logos.c.org_id == org_id)
    ).first()
    if row is None:
        raise NotFound("The organization has no logo.")
    return Logo(row.digest, row.media_type, row.content)


def _name(tx: Tx, org_id: str, digest: str | None, now: datetime) -> None:
    tx.execute(update(table).where(table.c.id == org_id).values(logo=digest, updated_at=now))


def _told(tx: Tx, party: Party, now: datetime) -> Organization:
    """Return the organization as it is now, and tell that it was changed."""
    changed = organizations.get(tx, party.org_id)
    events.tell(tx, party, "organization.updated", OrganizationAnswer.of(changed), party.org_id, now)
    return changed

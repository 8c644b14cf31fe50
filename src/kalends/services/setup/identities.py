"""People who sign in by an identity provider, which knows them by a subject of its own."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from kalends.core.contacts import folded
from kalends.core.errors import NotFound
from kalends.core.identities import Identity
from kalends.db.database import Tx
from kalends.db.tables import organizations, people
from kalends.services.setup.people import row_of
from kalends.services.setup.sessions import Known, begin


def known(tx: Tx, identity: Identity) -> Sequence[Known]:
    """Return who somebody is in each organization, of those who are active. By their subject; where nobody
    has it, by their address, of those who have not signed in by a provider yet."""
    they = select(people, organizations.c.name.label("organization")).join_from(
        people, organizations, organizations.c.id == people.c.org_id
    )
    by_subject = (people.c.oidc_issuer == identity.issuer) & (people.c.oidc_subject == identity.subject)
    rows = tx.execute(they.where(by_subject).order_by(people.c.org_id)).all()
    if identity.email is not None:
        is_new = (people.c.address == folded(identity.email)) & people.c.oidc_subject.is_(None)
        elsewhere = people.c.org_id.not_in([row.org_id for row in rows])
        rows = [*rows, *tx.execute(they.where(is_new, elsewhere).order_by(people.c.org_id))]
    return [Known(row.org_id, row.organization, row.id, None) for row in rows if row.active]


def sign_in(tx: Tx, identity: Identity, person: Known, device: str, now: datetime) -> str | None:
    """Sign in a person who is known, and keep their subject. Returns the token of a new session; None if they
    were sent away meanwhile, or are somebody else now."""
    try:
        row = row_of(tx, person.org_id, person.person_id, locked=True)
    except NotFound:
        return None
    is_them = (row.oidc_issuer, row.oidc_subject) == (identity.issuer, identity.subject)
    is_new = row.oidc_subject is None and identity.email is not None and row.address == folded(identity.email)
    if not row.active or not (is_them or is_new):
        return None
    this = (people.c.org_id == person.org_id, people.c.id == person.person_id)
    theirs = {"oidc_issuer": identity.issuer, "oidc_subject": identity.subject}
    tx.execute(update(people).where(*this).values(**theirs))
    return begin(tx, person.org_id, person.person_id, device, now)

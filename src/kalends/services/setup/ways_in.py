"""What comes of links by which people sign in, by those who made the links: the links themselves, sessions,
passwords and passkeys."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Column, Table, delete, select, update

from kalends.db.database import AnyRow, Tx
from kalends.db.tables import entries, passkeys, people, sessions
from kalends.services.outbox.makers import Descent, chain_of

_SETTERS = select(people.c.id.label("person_id"), people.c.password_by.label("created_by"))


def end_links(tx: Tx, org_id: str, maker_id: str) -> None:
    """End the links that a key or a person made for others and that nobody has used yet: they would come back
    as somebody else."""
    _end(tx, entries, entries.c.digest, org_id, lambda row: chain_of(row.created_by)[:1] == [maker_id])


def end_made(tx: Tx, org_id: str, descent: Descent) -> None:
    """End the links that some keys and people have made for others, and what came of them: the sessions that
    began by such links, the passwords and passkeys that were made in those, and the sessions that began by
    them."""
    for table, key in ((entries, entries.c.digest), (sessions, sessions.c.digest), (passkeys, passkeys.c.id)):
        _end(tx, table, key, org_id, descent.has_way_in)
    for row in tx.execute(_SETTERS.where(people.c.org_id == org_id)).all():
        if descent.has_way_in(row):
            theirs = (people.c.org_id == org_id, people.c.id == row.person_id)
            tx.execute(update(people).where(*theirs).values(password=None, password_by=None))


def entered(tx: Tx, org_id: str, descent: Descent, now: datetime) -> set[str]:
    """Return the ids of the people whom `end_made` would sign out, or bar from coming in."""
    found = [*tx.execute(_SETTERS.where(people.c.org_id == org_id, people.c.password.is_not(None)))]
    for table in (entries, sessions, passkeys):
        made = select(table.c.person_id, table.c.created_by).where(table.c.org_id == org_id)
        lasting = () if table is passkeys else (table.c.expires_at > now,)
        found += tx.execute(made.where(*lasting))
    return {row.person_id for row in found if descent.has_way_in(row)}


def _end(
    tx: Tx, table: Table, key: Column[bytes] | Column[str], org_id: str, is_made: Callable[[AnyRow], bool]
) -> None:
    made = select(key, table.c.person_id, table.c.created_by).where(table.c.org_id == org_id)
    for row in tx.execute(made).all():
        if is_made(row):
            tx.execute(delete(table).where(table.c.org_id == org_id, key == row[0]))

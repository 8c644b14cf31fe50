"""Passkeys of people, by which they sign in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from kalends.core.caller import Member
from kalends.core.errors import AlreadyExists, Conflict, NotFound
from kalends.core.text import one_line, storable
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import passkeys, people
from kalends.ids import new_id
from kalends.passkeys import Passkey
from kalends.services.setup.people import row_of
from kalends.services.setup.sessions import begin, end_others, maker_of

MOST = 20
"""How many passkeys a person has at most."""
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """A passkey as its person sees it."""

    id: str
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """A passkey by which a person signs in."""

    org_id: str
    person_id: str
    passkey: Passkey
    id: str


def all_of(tx: Tx, member: Member) -> Sequence[Kept]:
    """Return the passkeys of a person, oldest first."""
    return [Kept(row.id, row.name, row.created_at, row.used_at) for row in _rows(tx, member)]


def credentials_of(tx: Tx, member: Member) -> Sequence[bytes]:
    """Return the ids that browsers gave the passkeys of a person."""
    return [row.credential for row in _rows(tx, member)]


def add(tx: Tx, member: Member, made: Passkey, name: str, now: datetime) -> None:
    """Keep a passkey that a person's browser has made. Raises AlreadyExists if it is known, Conflict
    if the person has as many as anybody may have, Unauthorized if their session has ended."""
    org_id, person_id = member.host.org_id, member.person_id
    maker = maker_of(tx, member)
    if tx.execute(select(passkeys.c.id).where(passkeys.c.credential == made.credential)).first() is not None:
        raise AlreadyExists("This passkey is known already.")
    mine = select(func.count()).select_from(passkeys).where(*_of(member))
    if tx.execute(mine).scalar_one() >= MOST:
        raise Conflict(f"A person has at most {MOST} passkeys.")
    row = {
        "org_id": org_id,
        "id": new_id("pky"),
        "person_id": person_id,
        "name": one_line(storable(name))[:_LONGEST_NAME],
        "credential": made.credential,
        "public_key": made.public_key,
        "sign_count": made.sign_count,
        "verified": made.verified,
        "created_by": maker,
        "created_at": now,
        "used_at": None,
    }
    tx.execute(insert(passkeys), row)


def remove(tx: Tx, member: Member, passkey_id: str) -> bool:
    """Forget a passkey of a person, sign them out everywhere else, and end the link that waits for them:
    whoever found it may have come in by it. Returns whether there was one. Raises Unauthorized if their
    session has ended."""
    maker_of(tx, member)
    found = tx.execute(delete(passkeys).where(*_of(member), passkeys.c.id == passkey_id)).rowcount > 0
    if found:
        end_others(tx, member)
    return found


def find(tx: Tx, credential: bytes) -> Found | None:
    """Return the passkey with an id, of anybody who is active."""
    row = tx.execute(
        select(passkeys)
        .join_from(
            passkeys, people, (people.c.org_id == passkeys.c.org_id) & (people.c.id == passkeys.c.person_id)
        )
        .where(passkeys.c.credential == credential, people.c.active)
    ).first()
    if row is None:
        return None
    passkey = Passkey(row.credential, row.public_key, row.sign_count, row.verified)
    return Found(row.org_id, row.person_id, passkey, row.id)


def sign_in(tx: Tx, found: Found, sign_count: int, device: str, now: datetime) -> str | None:
    """Sign in a person whose passkey was right, and has signed so often by now. Returns the token of a new
    session; None if they were sent away meanwhile, or the passkey is gone or was used."""
    try:
        person = row_of(tx, found.org_id, found.person_id, locked=True)
    except NotFound:
        return None
    this = (passkeys.c.org_id == found.org_id, passkeys.c.id == found.id)
    row = tx.execute(select(passkeys).where(*this)).first()
    if row is None or not person.active or row.sign_count != found.passkey.sign_count:
        return None
    tx.execute(update(passkeys).where(*this).values(sign_count=sign_count, used_at=now))
    return begin(tx, found.org_id, found.person_id, device, now, created_by=row.created_by)


def _rows(tx: Tx, member: Member) -> Sequence[AnyRow]:
    return tx.execute(select(passkeys).where(*_of(member)).order_by(passkeys.c.id)).all()


def _of(member: Member) -> tuple[ColumnElement[bool], ...]:
    return passkeys.c.org_id == member.host.org_id, passkeys.c.person_id == member.person_id

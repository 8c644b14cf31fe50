"""Sessions: where people of the staff are signed in, and how they come back.

Tokens are random and stored as digests. A session is looked up at every request, so one that was ended is
refused at the very next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Table, delete, func, insert, select, update

from kalends.core.caller import Member
from kalends.core.contacts import folded
from kalends.core.errors import Unauthorized
from kalends.core.text import one_line
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import entries, organizations, passkeys, people, sessions
from kalends.ids import digest, new_token
from kalends.services.setup.organizations import host_of

IDLE = timedelta(days=14)
"""How long a session lasts without being used."""
LONGEST = timedelta(days=90)
"""How long a session lasts at most."""
SEEN_EVERY = timedelta(hours=1)
"""How exactly it is kept when a session was last used: there is no write per request."""
_LONGEST_DEVICE = 200


@dataclass(frozen=True, slots=True)
class Device:
    """A browser in which a person is signed in. `name` identifies it among theirs."""

    name: str
    device: str
    begun_at: datetime
    seen_at: datetime
    is_this: bool


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who may sign in with a password: the digest of it (`passwords.hashed`), if they have one."""

    org_id: str
    organization: str
    person_id: str
    password: str | None


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a person can be met: when they were last seen where they are still signed in, and until when a
    link waits for them. None for neither."""

    seen_at: datetime | None = None
    invited_until: datetime | None = None


def may_return(tx: Tx, org_id: str, person_id: str) -> bool:
    """Return whether a person can sign in without a link."""
    of_them = (people.c.org_id == org_id, people.c.id == person_id)
    mine = (passkeys.c.org_id == org_id, passkeys.c.person_id == person_id)
    password = tx.execute(select(people.c.password).where(*of_them)).scalar()
    return password is not None or tx.execute(select(passkeys.c.id).where(*mine)).first() is not None


def known(tx: Tx, email: str) -> Sequence[Known]:
    """Return the people with an address, in any organization, who are active."""
    rows = tx.execute(
        select(people.c.org_id, organizations.c.name, people.c.id, people.c.password)
        .join_from(people, organizations, organizations.c.id == people.c.org_id)
        .where(people.c.address == folded(email), people.c.active)
        .order_by(people.c.org_id)
    )
    return [Known(row.org_id, row.name, row.id, row.password) for row in rows]


def known_as(tx: Tx, member: Member) -> Known:
    """Return what is known of somebody who is signed in."""
    this = (people.c.org_id == member.host.org_id, people.c.id == member.person_id)
    password = tx.execute(select(people.c.password).where(*this)).scalar()
    return Known(member.host.org_id, member.host.name, member.person_id, password)


def sign_in(tx: Tx, person: Known, device: str, now: datetime) -> str | None:
    """Sign a person in whose password was right. Returns the token of a new session; None if they were sent
    away meanwhile, or have another password now."""
    row = locked(tx, person.org_id, person.person_id)
    if row is None or row.password != person.password:
        return None
    return begin(tx, person.org_id, person.person_id, device, now, created_by=row.password_by)


def begin(
    tx: Tx, org_id: str, person_id: str, device: str, now: datetime, *, created_by: str | None = None
) -> str:
    """Begin a session of a person. Returns its token. `created_by` is who made the link by which they come
    in, or had come in when they made what they come in by. Sessions of the organization that have run out are
    forgotten."""
    tx.execute(delete(sessions).where(sessions.c.org_id == org_id, sessions.c.expires_at <= now))
    token = new_token()
    row = {
        "org_id": org_id,
        "digest": digest(token),
        "person_id": person_id,
        "device": one_line(device)[:_LONGEST_DEVICE],
        "created_by": created_by,
        "begun_at": now,
        "seen_at": now,
        "expires_at": now + IDLE,
    }
    tx.execute(insert(sessions), row)
    return token


def find(tx: Tx, digests: Sequence[bytes]) -> Mapping[bytes, Member]:
    """Return who is signed in by these sessions; also by those that have run out."""
    rows = tx.execute(
        select(
            organizations,
            sessions.c.digest,
            sessions.c.begun_at,
            sessions.c.seen_at,
            sessions.c.expires_at,
            people.c.id.label("person_id"),
            people.c.name.label("person_name"),
            people.c.email.label("person_email"),
            people.c.password,
            people.c.scopes,
            people.c.calendar_id,
            people.c.language.label("person_language"),
        )
        .join_from(
            sessions, people, (people.c.org_id == sessions.c.org_id) & (people.c.id == sessions.c.person_id)
        )
        .join(organizations, organizations.c.id == sessions.c.org_id)
        .where(sessions.c.digest.in_(digests), people.c.active)
    )
    return {row.digest: _member(row) for row in rows}


def see(tx: Tx, member: Member, now: datetime) -> None:
    """Keep that a session is used now, so that it lasts on."""
    until = min(now + IDLE, member.begun_at + LONGEST)
    this = (sessions.c.org_id == member.host.org_id, sessions.c.digest == member.session)
    tx.execute(update(sessions).where(*this).values(seen_at=now, expires_at=until))


def devices(tx: Tx, member: Member, now: datetime) -> Sequence[Device]:
    """Return where a person is signed in, the latest first."""
    rows = tx.execute(
        select(sessions)
        .where(
            sessions.c.org_id == member.host.org_id,
            sessions.c.person_id == member.person_id,
            sessions.c.expires_at > now,
        )
        .order_by(sessions.c.seen_at.desc(), sessions.c.digest)
    )
    return [
        Device(_name(row.digest), row.device, row.begun_at, row.seen_at, row.digest == member.session)
        for row in rows
    ]


def presences(tx: Tx, org_id: str, now: datetime) -> Mapping[str, Presence]:
    """Return who is signed in and who has a link, by the ids of people. Whoever has neither is left out."""
    seen = _latest(tx, sessions, sessions.c.seen_at, org_id, now)
    invited = _latest(tx, entries, entries.c.expires_at, org_id, now)
    return {id_: Presence(seen.get(id_), invited.get(id_)) for id_ in seen.keys() | invited.keys()}


def end(tx: Tx, member: Member, name: str | None = None) -> None:
    """Sign a person out: here, or in another browser by its name."""
    mine = (sessions.c.org_id == member.host.org_id, sessions.c.person_id == member.person_id)
    for (each,) in tx.execute(select(sessions.c.digest).where(*mine)).all():
        if each == member.session if name is None else _name(each) == name:
            tx.execute(delete(sessions).where(*mine, sessions.c.digest == each))


def set_password(tx: Tx, member: Member, hashed: str | None, now: datetime) -> None:
    """Keep a person's password (`passwords.hashed`), or forget it. Everywhere else they are signed out, and a
    link that waits for them ends. Raises Unauthorized if their session has ended."""
    this = (people.c.org_id == member.host.org_id, people.c.id == member.person_id)
    maker = maker_of(tx, member)
    tx.execute(update(people).where(*this).values(password=hashed, password_by=maker, updated_at=now))
    end_others(tx, member)


def maker_of(tx: Tx, member: Member) -> str | None:
    """Return who made the link from which a session comes; None if it comes from none. The person and the
    session are locked. Raises Unauthorized if it has ended since it was looked up: a form may take its time
    to come, and leaves nothing behind then."""
    person = locked(tx, member.host.org_id, member.person_id)
    this = (sessions.c.org_id == member.host.org_id, sessions.c.digest == member.session)
    session = tx.execute(select(sessions.c.created_by).where(*this).with_for_update()).first()
    if person is None or session is None:
        raise Unauthorized("Nobody is signed in here any longer. Sign in once more.")
    maker: str | None = session.created_by
    return maker


def locked(tx: Tx, org_id: str, person_id: str) -> AnyRow | None:
    """Lock a person, so that they are not sent away until the transaction ends. Returns their row; None if
    they are gone or not active."""
    this = (people.c.org_id == org_id, people.c.id == person_id)
    row = tx.execute(select(people).where(*this).with_for_update()).first()
    return row if row is not None and row.active else None


def end_others(tx: Tx, member: Member) -> None:
    """Sign a person out everywhere else, and end the link that waits for them: whoever made it, or had it
    made, comes in no more. (The demo's is everybody's.)"""
    org_id, person_id = member.host.org_id, member.person_id
    mine = (sessions.c.org_id == org_id, sessions.c.person_id == person_id)
    tx.execute(delete(sessions).where(*mine, sessions.c.digest != member.session))
    waiting = (entries.c.org_id == org_id, entries.c.person_id == person_id, ~entries.c.again)
    tx.execute(delete(entries).where(*waiting))


def _latest(tx: Tx, table: Table, time: Column[datetime], org_id: str, now: datetime) -> dict[str, datetime]:
    """Return the latest of some times of sessions or links that last, by the ids of people."""
    lasting = (table.c.org_id == org_id, table.c.expires_at > now)
    found = select(table.c.person_id, func.max(time)).where(*lasting).group_by(table.c.person_id)
    return {row[0]: row[1] for row in tx.execute(found)}


def _name(digest_: bytes) -> str:
    """Return the name of a session: the beginning of its digest, which leads to no token."""
    return digest_.hex()[:16]


def _member(row: AnyRow) -> Member:
    return Member(
        host=host_of(row),
        person_id=row.person_id,
        name=row.person_name,
        email=row.person_email,
        has_password=row.password is not None,
        scopes=frozenset(row.scopes),
        calendar_id=row.calendar_id,
        language=row.person_language,
        session=row.digest,
        begun_at=row.begun_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )

"""The links in mails to staff by which a person confirms or declines a request, without signing in.

Tokens are random and stored as digests. A link acts in the name of the person to whom it was mailed, as long
as that person may change appointments.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from kalends.core.caller import RequestLink, grants
from kalends.core.errors import Conflict, NotFound, PreconditionFailed
from kalends.db.database import Tx
from kalends.db.tables import organizations, people, request_links
from kalends.ids import digest, new_token
from kalends.schemas.appointments import Appointment, AppointmentChange, HistoryEntry
from kalends.schemas.people import Person
from kalends.services.booking import appointment_changes, appointments, history, undoing
from kalends.services.outbox import parties
from kalends.services.setup.organizations import host_of


def may_decide(person: Person) -> bool:
    """Return whether a person may confirm and decline requests."""
    return person.active and grants(person.scopes, "write")


def issue(tx: Tx, request: Appointment, person_id: str) -> str:
    """Make a link to a request for a person. Returns its token."""
    token = new_token()
    row = {"org_id": request.org_id, "digest": digest(token), "appointment_id": request.id}
    tx.execute(
        insert(request_links),
        row | {"person_id": person_id, "start_time": request.start_time, "used_at": None},
    )
    return token


def withdraw(tx: Tx, org_id: str, tokens: Sequence[str]) -> None:
    """Remove links that nobody was given."""
    unused = request_links.c.digest.in_([digest(token) for token in tokens])
    tx.execute(delete(request_links).where(request_links.c.org_id == org_id, unused))


def find(tx: Tx, token: str, now: datetime) -> RequestLink | None:
    """Return a link by its token; None if there is none, if the time that was asked for has begun, or if the
    person may no longer change appointments."""
    row = tx.execute(
        select(
            organizations,
            request_links.c.digest,
            request_links.c.appointment_id,
            request_links.c.start_time,
            request_links.c.used_at,
            people.c.id.label("person_id"),
            people.c.name.label("person_name"),
            people.c.scopes,
            people.c.language.label("person_language"),
        )
        .join_from(
            request_links,
            people,
            (people.c.org_id == request_links.c.org_id) & (people.c.id == request_links.c.person_id),
        )
        .join(organizations, organizations.c.id == request_links.c.org_id)
        .where(request_links.c.digest == digest(token), request_links.c.start_time > now, people.c.active)
    ).first()
    if row is None or not grants(row.scopes, "write"):
        return None
    return RequestLink(
        digest=row.digest,
        host=host_of(row),
        person_id=row.person_id,
        name=row.person_name,
        language=row.person_language,
        appointment_id=row.appointment_id,
        start_time=row.start_time,
        is_used=row.used_at is not None,
    )


def is_open(link: RequestLink, present: Appointment) -> bool:
    """Return whether a link still serves to confirm or decline an appointment as it is now: the request that
    was mailed, for that time."""
    return not link.is_used and present.status == "pending" and present.start_time == link.start_time


def decide(
    tx: Tx,
    link: RequestLink,
    wish: AppointmentChange,
    now: datetime,
    *,
    versions: Collection[int] | None = None,
) -> Appointment:
    """Confirm or decline a request by a link, which is used up.

    Raises Conflict if the link no longer serves for that, PreconditionFailed if the version of the
    appointment is not among `versions`, NotFound if the person may no longer change appointments, and what
    `appointment_changes.change` raises.
    """
    present = appointments.get(tx, link.host.org_id, link.appointment_id, now)
    if not is_open(link, present):
        raise _closed()
    if versions is not None and present.version not in versions:
        raise PreconditionFailed(version=present.version)
    decided = appointment_changes.change(
        tx, parties.deciding(link), present.id, wish, now, versions={present.version}
    )
    # The appointment is locked before the person, as it is by whoever writes mails.
    _must_still_be_allowed(tx, link)
    unused = (request_links.c.digest == link.digest, request_links.c.used_at.is_(None))
    using = update(request_links).where(request_links.c.org_id == link.host.org_id, *unused)
    if tx.execute(using.values(used_at=now).returning(request_links.c.digest)).first() is None:
        raise _closed()
    return decided


def may_undo(link: RequestLink, latest: HistoryEntry) -> bool:
    """Return whether the latest change of an appointment was made by the person of a link that is used up."""
    actor = latest.actor
    return link.is_used and actor is not None and (actor.kind, actor.id) == ("person", link.person_id)


def undo(tx: Tx, link: RequestLink, now: datetime, *, versions: Collection[int] | None = None) -> Appointment:
    """Undo that a request was declined by a link, which then serves again.

    Raises Conflict if somebody else made the latest change, NotFound if the person may no longer change
    appointments, and what `undoing.cancellation` raises.
    """
    org_id, id_ = link.host.org_id, link.appointment_id
    if not may_undo(link, history.of(tx, org_id, id_, now)[-1]):
        raise _closed()
    undone = undoing.cancellation(tx, parties.deciding(link), id_, now, versions=versions)
    _must_still_be_allowed(tx, link)
    used = update(request_links).where(
        request_links.c.org_id == org_id, request_links.c.digest == link.digest
    )
    tx.execute(used.values(used_at=None))
    return undone


def no_link() -> NotFound:
    """Return the refusal of a link that has ended, or never existed."""
    return NotFound("This link is not good, or no longer.")


def _must_still_be_allowed(tx: Tx, link: RequestLink) -> None:
    """Raise NotFound if the person may no longer change appointments. They are locked until the transaction
    ends."""
    whose = (people.c.org_id == link.host.org_id, people.c.id == link.person_id)
    person = tx.execute(select(people).where(*whose).with_for_update()).first()
    if person is None or not person.active or not grants(person.scopes, "write"):
        raise no_link()


def _closed() -> Conflict:
    return Conflict("This request was decided, or changed, since the link was mailed.")

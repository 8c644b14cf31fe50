"""Sources: other calendars whose busy times a calendar keeps. The worker reads them
(`services.booking.readings`)."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, insert, select, update

from kalends.core.errors import Conflict, NotFound
from kalends.core.hours import shifted
from kalends.db.claims import give_back
from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_calendars, lock_settings
from kalends.db.tables import calendars, sources
from kalends.ids import new_id
from kalends.schemas.sources import Source, SourceCreate
from kalends.schemas.wire import Deleted
from kalends.services.outbox import events, makers
from kalends.services.outbox.parties import Party
from kalends.services.setup import source_secrets
from kalends.vault import CLEAR, Vault

MOST_SOURCES = 10
"""Per calendar."""
AT_MOST_EVERY = timedelta(seconds=10)
"""A source is not read more often, whoever asks for it."""
_SHOWN, _SHORT = 4, 16
"""How many characters are shown of the end of an address, and how short its path is if none are."""


def create(
    tx: Tx, party: Party, calendar_id: str, wish: SourceCreate, now: datetime, *, vault: Vault = CLEAR
) -> Source:
    """Add a source, which is read as soon as a worker has time. Raises NotFound for an unknown calendar,
    Conflict if it has as many as it may have, KeyRevoked if the key that makes it was revoked meanwhile."""
    org_id = party.org_id
    lock_settings(tx, org_id)  # of two at once, the second counts the first
    maker = makers.stamp(tx, party)
    _must_exist(tx, org_id, calendar_id)
    count = select(func.count()).select_from(sources).where(*_of(org_id, calendar_id))
    if tx.execute(count).scalar_one() >= MOST_SOURCES:
        raise Conflict(f"The calendar has {MOST_SOURCES} sources, which is as many as it may have.")
    id_ = new_id("src")
    row = {
        "org_id": org_id,
        "id": id_,
        "calendar_id": calendar_id,
        "kind": wish.kind,
        "shown_url": _masked(wish.url),
        "username": wish.username,
        "free_timed_events": wish.free_timed_events,
        "state": None,
        "events": None,
        "unreadable": [],
        "last_success_at": None,
        "failing_since": None,
        "failing_told": False,
        "failures": 0,
        "error": None,
        "begun_at": None,
        "due_at": now,
        "leased_by": None,
        "leased_until": None,
        "created_by": maker,
        "created_at": now,
    } | source_secrets.sealed(org_id, id_, vault, wish.url, wish.password)
    tx.execute(insert(sources), row)
    source = get(tx, org_id, calendar_id, id_)
    tell(tx, party, "source.created", source, now)
    return source


def all_of(tx: Tx, org_id: str, calendar_id: str) -> list[Source]:
    """Return the sources of a calendar, oldest first. Raises NotFound for an unknown calendar."""
    _must_exist(tx, org_id, calendar_id)
    rows = tx.execute(select(sources).where(*_of(org_id, calendar_id)).order_by(sources.c.id))
    return [shown(row) for row in rows]


def get(tx: Tx, org_id: str, calendar_id: str, source_id: str) -> Source:
    """Return one source. Raises NotFound."""
    row = tx.execute(select(sources).where(*_of(org_id, calendar_id), sources.c.id == source_id)).first()
    return _found(row)


def refresh(tx: Tx, party: Party, calendar_id: str, source_id: str, now: datetime) -> Source:
    """Have a source read as soon as a worker has time, but not sooner than ten seconds after its last reading
    began. Raises NotFound."""
    this = (*_of(party.org_id, calendar_id), sources.c.id == source_id)
    row = tx.execute(select(sources).where(*this).with_for_update(key_share=True)).first()
    source = _found(row)
    assert row is not None
    due = now if row.begun_at is None else max(now, shifted(row.begun_at, AT_MOST_EVERY))
    if not is_being_read(row):
        due = min(due, row.due_at)
    tx.execute(update(sources).where(*this).values(due_at=due))
    return source.model_copy(update={"next_at": due})


def is_being_read(row: AnyRow) -> bool:
    """Return whether nothing has become of the last reading yet, and nobody has asked for another."""
    return row.begun_at is not None and bool(row.due_at <= row.begun_at)


def remove(tx: Tx, party: Party, calendar_id: str, source_id: str, now: datetime) -> str:
    """Delete a source; its busy times are free again. Returns its id. Raises NotFound."""
    lock_calendars(tx, party.org_id, [calendar_id])
    _delete(tx, party, get(tx, party.org_id, calendar_id, source_id), now)
    return source_id


def remove_all(tx: Tx, party: Party, calendar_id: str, now: datetime) -> None:
    """Delete the sources of a locked calendar that is taken out of service."""
    rows = tx.execute(select(sources).where(*_of(party.org_id, calendar_id)).order_by(sources.c.id)).all()
    for row in rows:
        _delete(tx, party, shown(row), now)


def shown(row: AnyRow) -> Source:
    """Return what is shown of a source's row."""
    return Source.model_validate({**row._mapping, "url": row.shown_url, "next_at": row.due_at})


def tell(tx: Tx, party: Party, event_type: str, source: Source, now: datetime, **more: Any) -> None:
    """Store an event about a source."""
    content = {**more, "source": source.model_dump(mode="json")}
    events.tell(tx, party, event_type, content, source.id, now)


def _delete(tx: Tx, party: Party, source: Source, now: datetime) -> None:
    tx.execute(delete(sources).where(sources.c.org_id == party.org_id, sources.c.id == source.id))
    give_back(tx, party.org_id, source.id)
    tell(tx, party, "source.deleted", source, now, **Deleted.of(source.id).model_dump())


def _of(org_id: str, calendar_id: str) -> tuple[Any, ...]:
    return (sources.c.org_id == org_id, sources.c.calendar_id == calendar_id)


def _must_exist(tx: Tx, org_id: str, calendar_id: str) -> None:
    known = select(calendars.c.id).where(
        calendars.c.org_id == org_id, calendars.c.id == calendar_id, calendars.c.deleted_at.is_(None)
    )
    if tx.execute(known).first() is None:
        raise NotFound("There is no calendar with this id.")


def _found(row: AnyRow | None) -> Source:
    if row is None:
        raise NotFound("There is no source with this id.")
    return shown(row)


def _masked(url: str) -> str:
    """Return what people may see of an address, whose path and query are often a secret: its server, and its
    last characters, to tell two apart."""
    parts = urlsplit(url)
    secret = url.partition("://")[2].removeprefix(parts.netloc).strip("/")
    hint = secret[-_SHOWN:] if len(secret) > _SHORT else ""
    return f"{parts.scheme}://{parts.netloc}/{'…' if secret else ''}{hint}"

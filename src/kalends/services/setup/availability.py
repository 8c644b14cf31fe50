"""The organization's own weekly hours: the windows of its default schedule."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from kalends.core.errors import NotFound
from kalends.db.database import Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import appointment_types, windows
from kalends.ids import new_id
from kalends.schemas.hours import AvailabilitiesAnswer, Availability, AvailabilityAnswer, AvailabilityCreate
from kalends.schemas.wire import Deleted
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party
from kalends.services.setup.schedules import default_id


def all_of(tx: Tx, org_id: str) -> list[Availability]:
    """Return every window, by day and time."""
    rows = tx.execute(
        select(windows)
        .where(windows.c.org_id == org_id, windows.c.schedule_id == default_id(tx, org_id))
        .order_by(windows.c.day_of_week, windows.c.start_time, windows.c.id)
    )
    return [Availability.model_validate(dict(row._mapping)) for row in rows]


def create(tx: Tx, party: Party, wish: AvailabilityCreate, now: datetime) -> Availability:
    """Add a window. Raises NotFound for an unknown type."""
    lock_settings(tx, party.org_id)
    [window] = _add(tx, party.org_id, [wish], now, [None])
    events.tell(tx, party, "availability.created", AvailabilityAnswer.of(window), window.id, now)
    return window


def replace(tx: Tx, party: Party, wishes: list[AvailabilityCreate], now: datetime) -> list[Availability]:
    """Replace the whole set. A wish that names a present window keeps its id.

    Raises NotFound for an unknown type, Malformed for another value of what can't be changed; then nothing is
    changed.
    """
    org_id = party.org_id
    lock_settings(tx, org_id)
    present = {each.id: each for each in all_of(tx, org_id)}
    kept = [present.pop(str(wish.shown("id")), None) for wish in wishes]
    for place, (wish, window) in enumerate(zip(wishes, kept, strict=True)):
        if window is not None:
            wish.must_agree(window, within=f"schedules.{place}.")
    own = (windows.c.org_id == org_id, windows.c.schedule_id == default_id(tx, org_id))
    tx.execute(delete(windows).where(*own))
    if wishes:
        _add(tx, org_id, wishes, now, kept)
    every = all_of(tx, org_id)
    events.tell(tx, party, "availability.replaced", AvailabilitiesAnswer.of(every), org_id, now)
    return every


def remove(tx: Tx, party: Party, window_id: str, now: datetime) -> str:
    """Delete a window. Returns its id. Raises NotFound."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    gone = tx.execute(
        delete(windows)
        .where(
            windows.c.org_id == org_id,
            windows.c.id == window_id,
            windows.c.schedule_id == default_id(tx, org_id),
        )
        .returning(windows.c.id)
    ).first()
    if gone is None:
        raise NotFound("There is no availability with this id.")
    events.tell(tx, party, "availability.deleted", Deleted.of(window_id), window_id, now)
    return window_id


def _add(
    tx: Tx,
    org_id: str,
    wishes: list[AvailabilityCreate],
    now: datetime,
    kept: Sequence[Availability | None],
) -> list[Availability]:
    named = {wish.appointment_type_id for wish in wishes} - {None}
    known = select(appointment_types.c.id).where(
        appointment_types.c.org_id == org_id, appointment_types.c.id.in_(named)
    )
    if named - set(tx.execute(known).scalars()):
        raise NotFound("There is no appointment type with this id.", field="appointment_type_id")
    schedule = default_id(tx, org_id)
    rows: list[dict[str, Any]] = [
        wish.model_dump()
        | {
            "org_id": org_id,
            "id": new_id("avail") if window is None else window.id,
            "schedule_id": schedule,
            "created_at": now if window is None else window.created_at,
        }
        for wish, window in zip(wishes, kept, strict=True)
    ]
    tx.execute(insert(windows), rows)
    return [Availability.model_validate(row) for row in rows]

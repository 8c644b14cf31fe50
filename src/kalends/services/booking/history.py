"""Changes of appointments, for their history and for the outbox."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from kalends.core.lifecycle import Check
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_changes
from kalends.db.tables import events as outbox
from kalends.schemas.appointments import Actor, Appointment, HistoryEntry
from kalends.schemas.events import AppointmentChanged
from kalends.services.booking.appointments import fields_of, row_of, shown, with_fields
from kalends.services.outbox import events, parties
from kalends.services.outbox.parties import Party

_UNTOLD = frozenset({"version", "updated_at"})
"""Fields that change with every change, so they are not listed."""


def record(
    tx: Tx, party: Party, before: Appointment, after: Appointment, check: Check, now: datetime
) -> None:
    """Store that `party` made `before` into `after`, in the appointment's history and in the outbox."""
    previous, changed = _differences(before, after)
    tx.execute(
        insert(appointment_changes),
        {
            "org_id": after.org_id,
            "appointment_id": after.id,
            "version": after.version,
            "at": now,
            "actor": party.actor.model_dump_json(),
            "before": json.dumps(previous),
            "after": json.dumps(changed),
        },
    )
    payload = AppointmentChanged(appointment=after, previous=previous, actor=party.actor, check=check)
    names: list[str] = [after.status] if "status" in changed and after.status != "pending" else []
    names += ["rescheduled"] if not changed.keys().isdisjoint({"start_time", "end_time"}) else []
    names += ["reassigned"] if "calendars" in changed else []
    tx.execute(
        insert(outbox),
        [events.of_appointment(f"appointment.{name}", payload, now) for name in names or ["updated"]],
    )


def of(tx: Tx, org_id: str, appointment_id: str, now: datetime) -> list[HistoryEntry]:
    """Return everything that was ever changed in an appointment, oldest first. Raises NotFound."""
    row = row_of(tx, org_id, appointment_id)
    changes = tx.execute(
        select(appointment_changes)
        .where(appointment_changes.c.org_id == org_id, appointment_changes.c.appointment_id == appointment_id)
        .order_by(appointment_changes.c.version)
    ).all()
    stored, present = with_fields(row, fields_of(row)), shown(row, now)
    first = stored.model_dump(mode="json")
    first |= {"version": 1, "updated_at": first["created_at"]}
    for entry in reversed(changes):
        first |= json.loads(entry.before)
    entries = [
        HistoryEntry(version=1, at=row.created_at, actor=_actor(row.created_by), before=None, after=first),
        *(_entry(change) for change in changes),
    ]
    if present.version != stored.version:  # it has lapsed, which is not stored yet
        before, after = _differences(stored, present)
        entries.append(
            HistoryEntry(
                version=present.version,
                at=present.updated_at,
                actor=parties.system(stored.org_id).actor,
                before=before,
                after=after,
            )
        )
    return entries


def latest(tx: Tx, appointment: AnyRow) -> HistoryEntry | None:
    """Return the last change of an appointment that is stored; None if there was none."""
    entry = tx.execute(
        select(appointment_changes)
        .where(
            appointment_changes.c.org_id == appointment.org_id,
            appointment_changes.c.appointment_id == appointment.id,
        )
        .order_by(appointment_changes.c.version.desc())
        .limit(1)
    ).first()
    return None if entry is None else _entry(entry)


def asked_at(tx: Tx, appointment: AnyRow) -> datetime:
    """Return when a client last asked for the time of their appointment: when they booked it, or moved it
    since."""
    changes = tx.execute(
        select(appointment_changes.c.at, appointment_changes.c.actor, appointment_changes.c.after)
        .where(
            appointment_changes.c.org_id == appointment.org_id,
            appointment_changes.c.appointment_id == appointment.id,
        )
        .order_by(appointment_changes.c.version.desc())
    )
    for change in changes:
        if json.loads(change.actor)["kind"] == "client" and "start_time" in json.loads(change.after):
            at: datetime = change.at
            return at
    asked: datetime = appointment.created_at
    return asked


def _differences(before: Appointment, after: Appointment) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    fields = [field for field in new if old[field] != new[field] and field not in _UNTOLD]
    return {field: old[field] for field in fields}, {field: new[field] for field in fields}


def _entry(change: AnyRow) -> HistoryEntry:
    return HistoryEntry(
        version=change.version,
        at=change.at,
        actor=_actor(change.actor),
        before=json.loads(change.before),
        after=json.loads(change.after),
    )


def _actor(stored: str | None) -> Actor | None:
    return None if stored is None else Actor.model_validate_json(stored)

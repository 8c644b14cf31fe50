"""Changing appointments: moving them, their status, their details; and what was changed when."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from kalends.core.caller import Caller
from kalends.core.errors import Conflict, PreconditionFailed
from kalends.core.hours import instant
from kalends.core.lifecycle import occupy, transition
from kalends.db.claims import in_the_way, lock_calendar, move
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_changes, appointment_types, appointments
from kalends.db.tables import events as outbox
from kalends.schemas.appointments import Actor, Appointment, AppointmentChange, HistoryEntry
from kalends.schemas.events import AppointmentChanged
from kalends.services import events
from kalends.services.appointments import DEFAULT_LANGUAGE, SHOWN, not_found, row_of, shown, slot_taken

_DETAILS = ("client_name", "client_email", "client_phone", "client_notes", "internal_notes")
_UNTOLD = frozenset({"version", "updated_at"})
"""What changes with every change, and so tells nothing."""


def change(
    tx: Tx,
    caller: Caller,
    appointment_id: str,
    wish: AppointmentChange,
    versions: Collection[int] | None,
    now: datetime,
) -> Appointment:
    """Change an appointment; only what `wish` sends. What changes nothing makes no new version.

    Raises NotFound; PreconditionFailed where its version is not among `versions`; IllegalTransition;
    SlotTaken where it would be moved or un-cancelled over another; ScopeMissing where that check is waived
    without `admin`; InvalidTime; Conflict for a cancellation reason without a cancellation.
    """
    if wish.check == "none":
        caller.need("admin", "Changing without a check (check: none)")
    row = _locked(tx, caller.org_id, appointment_id)
    if versions is not None and row.version not in versions:
        raise PreconditionFailed(version=row.version)
    before = {column.name: row._mapping[column.name] for column in appointments.c}
    after = before | _details(wish) | _status(before, wish, now) | _times(row, caller, wish)
    if after["cancellation_reason"] is not None and after["status"] != "cancelled":
        raise Conflict("A cancellation_reason goes with the status cancelled.")
    if after == before:
        return shown(row)
    if _must_be_free(before, after):
        after["overlap_allowed"] = _claim_again(tx, after, wish)
    after |= {"version": row.version + 1, "updated_at": now}
    if not move(tx, after):
        raise slot_taken(after, in_the_way(tx, after))
    return _tell(tx, caller, row, after, wish)


def history(tx: Tx, org_id: str, appointment_id: str) -> list[HistoryEntry]:
    """Everything that was ever changed in an appointment, oldest first. Raises NotFound."""
    row = row_of(tx, org_id, appointment_id)
    changes = tx.execute(
        select(appointment_changes)
        .where(appointment_changes.c.org_id == org_id, appointment_changes.c.appointment_id == appointment_id)
        .order_by(appointment_changes.c.version)
    ).all()
    made = shown(row).model_dump(mode="json")
    made |= {"version": 1, "updated_at": made["created_at"]}
    for entry in reversed(changes):
        made |= json.loads(entry.before)
    return [
        HistoryEntry(version=1, at=row.created_at, actor=_actor(row.created_by), before=None, after=made),
        *(
            HistoryEntry(
                version=entry.version,
                at=entry.at,
                actor=_actor(entry.actor),
                before=json.loads(entry.before),
                after=json.loads(entry.after),
            )
            for entry in changes
        ),
    ]


def _locked(tx: Tx, org_id: str, appointment_id: str) -> AnyRow:
    row = tx.execute(
        SHOWN.add_columns(appointment_types.c.buffer_before_minutes, appointment_types.c.buffer_after_minutes)
        .where(appointments.c.org_id == org_id, appointments.c.id == appointment_id)
        .with_for_update(of=appointments, key_share=True)
    ).first()
    if row is None:
        raise not_found()
    return row


def _details(wish: AppointmentChange) -> dict[str, Any]:
    sent = wish.sent()
    details = {field: sent[field] for field in (*_DETAILS, "cancellation_reason") if field in sent}
    if "client_language" in sent:
        details["client_language"] = sent["client_language"] or DEFAULT_LANGUAGE
    return details


def _status(before: dict[str, Any], wish: AppointmentChange, now: datetime) -> dict[str, Any]:
    if "status" not in wish.sent() or not transition(before["status"], wish.status):
        return {}
    changed: dict[str, Any] = {"status": wish.status, f"{wish.status}_at": now}
    if before["status"] == "cancelled":
        changed |= {"cancelled_at": None, "cancellation_reason": None}
    return changed


def _times(row: AnyRow, caller: Caller, wish: AppointmentChange) -> dict[str, Any]:
    if "start_time" not in wish.sent():
        return {}
    taken = occupy(
        instant(wish.start_time, caller.timezone),
        duration=row.type_minutes,
        buffer_before=row.buffer_before_minutes,
        buffer_after=row.buffer_after_minutes,
    )
    return {
        "start_time": taken.start,
        "end_time": taken.end,
        "busy_start": taken.busy_start,
        "busy_end": taken.busy_end,
    }


def _must_be_free(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the change takes time of the calendar that it did not have before."""
    taken = ("busy_start", "busy_end")
    moved = any(before[field] != after[field] for field in taken)
    return after["status"] != "cancelled" and (moved or before["status"] == "cancelled")


def _claim_again(tx: Tx, after: dict[str, Any], wish: AppointmentChange) -> bool:
    """Whether it overlaps another, which staff may force; checked like a booking, under the same lock."""
    lock_calendar(tx, after["org_id"], after["calendar_id"])
    others = in_the_way(tx, after)
    if others and wish.check != "none":
        raise slot_taken(after, others)
    return bool(others)


def _tell(tx: Tx, caller: Caller, row: AnyRow, after: dict[str, Any], wish: AppointmentChange) -> Appointment:
    """Write down what changed: in the appointment's history, and in the outbox."""
    now, version = after["updated_at"], after["version"]
    changed = Appointment.shown(after, row.type_name, row.type_minutes, row.type_color)
    old, new = shown(row).model_dump(mode="json"), changed.model_dump(mode="json")
    fields = [field for field in new if old[field] != new[field] and field not in _UNTOLD]
    previous = {field: old[field] for field in fields}
    actor = events.actor(caller)
    tx.execute(
        insert(appointment_changes),
        {
            "org_id": caller.org_id,
            "appointment_id": changed.id,
            "version": version,
            "at": now,
            "actor": actor.model_dump_json(),
            "before": json.dumps(previous),
            "after": json.dumps({field: new[field] for field in fields}),
        },
    )
    told = AppointmentChanged(appointment=changed, previous=previous, actor=actor, check=wish.check)
    kinds: list[str] = [changed.status] if "status" in fields else []
    kinds += ["rescheduled"] if "start_time" in fields else []
    tx.execute(
        insert(outbox),
        [events.row(caller.org_id, f"appointment.{kind}", told, now) for kind in kinds or ["updated"]],
    )
    return changed


def _actor(told: str | None) -> Actor | None:
    return None if told is None else Actor.model_validate_json(told)

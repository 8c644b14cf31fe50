"""The outbox: what happened, written in the transaction that made it happen."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from kalends.db.claims import Values
from kalends.db.database import Tx
from kalends.db.tables import events as outbox
from kalends.ids import new_id
from kalends.schemas.events import AppointmentChanged, AppointmentCreated
from kalends.services.parties import Party


def row(
    org_id: str,
    kind: str,
    payload: str,
    now: datetime,
    *,
    subject: str | None = None,
    version: int | None = None,
) -> Values:
    """A row of `events`, not numbered yet. `payload` is JSON: what an event of this kind tells, and by whom
    it was caused (`actor`)."""
    return {
        "org_id": org_id,
        "id": new_id("evt"),
        "type": kind,
        "payload": payload,
        "occurred_at": now,
        "subject_id": subject,
        "subject_version": version,
        "seq": None,
    }


def of_appointment(kind: str, told: AppointmentCreated | AppointmentChanged, now: datetime) -> Values:
    """A row that tells of an appointment."""
    it = told.appointment
    return row(it.org_id, kind, told.model_dump_json(), now, subject=it.id, version=it.version)


def tell(tx: Tx, party: Party, kind: str, told: Mapping[str, Any], subject: str, now: datetime) -> None:
    """Store an event about anything but an appointment: what `party` did, and what there is to tell of it
    (`told`). `subject` is the id of what it happened to."""
    payload = json.dumps({**told, "actor": party.actor.model_dump()}, ensure_ascii=False)
    tx.execute(insert(outbox), row(party.org_id, kind, payload, now, subject=subject))

"""The outbox: what happened, written in the transaction that made it happen."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from kalends.db.aside import aside
from kalends.db.claims import Values
from kalends.db.database import Tx
from kalends.db.tables import events as outbox
from kalends.ids import new_id
from kalends.schemas.events import AppointmentChanged, AppointmentCreated
from kalends.schemas.wire import Answer
from kalends.services.outbox.parties import Party

_MOST_AT_ONCE = 200
"""How many are stored by one statement, so that the event loop has its turns."""


def row(
    org_id: str,
    event_type: str,
    payload: str,
    now: datetime,
    *,
    subject: str | None = None,
    version: int | None = None,
) -> Values:
    """Return a row of `events`, not numbered yet. `payload` is JSON: what happened, and who caused it
    (`actor`)."""
    return {
        "org_id": org_id,
        "id": new_id("evt"),
        "type": event_type,
        "payload": payload,
        "occurred_at": now,
        "subject_id": subject,
        "subject_version": version,
        "seq": None,
    }


def of_appointment(
    event_type: str, payload: AppointmentCreated | AppointmentChanged, now: datetime
) -> Values:
    """Return a row about an appointment."""
    it = payload.appointment
    return row(it.org_id, event_type, payload.model_dump_json(), now, subject=it.id, version=it.version)


def tell(
    tx: Tx, party: Party, event_type: str, content: Answer | Mapping[str, Any], subject: str, now: datetime
) -> str:
    """Store an event about anything but an appointment: `party` caused it, `subject` is the id of what it
    happened to, and `content` is what readers are told: usually what the API answers. Returns its id."""
    if isinstance(content, Answer):
        content = content.model_dump(mode="json", by_alias=True)
    told = _row(party, event_type, content, subject, now)
    tx.execute(insert(outbox), told)
    return str(told["id"])


def tell_each(
    tx: Tx, party: Party, event_type: str, contents: Sequence[tuple[Mapping[str, Any], str]], now: datetime
) -> None:
    """Store an event of one type about each of many things: its content and its subject, as for `tell`."""
    rows = aside(
        tx, lambda: [_row(party, event_type, content, subject, now) for content, subject in contents]
    )
    for at in range(0, len(rows), _MOST_AT_ONCE):
        tx.execute(insert(outbox), rows[at : at + _MOST_AT_ONCE])


def _row(party: Party, event_type: str, content: Mapping[str, Any], subject: str, now: datetime) -> Values:
    payload = json.dumps({**content, "actor": party.actor.model_dump()}, ensure_ascii=False)
    return row(party.org_id, event_type, payload, now, subject=subject)

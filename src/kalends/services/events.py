"""The outbox: what happened, written in the transaction that made it happen."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from kalends.core.caller import Caller
from kalends.db.claims import Values
from kalends.db.database import Tx
from kalends.db.tables import events as outbox
from kalends.ids import new_id
from kalends.schemas.appointments import Actor
from kalends.schemas.events import AppointmentChanged, AppointmentCreated

CLIENT = Actor(kind="client", id=None, name=None)
"""Whoever books for themselves, or follows the link of their appointment."""
SYSTEM = Actor(kind="system", id=None, name=None)
"""Kalends itself, where time alone made something happen."""

OPERATOR = Actor(kind="operator", id=None, name=None)
"""Whoever runs the server, by the command line."""


def actor(caller: Caller) -> Actor:
    """The caller as an event names it."""
    return Actor.model_construct(kind="api_key", id=caller.key_id, name=caller.key_name)


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


def tell(
    tx: Tx, org_id: str, kind: str, told: Mapping[str, Any], actor_: Actor, now: datetime, subject: str
) -> None:
    """Write an event down that tells of something else."""
    payload = json.dumps({**told, "actor": actor_.model_dump()}, ensure_ascii=False)
    tx.execute(insert(outbox), row(org_id, kind, payload, now, subject=subject))

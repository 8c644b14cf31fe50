"""The outbox: what happened, written in the transaction that made it happen."""

from datetime import datetime

from kalends.core.caller import Caller
from kalends.db.claims import Values
from kalends.ids import new_id
from kalends.schemas.appointments import Actor
from kalends.schemas.wire import Answer

CLIENT = Actor(kind="client", id=None, name=None)
"""Whoever books for themselves, or follows the link of their appointment."""
SYSTEM = Actor(kind="system", id=None, name=None)
"""Kalends itself, where time alone made something happen."""


def actor(caller: Caller) -> Actor:
    """The caller as an event names it."""
    return Actor.model_construct(kind="api_key", id=caller.key_id, name=caller.key_name)


def row(org_id: str, kind: str, payload: Answer, now: datetime) -> Values:
    """A row of `events`."""
    return {
        "org_id": org_id,
        "id": new_id("evt"),
        "type": kind,
        "payload": payload.model_dump_json(),
        "occurred_at": now,
    }

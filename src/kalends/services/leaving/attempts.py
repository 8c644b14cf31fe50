"""Attempts: choosing what to deliver next to a receiver, and recording what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, select, update

from kalends.core.event_types import PERSON_MAILED
from kalends.core.messages import Message
from kalends.core.pacing import FAILING_DAYS, next_try
from kalends.core.text import storable
from kalends.db.database import AnyRow, Tx
from kalends.db.joins import IS_ITS_EVENT
from kalends.db.tables import deliveries, events, receivers
from kalends.schemas.appointments import Appointment
from kalends.schemas.deliveries import Batch, Due, Lease, Tried
from kalends.schemas.letters import Invitation, Letter
from kalends.services.booking import appointments
from kalends.services.leaving import invitations, leases, letters, webhook_secrets
from kalends.services.leaving.leases import receiver_of, still_held
from kalends.services.outbox import events as outbox
from kalends.services.outbox import parties, queue
from kalends.services.outbox.event_pages import data_of
from kalends.telemetry import defect, log
from kalends.vault import CLEAR, Vault

_BATCH = 50


def take(tx: Tx, held: Lease, now: datetime, vault: Vault = CLEAR) -> Batch | None:
    """Keep a receiver for longer, and take its next deliveries. Returns None if there are none, or if the
    receiver was lost, deleted or made inactive. Raises SealedError if the secrets that sign them can't be
    read."""
    receiver = leases.renew(tx, held, now)
    due = None if receiver is None else _due(tx, held, now)
    if receiver is None or due is None:
        return None
    if held.kind == "mail":
        return Batch(receiver.url, (), due)
    signing = webhook_secrets.present(receiver, vault), *webhook_secrets.former(receiver, now, vault)
    return Batch(receiver.url, signing, due)


def record(tx: Tx, held: Lease, tried: Sequence[Tried], untried: Sequence[Due] = ()) -> None:
    """Record what became of attempts, and what follows for the receiver. What was not begun (`untried`) is
    taken another time, and a letter is then written again, with another link."""
    letters.withdraw(tx, held.org_id, [each.content for each in untried if isinstance(each.content, Letter)])
    if not tried:
        return
    tx.execute(_RECORD, [_recorded(held, each) for each in tried])
    if held.kind == "mail":
        return
    if tx.execute(select(receivers.c.id).where(*still_held(held))).first() is None:
        return  # another worker has taken over, and knows better how the receiver does
    last = tried[-1]
    if any(each.outcome.gone for each in tried):
        _disable(tx, held, "It answered 410 Gone.", last.at)
    elif last.outcome.succeeded:
        tx.execute(
            update(receivers)
            .where(*receiver_of(held), receivers.c.failing_since.is_not(None))
            .values(failing_since=None)
        )
    elif any(each.outcome.succeeded for each in tried):
        tx.execute(update(receivers).where(*receiver_of(held)).values(failing_since=last.at))
    else:
        _failing(tx, held, tried[0].at, last.at)


def _due(tx: Tx, held: Lease, now: datetime) -> list[Due] | None:
    """Return the next deliveries to a receiver that are due, in order; None if there are none. A delivery
    waits for an earlier one of the same appointment that is due later."""
    rows = tx.execute(
        queue.in_turn(held.org_id, held.receiver_id, together=True)
        .add_columns(
            deliveries.c.id,
            deliveries.c.place,
            deliveries.c.attempts,
            deliveries.c.subject_id,
            deliveries.c.event_id,
            deliveries.c.audience,
            events.c.type,
            events.c.payload,
            events.c.occurred_at,
            events.c.subject_id.label("appointment_id"),
        )
        .join_from(
            deliveries,
            events,
            IS_ITS_EVENT,
        )
        .where(deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at, deliveries.c.place)
        .limit(_BATCH)
    ).all()
    if not rows:
        return None
    present = {}
    if held.kind == "mail":
        ids = {row.appointment_id for row in rows}
        present = {each.id: each for each in appointments.locked(tx, held.org_id, ids, now)}
    found = [(row, _content(tx, held, row, present.get(row.appointment_id), now)) for row in rows]
    return [
        Due(row.id, row.attempts, row.subject_id, content) for row, content in found if content is not None
    ]


def _content(
    tx: Tx, held: Lease, row: AnyRow, present: Appointment | None, now: datetime
) -> Message | Letter | Invitation | None:
    """Return what is to be delivered now; None for a mail that nobody wants, which is then skipped, and for
    one that is not due yet, which is put off. `present` is the appointment that a mail is about."""
    if held.kind == "webhook":
        return Message.of(row.event_id, row.type, row.occurred_at, held.org_id, data_of(row.payload))
    instead: dict[str, Any]
    try:
        is_invitation = row.type == PERSON_MAILED
        written = (
            invitations.write(tx, held.org_id, row, now)
            if is_invitation
            else letters.write(tx, held.org_id, row, present, now)
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # Whatever it is, other mails must not wait behind it.
        defect(event_id=row.event_id)
        why = f"the mail could not be written: {type(error).__name__}"
        instead = {"status": "failed", "due_at": None, "error": why}
    else:
        if isinstance(written, Letter | Invitation):
            return written
        instead = (
            {"status": "skipped", "due_at": None}
            if written is None
            else {"due_at": written, "due_since": written}
        )
    tx.execute(
        update(deliveries)
        .where(
            deliveries.c.org_id == held.org_id,
            deliveries.c.receiver_id == held.receiver_id,
            deliveries.c.id == row.id,
        )
        .values(instead)
    )
    return None


def _recorded(held: Lease, tried: Tried) -> Mapping[str, Any]:
    outcome, attempts, content = tried.outcome, tried.due.attempts + 1, tried.due.content
    wait = (
        None if outcome.succeeded or outcome.final else next_try(attempts, tried.chance, outcome.retry_after)
    )
    status = "delivered" if outcome.succeeded else "failed" if wait is None else "pending"
    return {
        "org": held.org_id,
        "receiver": held.receiver_id,
        "delivery": tried.due.id,
        "status": status,
        "attempts": attempts,
        "due_at": None if wait is None else tried.at + wait,
        "tried_at": tried.at,
        "address": None if isinstance(content, Message) else content.address,
        "last_attempt_at": tried.at,
        "answer_code": outcome.code,
        "answer": None if outcome.answer is None else storable(outcome.answer),
        "error": None if outcome.error is None else storable(outcome.error),
        "latency_ms": outcome.latency_ms,
    }


def _failing(tx: Tx, held: Lease, since: datetime, now: datetime) -> None:
    known = tx.execute(select(receivers.c.failing_since).where(*receiver_of(held))).scalar()
    if known is None:
        tx.execute(update(receivers).where(*receiver_of(held)).values(failing_since=since))
    elif now - known >= FAILING_DAYS:
        _disable(tx, held, f"It has answered nothing but failures for {FAILING_DAYS.days} days.", now)


def _disable(tx: Tx, held: Lease, why: str, now: datetime) -> None:
    disabled = tx.execute(
        update(receivers)
        .where(*receiver_of(held), receivers.c.active)
        .values(active=False, disabled_reason=why, due_at=None, updated_at=now)
        .returning(receivers.c.id, receivers.c.name, receivers.c.url)
    ).first()
    if disabled is not None:
        log.warning("a webhook was made inactive", org_id=held.org_id, webhook_id=held.receiver_id, why=why)
        payload = {"webhook": {**disabled._mapping, "reason": why}}
        outbox.tell(tx, parties.system(held.org_id), "webhook.disabled", payload, held.receiver_id, now)


_TRIED_AT = bindparam("tried_at", type_=deliveries.c.due_since.type)
_RECORD = (
    update(deliveries)
    .where(
        deliveries.c.org_id == bindparam("org"),
        deliveries.c.receiver_id == bindparam("receiver"),
        deliveries.c.id == bindparam("delivery"),
        # What another worker has delivered meanwhile stays delivered. Not the index's own words (PENDING):
        # this row is found by its primary key.
        deliveries.c.status == "pending",
    )
    # What was tried before its time (the type's reminders were made earlier) has been due since then.
    .values(due_since=case((deliveries.c.due_since > _TRIED_AT, _TRIED_AT), else_=deliveries.c.due_since))
)
SHOWN = select(
    deliveries.c.id,
    deliveries.c.event_id,
    events.c.type.label("event"),
    deliveries.c.status,
    deliveries.c.attempts,
    deliveries.c.due_at.label("next_attempt_at"),
    deliveries.c.last_attempt_at,
    deliveries.c.answer_code,
    deliveries.c.answer,
    deliveries.c.error,
    deliveries.c.latency_ms,
    deliveries.c.created_at,
).join_from(deliveries, events, IS_ITS_EVENT)
"""What staff see of deliveries, to a webhook or by mail."""

"""Delivering: which receivers are due, whose turn it is to deliver to them, and what became of it.

A worker leases a receiver, so its deliveries are made one after the other and by nobody else; a lease that is
not renewed ends by itself, and another worker takes over. What was delivered but not recorded when a worker
died is delivered again: at least once, with the same id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, exists, func, or_, select, update

from kalends.core.messages import Message, Outcome
from kalends.core.pacing import FAILING_DAYS, next_try
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import deliveries, events, organizations, receivers
from kalends.ids import new_id
from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Letter
from kalends.services import appointments, letters, manage_links, parties, webhook_secrets
from kalends.services import events as outbox
from kalends.services.event_order import PENDING
from kalends.services.event_pages import told
from kalends.telemetry import defect, log
from kalends.vault import CLEAR, Vault

LEASES: Mapping[str, timedelta] = {"webhook": timedelta(seconds=20), "mail": timedelta(seconds=45)}
"""By kind: for so long nobody else delivers where a worker has died. It is renewed with every batch."""
FRESH: Mapping[str, timedelta] = {"webhook": timedelta(seconds=4), "mail": timedelta(seconds=15)}
"""For so long after that attempts are begun: the longest one ends within the lease."""
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Lease:
    """A receiver that one worker delivers to for a while."""

    id: str
    org_id: str
    receiver_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be made: of a message to a webhook, or of a letter by mail."""

    id: str
    attempts: int
    subject: str | None
    content: Message | Letter


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be delivered next, where to, and the secrets that sign it, the newest first."""

    url: str
    secrets: tuple[str, ...]
    due: list[Due]


@dataclass(frozen=True, slots=True)
class Tried:
    """A delivery and what became of the attempt at `at`. `chance`, between 0 and 1, spreads the next one."""

    due: Due
    outcome: Outcome
    at: datetime
    chance: float


def lease(tx: Tx, now: datetime, most: int, *, mail: bool) -> list[Lease]:
    """Take some receivers that are due and that nobody delivers to."""
    rows = tx.execute(
        select(receivers.c.org_id, receivers.c.id, receivers.c.kind)
        .where(*_waiting(now, mail))
        .order_by(receivers.c.due_at)
        .limit(most)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    leases = [Lease(new_id("lease"), row.org_id, row.id, row.kind) for row in rows]
    if leases:
        mine = [
            {
                "org": each.org_id,
                "receiver": each.receiver_id,
                "lease": each.id,
                "until": now + LEASES[each.kind],
            }
            for each in leases
        ]
        tx.execute(_LEASE, mine)
    return leases


def lag_seconds(tx: Tx, now: datetime, *, mail: bool) -> float:
    """Return for how many seconds the oldest thing has waited that should have left: an event that has no
    number, or a delivery that was to be made by now, whether it is due or waits for another attempt. Inactive
    webhooks don't count, nor sandboxes: there events happen whenever a Test-Clock says."""
    live = exists().where(organizations.c.id == receivers.c.org_id, ~organizations.c.sandbox)
    in_live = exists().where(organizations.c.id == events.c.org_id, ~organizations.c.sandbox)
    # By receiver, since each one's are found along an index of its own: the first is the oldest.
    first = (
        select(deliveries.c.due_since)
        .where(
            deliveries.c.org_id == receivers.c.org_id,
            deliveries.c.receiver_id == receivers.c.id,
            deliveries.c.status == PENDING,
            deliveries.c.due_since <= now,
        )
        .order_by(deliveries.c.due_since)
        .limit(1)
        .correlate(receivers)
        .scalar_subquery()
    )
    waiting = receivers.c.due_at.is_not(None), receivers.c.active, _able(mail), live
    each_first = select(first.label("since")).where(*waiting).subquery()
    oldest = [
        tx.execute(select(func.min(events.c.occurred_at)).where(events.c.seq.is_(None), in_live)).scalar(),
        tx.execute(select(func.min(each_first.c.since))).scalar(),
    ]
    return max([0.0, *((now - each).total_seconds() for each in oldest if each is not None)])


def take(tx: Tx, held: Lease, now: datetime, vault: Vault = CLEAR) -> Batch | None:
    """Keep a receiver for longer, and take its next deliveries; None where there are none, or where it was
    lost, deleted or made inactive. Raises SealedError if the secrets that sign them can't be read."""
    until = now + LEASES[held.kind]
    renewed = update(receivers).where(*_held(held), receivers.c.active).values(leased_until=until)
    receiver = tx.execute(renewed.returning(*receivers.c)).first()
    due = None if receiver is None else _due(tx, held, now)
    if receiver is None or due is None:
        return None
    if held.kind == "mail":
        return Batch(receiver.url, (), due)
    signing = webhook_secrets.present(receiver, vault), *webhook_secrets.former(receiver, now, vault)
    return Batch(receiver.url, signing, due)


def is_due(tx: Tx, now: datetime, *, mail: bool) -> bool:
    """Whether any receiver waits for a worker."""
    return tx.execute(select(receivers.c.id).where(*_waiting(now, mail)).limit(1)).first() is not None


def _waiting(now: datetime, mail: bool) -> tuple[Any, ...]:
    free = or_(receivers.c.leased_until.is_(None), receivers.c.leased_until <= now)
    awake = or_(receivers.c.rests_until.is_(None), receivers.c.rests_until <= now)
    return (receivers.c.due_at <= now, receivers.c.active, free, awake, _able(mail))


def _able(mail: bool) -> ColumnElement[bool]:
    """Those to whom this process can deliver."""
    return receivers.c.kind.in_(("webhook", "mail") if mail else ("webhook",))


def _due(tx: Tx, held: Lease, now: datetime) -> list[Due] | None:
    """The next deliveries to a receiver that are due, in order. A delivery waits for one of the same
    appointment that is to be delivered before, but not now."""
    before = deliveries.alias()
    rows = tx.execute(
        _first(held, before, before.c.due_at > deliveries.c.due_at)
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
            (events.c.org_id == deliveries.c.org_id) & (events.c.id == deliveries.c.event_id),
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
) -> Message | Letter | None:
    """What is to be delivered now. A mail that nobody wants is put away, and one that is not due yet put
    off. `present` is the appointment that a mail is about."""
    if held.kind == "webhook":
        return Message.of(row.event_id, row.type, row.occurred_at, held.org_id, told(row.payload))
    put: dict[str, Any]
    try:
        written = letters.write(tx, held.org_id, row, present, now)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # Whatever it is, other mails must not wait behind it.
        defect(event_id=row.event_id)
        why = f"the mail could not be written: {type(error).__name__}"
        put = {"status": "failed", "due_at": None, "error": why}
    else:
        if isinstance(written, Letter):
            return written
        put = (
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
        .values(put)
    )
    return None


def record(tx: Tx, held: Lease, tried: Sequence[Tried], untried: Sequence[Due] = ()) -> None:
    """Write down what became of attempts, and what follows for the receiver. What was not begun (`untried`)
    is taken another time, and a letter then written anew, with another link."""
    letters_ = [each.content for each in untried if isinstance(each.content, Letter)]
    if tokens := [letter.link for letter in letters_ if letter.link is not None]:
        manage_links.withdraw(tx, held.org_id, tokens)
    if not tried:
        return
    tx.execute(_RECORD, [_recorded(held, each) for each in tried])
    if held.kind == "mail":
        return
    if tx.execute(select(receivers.c.id).where(*_held(held))).first() is None:
        return  # another worker has taken over, and knows better how the receiver does
    last = tried[-1]
    if any(each.outcome.gone for each in tried):
        _disable(tx, held, "It answered 410 Gone.", last.at)
    elif last.outcome.succeeded:
        tx.execute(
            update(receivers)
            .where(*_mine(held), receivers.c.failing_since.is_not(None))
            .values(failing_since=None)
        )
    elif any(each.outcome.succeeded for each in tried):
        tx.execute(update(receivers).where(*_mine(held)).values(failing_since=last.at))
    else:
        _failing(tx, held, tried[0].at, last.at)


def release(tx: Tx, held: Lease, now: datetime, pause: timedelta | None) -> None:
    """Give a receiver back. It is due again when its next delivery is, or after a pause."""
    # The receiver's row is locked first: whoever makes deliveries for it meanwhile then says so afterwards.
    if tx.execute(select(receivers.c.id).where(*_held(held)).with_for_update(key_share=True)).first() is None:
        return
    first = _first(held, deliveries.alias()).add_columns(deliveries.c.due_at)
    following = tx.execute(first.order_by(deliveries.c.due_at).limit(1)).scalar()
    tx.execute(
        update(receivers)
        .where(*_held(held))
        .values(
            leased_by=None,
            leased_until=None,
            # What is due already queues up behind others.
            due_at=None if following is None else max(following, now),
            rests_until=None if pause is None else now + pause,
        )
    )


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
        "address": content.address if isinstance(content, Letter) else None,
        "last_attempt_at": tried.at,
        "answer_code": outcome.code,
        "answer": _storable(outcome.answer),
        "error": _storable(outcome.error),
        "latency_ms": outcome.latency_ms,
    }


def _storable(text: str | None) -> str | None:
    """Text as every database stores it, whatever bytes a receiver made it of."""
    if text is None:
        return None
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")


def _failing(tx: Tx, held: Lease, since: datetime, now: datetime) -> None:
    known = tx.execute(select(receivers.c.failing_since).where(*_mine(held))).scalar()
    if known is None:
        tx.execute(update(receivers).where(*_mine(held)).values(failing_since=since))
    elif now - known >= FAILING_DAYS:
        _disable(tx, held, f"It has answered nothing but failures for {FAILING_DAYS.days} days.", now)


def _disable(tx: Tx, held: Lease, why: str, now: datetime) -> None:
    disabled = tx.execute(
        update(receivers)
        .where(*_mine(held), receivers.c.active)
        .values(active=False, disabled_reason=why, due_at=None, updated_at=now)
        .returning(receivers.c.id, receivers.c.name, receivers.c.url)
    ).first()
    if disabled is not None:
        log.warning("a webhook was made inactive", org_id=held.org_id, webhook_id=held.receiver_id, why=why)
        told_ = {"webhook": {**disabled._mapping, "reason": why}}
        outbox.tell(tx, parties.system(held.org_id), "webhook.disabled", told_, held.receiver_id, now)


def _mine(held: Lease) -> tuple[Any, ...]:
    return (receivers.c.org_id == held.org_id, receivers.c.id == held.receiver_id)


def _held(held: Lease) -> tuple[Any, ...]:
    return (*_mine(held), receivers.c.leased_by == held.id)


def _first(held: Lease, before: Any, *unless: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The deliveries for which nothing of the same subject is to be delivered `before`, such as `unless`
    says."""
    # As one row, and not as whether there is one: PostgreSQL would read all that is pending for each of them.
    earlier = select(before.c.id).where(
        before.c.org_id == held.org_id,
        before.c.receiver_id == held.receiver_id,
        before.c.status == PENDING,
        before.c.subject_id == deliveries.c.subject_id,
        before.c.place < deliveries.c.place,
        *unless,
    )
    return select().where(
        deliveries.c.org_id == held.org_id,
        deliveries.c.receiver_id == held.receiver_id,
        deliveries.c.status == PENDING,
        earlier.limit(1).correlate(deliveries).scalar_subquery().is_(None),
    )


_LEASE = (
    update(receivers)
    .where(receivers.c.org_id == bindparam("org"), receivers.c.id == bindparam("receiver"))
    .values(leased_by=bindparam("lease"), leased_until=bindparam("until"))
)
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
SHOWN_DELIVERIES = select(
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
).join_from(
    deliveries, events, (events.c.org_id == deliveries.c.org_id) & (events.c.id == deliveries.c.event_id)
)
"""What staff see of deliveries, to a webhook or by mail."""

"""Webhooks: who wants to be told of events."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, insert, select, update

from kalends.core.addresses import destination
from kalends.core.errors import AlreadyExists, Conflict, Malformed, NotFound
from kalends.core.event_types import TEST_EVENT
from kalends.core.hours import instant, shifted
from kalends.db.aside import aside
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import deliveries, events, receivers
from kalends.ids import new_id, new_webhook_secret
from kalends.schemas.appointments import Actor
from kalends.schemas.webhooks import (
    Delivery,
    NewWebhook,
    Replay,
    Webhook,
    WebhookChange,
    WebhookCreate,
)
from kalends.services import attempts, event_order, makers, parties, queue, webhook_secrets
from kalends.services import events as events_
from kalends.services.parties import Party
from kalends.vault import CLEAR, SealedError, Vault

ROTATION = timedelta(hours=24)
"""For so long after a rotation the old secret signs, too."""
MOST_WEBHOOKS = 100
"""Of one organization: every event is delivered to each of them."""
_MOST_SECRETS = 4
_MOST_REPLAYED = 10_000
_IS_WEBHOOK = receivers.c.kind == "webhook"


def create(
    tx: Tx,
    org_id: str,
    wish: WebhookCreate,
    now: datetime,
    *,
    mail: bool,
    by: Actor = parties.OPERATOR,
    vault: Vault = CLEAR,
) -> NewWebhook:
    """Add a webhook; it is told of what happens from now on. Raises AlreadyExists if another has its URL,
    Conflict where there are enough, KeyRevoked if the key that makes it was revoked meanwhile."""
    maker = makers.stamp(tx, org_id, by)
    # What happened before has its number before, so it is not told. The head stays locked, so of two with one
    # URL at once, the second finds the first.
    event_order.number_all(tx, org_id, now, mail=mail)
    _must_be_new(tx, org_id, wish.url)
    mine = select(func.count()).select_from(receivers).where(receivers.c.org_id == org_id, _IS_WEBHOOK)
    if tx.execute(mine).scalar_one() >= MOST_WEBHOOKS:
        raise Conflict(f"There are {MOST_WEBHOOKS} webhooks, which is as many as there may be.")
    id_, secret = new_id("whk"), wish.secret or new_webhook_secret()
    row = {
        "org_id": org_id,
        "id": id_,
        "kind": "webhook",
        "name": wish.name,
        "url": wish.url,
        "events": wish.events,
        "active": True,
        "created_by": maker,
        "created_at": now,
        "updated_at": now,
    }
    tx.execute(insert(receivers), row | webhook_secrets.sealed(org_id, id_, vault, secret))
    made = _row(tx, org_id, id_)
    _tell(tx, org_id, "webhook.created", _shown(made), by, now)
    return _with_secret(made, secret)


def all_of(tx: Tx, org_id: str) -> list[Webhook]:
    """Every webhook, oldest first."""
    rows = tx.execute(
        select(receivers).where(receivers.c.org_id == org_id, _IS_WEBHOOK).order_by(receivers.c.id)
    )
    return [_shown(row) for row in rows]


def get(tx: Tx, org_id: str, webhook_id: str) -> Webhook:
    """One webhook. Raises NotFound."""
    return _shown(_row(tx, org_id, webhook_id))


def change(
    tx: Tx,
    org_id: str,
    webhook_id: str,
    wish: WebhookChange,
    now: datetime,
    *,
    by: Actor = parties.OPERATOR,
    vault: Vault = CLEAR,
) -> Webhook:
    """Change what is sent. One that is made active again gets what it missed. Raises NotFound, Malformed for
    another value of what can't be changed, and AlreadyExists if another has the URL."""
    if "url" in wish.sent():
        event_order.lock_head(tx, org_id, now)  # of two at once, the second finds the first
    row = _row(tx, org_id, webhook_id)
    wish.must_agree(_with_secret(row, _present_secret(row, vault)))
    if "url" in wish.sent() and destination(row.url) != destination(wish.url):
        _must_be_new(tx, org_id, wish.url)
    values: dict[str, Any] = {**wish.sent(), "updated_at": now}
    if values.get("active"):
        values |= {"due_at": now, "disabled_reason": None, "failing_since": None}
    if values.keys() & {"url", "active"}:
        values["rests_until"] = None  # something has been done about its silence
    _update(tx, org_id, webhook_id, values)
    changed = get(tx, org_id, webhook_id)
    _tell(tx, org_id, "webhook.updated", changed, by, now)
    return changed


def _must_be_new(tx: Tx, org_id: str, url: str) -> None:
    """Raise AlreadyExists if a webhook is delivered to this URL: everything would arrive there twice."""
    mine = (receivers.c.org_id == org_id, _IS_WEBHOOK)
    for other in tx.execute(select(receivers.c.id, receivers.c.url, receivers.c.active).where(*mine)):
        if destination(other.url) == destination(url):
            told = "PATCH its events" if other.active else "PATCH it active, and its events"
            raise AlreadyExists(
                f"The webhook {other.id} goes to this URL already: {told}, or delete it first.",
                webhook_id=other.id,
            )


def rotate(
    tx: Tx,
    org_id: str,
    webhook_id: str,
    now: datetime,
    *,
    by: Actor = parties.OPERATOR,
    vault: Vault = CLEAR,
) -> NewWebhook:
    """Give a new secret; the old one signs, too, for a day, as do those of before that still do. What can't
    be read any more signs no more. Raises NotFound."""
    event_order.lock_head(tx, org_id, now)  # of two at once, the second keeps the first's
    row = _row(tx, org_id, webhook_id)
    secret = new_webhook_secret()
    try:
        old = [webhook_secrets.present(row, vault), *webhook_secrets.former(row, now, vault)]
    except SealedError:
        old = []
    kept = webhook_secrets.sealed(org_id, webhook_id, vault, secret, old[:_MOST_SECRETS])
    until = {"old_secret_until": shifted(now, ROTATION) if old else None}
    # If it could not be read, it waits for this.
    _update(tx, org_id, webhook_id, kept | until | {"rests_until": None, "updated_at": now})
    rotated = _row(tx, org_id, webhook_id)
    _tell(tx, org_id, "webhook.secret_rotated", _shown(rotated), by, now)
    return _with_secret(rotated, secret)


def empty(tx: Tx, org_id: str, webhook_id: str) -> int:
    """Make a webhook inactive that is to be deleted, and remove some of its deliveries; how many."""
    mine = (deliveries.c.org_id == org_id, deliveries.c.receiver_id == webhook_id)
    some = select(deliveries.c.id).where(*mine).limit(_MOST_REPLAYED)
    removed = tx.execute(delete(deliveries).where(*mine, deliveries.c.id.in_(some))).rowcount
    # Locked last, as by `remove` and by a worker that records, so that nobody waits in a ring.
    _update(tx, org_id, webhook_id, {"active": False})
    return removed


def known(tx: Tx, org_id: str, webhook_id: str, _now: datetime, *, by: Actor) -> str:
    """Return the webhook's id, as `remove` would, and remove nothing. Raises NotFound."""
    return str(_row(tx, org_id, webhook_id).id)


def remove(tx: Tx, org_id: str, webhook_id: str, now: datetime, *, by: Actor = parties.OPERATOR) -> str:
    """Delete a webhook with its deliveries; its id. Raises NotFound."""
    event_order.lock_head(tx, org_id, now)  # nobody makes deliveries for it meanwhile
    was = get(tx, org_id, webhook_id)
    tx.execute(
        delete(deliveries).where(deliveries.c.org_id == org_id, deliveries.c.receiver_id == webhook_id)
    )
    tx.execute(delete(receivers).where(receivers.c.org_id == org_id, receivers.c.id == webhook_id))
    _tell(tx, org_id, "webhook.deleted", was, by, now, id=webhook_id, deleted=True)
    return webhook_id


def deliveries_of(
    tx: Tx, org_id: str, webhook_id: str, status: str | None, before: str | None, limit: int
) -> list[Delivery]:
    """Deliveries, newest first, from before one of them on. Raises NotFound for the webhook."""
    _row(tx, org_id, webhook_id)
    wanted = attempts.SHOWN.where(deliveries.c.org_id == org_id, deliveries.c.receiver_id == webhook_id)
    if status is not None:
        wanted = wanted.where(deliveries.c.status == status)
    if before is not None:
        wanted = wanted.where(deliveries.c.id < before)
    rows = tx.execute(wanted.order_by(deliveries.c.id.desc()).limit(limit))
    return aside(tx, lambda: [_delivery(row) for row in rows])


def replay_one(tx: Tx, org_id: str, webhook_id: str, delivery_id: str, now: datetime) -> Delivery:
    """Deliver the event of a delivery once more, as a new delivery. Raises NotFound."""
    event_order.lock_head(tx, org_id, now)  # nobody deletes it meanwhile, or forgets the event
    _row(tx, org_id, webhook_id)
    event = tx.execute(
        _EVENTS.join_from(
            events,
            deliveries,
            (deliveries.c.org_id == events.c.org_id) & (deliveries.c.event_id == events.c.id),
        ).where(
            deliveries.c.org_id == org_id,
            deliveries.c.receiver_id == webhook_id,
            deliveries.c.id == delivery_id,
        )
    ).first()
    if event is None:
        raise NotFound("There is no delivery with this id.")
    return _deliver(tx, org_id, webhook_id, event, now)


def replay(
    tx: Tx, org_id: str, timezone: str, webhook_id: str, wish: Replay, now: datetime, *, mail: bool
) -> int:
    """Deliver the events of a time once more, those that the webhook wants; how many. Raises NotFound,
    Malformed where they are too many, InvalidTime."""
    event_order.number_all(tx, org_id, now, mail=mail)  # and lock: nobody deletes it meanwhile
    webhook = _row(tx, org_id, webhook_id)
    start, end = instant(wish.from_, timezone), instant(wish.to, timezone)
    found = tx.execute(
        _EVENTS.where(
            events.c.org_id == org_id,
            events.c.occurred_at >= start,
            events.c.occurred_at < end,
            events.c.seq.is_not(None),
        )
        .order_by(events.c.seq)
        .limit(_MOST_REPLAYED + 1)
    ).all()
    if len(found) > _MOST_REPLAYED:
        raise Malformed(f"More than {_MOST_REPLAYED} events happened in that time; ask for a shorter one.")
    made = [
        queue.delivery(org_id, webhook_id, event, event.seq, now)
        for event in found
        if event_order.wants(webhook, event)
    ]
    queue.add(tx, org_id, made, now)
    return len(made)


def test(tx: Tx, org_id: str, webhook_id: str, actor: Actor, now: datetime, *, mail: bool) -> Delivery:
    """Send a test event to this webhook only, whatever it wants. Raises NotFound, Conflict where it is
    inactive."""
    event_order.lock_head(tx, org_id, now)  # nobody deletes it meanwhile
    webhook = _row(tx, org_id, webhook_id)
    if not webhook.active:
        raise Conflict("The webhook is not active; make it active first.")
    told = {"webhook": {"id": webhook.id, "name": webhook.name}, "actor": actor.model_dump()}
    made = events_.row(org_id, TEST_EVENT, json.dumps(told), now, subject=webhook_id)
    tx.execute(insert(events), made)
    event_order.number_all(tx, org_id, now, mail=mail)
    mine = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == webhook_id,
        deliveries.c.event_id == made["id"],
    )
    return _delivery(tx.execute(attempts.SHOWN.where(*mine)).one())


def _deliver(tx: Tx, org_id: str, webhook_id: str, event: AnyRow, now: datetime) -> Delivery:
    made = queue.delivery(org_id, webhook_id, event, event.seq, now)
    queue.add(tx, org_id, [made], now)
    mine = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == webhook_id,
        deliveries.c.id == made["id"],
    )
    return _delivery(tx.execute(attempts.SHOWN.where(*mine)).one())


def _row(tx: Tx, org_id: str, webhook_id: str) -> AnyRow:
    row = tx.execute(
        select(receivers).where(receivers.c.org_id == org_id, receivers.c.id == webhook_id, _IS_WEBHOOK)
    ).first()
    if row is None:
        raise NotFound("There is no webhook with this id.")
    return row


def _update(tx: Tx, org_id: str, webhook_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(receivers).where(receivers.c.org_id == org_id, receivers.c.id == webhook_id).values(values)
    )


def _shown(row: AnyRow) -> Webhook:
    return Webhook.model_validate(dict(row._mapping))


def _with_secret(row: AnyRow, secret: str | None) -> NewWebhook:
    return NewWebhook.model_validate({**row._mapping, "secret": secret})


def _present_secret(row: AnyRow, vault: Vault) -> str | None:
    """The secret that signs; None if it can't be read."""
    try:
        return webhook_secrets.present(row, vault)
    except SealedError:
        return None


def _tell(tx: Tx, org_id: str, kind: str, webhook: Webhook, by: Actor, now: datetime, **more: object) -> None:
    """Tell of a webhook, but not its URL: many a URL is as good as a password, and others are told."""
    told = webhook.model_dump(mode="json", exclude={"url"}) | {"host": urlsplit(webhook.url).hostname}
    events_.tell(tx, Party(org_id, by), kind, {**more, "webhook": told}, webhook.id, now)


def _delivery(row: AnyRow) -> Delivery:
    return Delivery.model_validate(dict(row._mapping))


_EVENTS = select(events.c.id, events.c.type, events.c.subject_id, events.c.seq)

"""Webhooks: URLs to which events are delivered."""

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
from kalends.core.messages import Message
from kalends.db.aside import aside
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import deliveries, events, receivers
from kalends.ids import new_id, new_webhook_secret
from kalends.schemas.webhooks import (
    Delivery,
    NewWebhook,
    Replay,
    Webhook,
    WebhookChange,
    WebhookCreate,
)
from kalends.services.leaving import attempts, webhook_secrets
from kalends.services.outbox import event_order, makers, queue
from kalends.services.outbox import events as events_
from kalends.services.outbox.event_pages import data_of
from kalends.services.outbox.parties import Party
from kalends.vault import CLEAR, SealedError, Vault

ROTATION = timedelta(hours=24)
"""How long after a rotation the old secret signs, too."""
MOST_WEBHOOKS = 100
"""Per organization, since every event is delivered to each of them."""
_MOST_SECRETS = 4
_MOST_REPLAYED = 10_000
_IS_WEBHOOK = receivers.c.kind == "webhook"


def create(
    tx: Tx, party: Party, wish: WebhookCreate, now: datetime, *, mail: bool, vault: Vault = CLEAR
) -> NewWebhook:
    """Add a webhook, which gets what happens from now on. Raises AlreadyExists if another has its URL,
    Conflict if there are as many as there may be, KeyRevoked if the key that makes it was revoked
    meanwhile."""
    org_id = party.org_id
    maker = makers.stamp(tx, party)
    # What happened before gets its number first, so it is not delivered here. The head stays locked, so of
    # two webhooks with one URL at once, the second finds the first.
    event_order.number_all(tx, org_id, now, mail=mail)
    _must_be_new(tx, org_id, wish.url)
    count = select(func.count()).select_from(receivers).where(receivers.c.org_id == org_id, _IS_WEBHOOK)
    if tx.execute(count).scalar_one() >= MOST_WEBHOOKS:
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
    created = _row(tx, org_id, id_)
    _tell(tx, party, "webhook.created", _shown(created), now)
    return _with_secret(created, secret)


def all_of(tx: Tx, org_id: str) -> list[Webhook]:
    """Return every webhook, oldest first."""
    rows = tx.execute(
        select(receivers).where(receivers.c.org_id == org_id, _IS_WEBHOOK).order_by(receivers.c.id)
    )
    return [_shown(row) for row in rows]


def get(tx: Tx, org_id: str, webhook_id: str) -> Webhook:
    """Return one webhook. Raises NotFound."""
    return _shown(_row(tx, org_id, webhook_id))


def change(
    tx: Tx, party: Party, webhook_id: str, wish: WebhookChange, now: datetime, *, vault: Vault = CLEAR
) -> Webhook:
    """Change what is sent. A webhook that is made active again gets what it missed.

    Raises NotFound, Malformed for another value of what can't be changed, AlreadyExists if another has the
    URL.
    """
    org_id = party.org_id
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
    _tell(tx, party, "webhook.updated", changed, now)
    return changed


def _must_be_new(tx: Tx, org_id: str, url: str) -> None:
    """Raise AlreadyExists if a webhook has this URL already: everything would arrive there twice."""
    every = select(receivers.c.id, receivers.c.url, receivers.c.active)
    for other in tx.execute(every.where(receivers.c.org_id == org_id, _IS_WEBHOOK)):
        if destination(other.url) == destination(url):
            instead = "PATCH its events" if other.active else "PATCH it active, and its events"
            raise AlreadyExists(
                f"The webhook {other.id} goes to this URL already: {instead}, or delete it first.",
                webhook_id=other.id,
            )


def rotate(tx: Tx, party: Party, webhook_id: str, now: datetime, *, vault: Vault = CLEAR) -> NewWebhook:
    """Make a new secret. The present one, and earlier ones that still sign, go on signing for a day; those
    that can no longer be read do not. Raises NotFound."""
    org_id = party.org_id
    event_order.lock_head(tx, org_id, now)  # of two at once, the second keeps the first's
    row = _row(tx, org_id, webhook_id)
    secret = new_webhook_secret()
    try:
        old = [webhook_secrets.present(row, vault), *webhook_secrets.former(row, now, vault)]
    except SealedError:
        old = []
    kept = webhook_secrets.sealed(org_id, webhook_id, vault, secret, old[:_MOST_SECRETS])
    until = {"old_secret_until": shifted(now, ROTATION) if old else None}
    # A webhook whose secret could not be read waits for this.
    _update(tx, org_id, webhook_id, kept | until | {"rests_until": None, "updated_at": now})
    rotated = _row(tx, org_id, webhook_id)
    _tell(tx, party, "webhook.secret_rotated", _shown(rotated), now)
    return _with_secret(rotated, secret)


def empty(tx: Tx, party: Party, webhook_id: str) -> int:
    """Make a webhook inactive that is to be deleted, and remove some of its deliveries. Returns how many."""
    its = (deliveries.c.org_id == party.org_id, deliveries.c.receiver_id == webhook_id)
    some = select(deliveries.c.id).where(*its).limit(_MOST_REPLAYED)
    removed = tx.execute(delete(deliveries).where(*its, deliveries.c.id.in_(some))).rowcount
    # The webhook is locked last, as by `remove` and by a worker that records, so that there is no deadlock.
    _update(tx, party.org_id, webhook_id, {"active": False})
    return removed


def known(tx: Tx, party: Party, webhook_id: str, _now: datetime) -> str:
    """Return the webhook's id, as `remove` would, and remove nothing. Raises NotFound."""
    return str(_row(tx, party.org_id, webhook_id).id)


def remove(tx: Tx, party: Party, webhook_id: str, now: datetime) -> str:
    """Delete a webhook with its deliveries. Returns its id. Raises NotFound."""
    org_id = party.org_id
    event_order.lock_head(tx, org_id, now)  # nobody makes deliveries for it meanwhile
    webhook = get(tx, org_id, webhook_id)
    tx.execute(
        delete(deliveries).where(deliveries.c.org_id == org_id, deliveries.c.receiver_id == webhook_id)
    )
    tx.execute(delete(receivers).where(receivers.c.org_id == org_id, receivers.c.id == webhook_id))
    _tell(tx, party, "webhook.deleted", webhook, now, id=webhook_id, deleted=True)
    return webhook_id


def deliveries_of(
    tx: Tx, org_id: str, webhook_id: str, status: str | None, before: str | None, limit: int
) -> list[Delivery]:
    """Return deliveries, newest first, older ones than the one `before`. Raises NotFound for the webhook."""
    _row(tx, org_id, webhook_id)
    wanted = attempts.SHOWN.where(deliveries.c.org_id == org_id, deliveries.c.receiver_id == webhook_id)
    if status is not None:
        wanted = wanted.where(deliveries.c.status == status)
    if before is not None:
        wanted = wanted.where(deliveries.c.id < before)
    rows = tx.execute(wanted.order_by(deliveries.c.id.desc()).limit(limit))
    return aside(tx, lambda: [_delivery(row) for row in rows])


def delivery(tx: Tx, org_id: str, webhook_id: str, delivery_id: str) -> tuple[Delivery, str]:
    """Return one delivery, and the body that is sent, as text. Raises NotFound."""
    wanted = attempts.SHOWN.add_columns(events.c.occurred_at, events.c.payload).where(
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == webhook_id,
        deliveries.c.id == delivery_id,
    )
    _row(tx, org_id, webhook_id)
    row = tx.execute(wanted).first()
    if row is None:
        raise _no_delivery()
    sent = Message.of(row.event_id, row.event, row.occurred_at, org_id, data_of(row.payload))
    return _delivery(row), sent.body.decode()


def replay_one(tx: Tx, party: Party, webhook_id: str, delivery_id: str, now: datetime) -> Delivery:
    """Deliver the event of a delivery again, as a new delivery. Raises NotFound."""
    org_id = party.org_id
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
        raise _no_delivery()
    return _deliver(tx, org_id, webhook_id, event, now)


def replay(tx: Tx, party: Party, webhook_id: str, wish: Replay, now: datetime, *, mail: bool) -> int:
    """Deliver the events of a time again, those that the webhook wants. Returns how many. Raises NotFound,
    Malformed if they are too many, InvalidTime."""
    org_id = party.org_id
    event_order.number_all(tx, org_id, now, mail=mail)  # and lock: nobody deletes it meanwhile
    webhook = _row(tx, org_id, webhook_id)
    start, end = (instant(each, party.timezone) for each in (wish.from_, wish.to))
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
    rows = [
        queue.delivery(org_id, webhook_id, event, event.seq, now)
        for event in found
        if event_order.wants(webhook, event)
    ]
    queue.add(tx, org_id, rows, now)
    return len(rows)


def test(tx: Tx, party: Party, webhook_id: str, now: datetime, *, mail: bool) -> Delivery:
    """Send a test event to this webhook only, whatever events it wants. Raises NotFound, Conflict if it is
    inactive."""
    org_id = party.org_id
    event_order.lock_head(tx, org_id, now)  # nobody deletes it meanwhile
    webhook = _row(tx, org_id, webhook_id)
    if not webhook.active:
        raise Conflict("The webhook is not active; make it active first.")
    content = {"webhook": {"id": webhook.id, "name": webhook.name}, "actor": party.actor.model_dump()}
    event = events_.row(org_id, TEST_EVENT, json.dumps(content), now, subject=webhook_id)
    tx.execute(insert(events), event)
    event_order.number_all(tx, org_id, now, mail=mail)
    this = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == webhook_id,
        deliveries.c.event_id == event["id"],
    )
    return _delivery(tx.execute(attempts.SHOWN.where(*this)).one())


def _deliver(tx: Tx, org_id: str, webhook_id: str, event: AnyRow, now: datetime) -> Delivery:
    row = queue.delivery(org_id, webhook_id, event, event.seq, now)
    queue.add(tx, org_id, [row], now)
    this = (
        deliveries.c.org_id == org_id,
        deliveries.c.receiver_id == webhook_id,
        deliveries.c.id == row["id"],
    )
    return _delivery(tx.execute(attempts.SHOWN.where(*this)).one())


def _row(tx: Tx, org_id: str, webhook_id: str) -> AnyRow:
    row = tx.execute(
        select(receivers).where(receivers.c.org_id == org_id, receivers.c.id == webhook_id, _IS_WEBHOOK)
    ).first()
    if row is None:
        raise NotFound("There is no webhook with this id.")
    return row


def _no_delivery() -> NotFound:
    return NotFound("There is no delivery with this id.")


def _update(tx: Tx, org_id: str, webhook_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(receivers).where(receivers.c.org_id == org_id, receivers.c.id == webhook_id).values(values)
    )


def _shown(row: AnyRow) -> Webhook:
    return Webhook.model_validate(dict(row._mapping))


def _with_secret(row: AnyRow, secret: str | None) -> NewWebhook:
    return NewWebhook.model_validate({**row._mapping, "secret": secret})


def _present_secret(row: AnyRow, vault: Vault) -> str | None:
    """Return the secret that signs; None if it can't be read."""
    try:
        return webhook_secrets.present(row, vault)
    except SealedError:
        return None


def _tell(tx: Tx, party: Party, event_type: str, webhook: Webhook, now: datetime, **more: object) -> None:
    """Store an event about a webhook, without its URL: that may be as good as a password, and other webhooks
    get the event."""
    shown = webhook.model_dump(mode="json", exclude={"url"}) | {"host": urlsplit(webhook.url).hostname}
    events_.tell(tx, party, event_type, {**more, "webhook": shown}, webhook.id, now)


def _delivery(row: AnyRow) -> Delivery:
    return Delivery.model_validate(dict(row._mapping))


_EVENTS = select(events.c.id, events.c.type, events.c.subject_id, events.c.seq)

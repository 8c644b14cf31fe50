"""Revoking a key, and what it has made: keys, feeds and webhooks outlive the key that made them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from kalends.db.database import AnyRow, Tx
from kalends.db.tables import api_keys, receivers
from kalends.db.tables import feeds as feeds_
from kalends.schemas.appointments import Actor
from kalends.schemas.feeds import Feed
from kalends.schemas.organizations import Key, Made
from kalends.schemas.webhooks import Webhook
from kalends.services import feeds, keys, parties, webhooks
from kalends.services.makers import made_by, maker_of


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revoked key; of what it has made, and what the keys among that have made in turn: what still stands,
    and what was taken along."""

    key: Key
    still_standing: Made
    taken_along: Made


def revoke(
    tx: Tx,
    key_id: str,
    now: datetime,
    *,
    real_now: datetime,
    org_id: str | None = None,
    by: Actor = parties.OPERATOR,
    with_made: bool = False,
    remove_webhook: Callable[..., str] = webhooks.remove,
) -> Revoked:
    """Revoke a key from the next request on; `with_made`, all it has made, too. The operator may revoke any
    key, an organization only its own (`org_id`). `now` may be what a Test-Clock says, `real_now` is not.
    `remove_webhook` is for rehearsals: nobody should wait for deliveries to be removed only for show.

    Raises NotFound for an unknown key.
    """
    owner = _owner(tx, key_id, org_id)
    if owner is None:
        raise keys.no_key(key_id)
    made = _made(tx, owner, key_id, now)
    keys.revoke(tx, key_id, now, org_id=owner, by=by)
    key = keys.get(tx, owner, key_id)
    if not with_made:
        return Revoked(key, still_standing=made, taken_along=Made())
    for each in made.keys:
        keys.revoke(tx, each.id, now, org_id=owner, by=by)
    revoked = [keys.get(tx, owner, each.id) for each in made.keys]
    for feed in made.feeds:
        feeds.remove(tx, owner, feed.id, by, now)
    for webhook in made.webhooks:
        remove_webhook(tx, owner, webhook.id, real_now, by=by)
    return Revoked(key, still_standing=Made(), taken_along=made.model_copy(update={"keys": revoked}))


def empty(tx: Tx, key_id: str, now: datetime, *, org_id: str | None = None) -> int:
    """Remove some deliveries of the webhooks that go with a key; how many. What there is may be so much that
    it would hold others up in one transaction."""
    if (owner := _owner(tx, key_id, org_id)) is None:
        return 0
    for webhook in _made(tx, owner, key_id, now).webhooks:
        if gone := webhooks.empty(tx, owner, webhook.id):
            return gone
    return 0


def _owner(tx: Tx, key_id: str, org_id: str | None) -> str | None:
    """The organization that has the key; None if there is none, or if it is not this one."""
    mine = [api_keys.c.id == key_id] + ([api_keys.c.org_id == org_id] if org_id is not None else [])
    return tx.execute(select(api_keys.c.org_id).where(*mine)).scalar()


def _made(tx: Tx, org_id: str, key_id: str, now: datetime) -> Made:
    """What stands of what a key has made, and of what the keys it has made did in turn, revoked and expired
    ones included."""
    # All keys are locked: nobody makes anything with one of them until this transaction ends.
    every = select(api_keys).where(api_keys.c.org_id == org_id).order_by(api_keys.c.id)
    rows = tx.execute(every.with_for_update(key_share=True)).all()
    descent = _descent(rows, key_id)
    of_webhooks = select(receivers).where(receivers.c.org_id == org_id, receivers.c.kind == "webhook")
    of_feeds = select(feeds_).where(feeds_.c.org_id == org_id)
    return Made(
        keys=[
            keys.shown(dict(row._mapping))
            for row in rows
            if row.id in descent and row.id != key_id and _stands(row, now)
        ],
        feeds=[
            Feed.model_validate(dict(row._mapping))
            for row in tx.execute(of_feeds.order_by(feeds_.c.id))
            if made_by(row, descent)
        ],
        webhooks=[
            Webhook.model_validate(dict(row._mapping))
            for row in tx.execute(of_webhooks.order_by(receivers.c.id))
            if made_by(row, descent)
        ],
    )


def _descent(rows: Sequence[AnyRow], key_id: str) -> set[str]:
    """The ids of a key, of the keys that it made, and so on."""
    made: dict[str | None, list[str]] = {}
    for row in rows:
        maker = maker_of(row)
        made.setdefault(None if maker is None else maker.id, []).append(row.id)
    found, following = {key_id}, [key_id]
    while following:
        for child in made.get(following.pop(), ()):
            if child not in found:
                found.add(child)
                following.append(child)
    return found


def _stands(row: AnyRow, now: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)

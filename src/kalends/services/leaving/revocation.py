"""Revoking a key, and what it has made: keys, people, feeds, webhooks and sources, which outlive the key that
made them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import api_keys, receivers
from kalends.db.tables import feeds as feeds_
from kalends.db.tables import people as people_
from kalends.db.tables import sources as sources_
from kalends.schemas.feeds import Feed
from kalends.schemas.organizations import Key, Made
from kalends.schemas.people import PersonChange
from kalends.schemas.webhooks import Webhook
from kalends.services.leaving import feeds, webhooks
from kalends.services.outbox.makers import made_by, maker_of
from kalends.services.outbox.parties import Party
from kalends.services.setup import keys, people, sessions, sources


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revoked key. Of all that it has made, and the keys and people among that in turn: what is still
    standing, and what was taken along."""

    key: Key
    still_standing: Made
    taken_along: Made


def revoke(
    tx: Tx,
    party: Party,
    key_id: str,
    now: datetime,
    *,
    real_now: datetime,
    with_made: bool = False,
    remove_webhook: Callable[[Tx, Party, str, datetime], str] = webhooks.remove,
) -> Revoked:
    """Revoke a key from the next request on, and, if `with_made`, all it has made. `now` may come from a
    Test-Clock, `real_now` does not. `remove_webhook` is for rehearsals: nobody should wait until deliveries
    are removed only for show.

    Raises NotFound for an unknown key.
    """
    lock_settings(tx, party.org_id)  # as making people does, before it locks their key
    made = _made(tx, party.org_id, key_id, now)
    key = keys.revoke(tx, party, key_id, now)
    if not with_made:
        return Revoked(key, still_standing=made, taken_along=Made())
    sessions.end_made(tx, party.org_id, _descent_of(tx, party.org_id, key_id))
    revoked = [keys.revoke(tx, party, each.id, now) for each in made.keys]
    ended = [people.change(tx, party, each.id, PersonChange(active=False), now) for each in made.people]
    for feed in made.feeds:
        feeds.remove(tx, party, feed.id, now)
    for webhook in made.webhooks:
        remove_webhook(tx, party, webhook.id, real_now)
    for source in made.sources:
        sources.remove(tx, party, source.calendar_id, source.id, now)
    taken = made.model_copy(update={"keys": revoked, "people": ended})
    return Revoked(key, still_standing=Made(), taken_along=taken)


def empty(tx: Tx, party: Party, key_id: str, now: datetime) -> int:
    """Remove some deliveries of the webhooks that go with a key. Returns how many. There may be so many that
    removing them in one transaction would hold others up."""
    for webhook in _made(tx, party.org_id, key_id, now).webhooks:
        if removed := webhooks.empty(tx, party, webhook.id):
            return removed
    return 0


def standing(tx: Tx, org_id: str, key_id: str, now: datetime) -> tuple[Key, Made]:
    """Return a key, and what stands of all that it has made, for those who ask before they revoke it. Raises
    NotFound."""
    all_keys = tx.execute(select(api_keys).where(api_keys.c.org_id == org_id).order_by(api_keys.c.id)).all()
    staff = tx.execute(select(people_).where(people_.c.org_id == org_id).order_by(people_.c.id)).all()
    return keys.get(tx, org_id, key_id), _standing(tx, org_id, key_id, now, all_keys, staff)


def _made(tx: Tx, org_id: str, key_id: str, now: datetime) -> Made:
    """Return what stands of all that a key has made, as long as this transaction lasts."""
    return _standing(tx, org_id, key_id, now, *_locked(tx, org_id))


def _standing(
    tx: Tx, org_id: str, key_id: str, now: datetime, all_keys: Sequence[AnyRow], staff: Sequence[AnyRow]
) -> Made:
    """Return what stands of all that a key has made, and the keys and people it has made in turn; those that
    were revoked or have expired have made things, too."""
    descent = _descent([*all_keys, *staff], key_id)
    of_webhooks = select(receivers).where(receivers.c.org_id == org_id, receivers.c.kind == "webhook")
    of_feeds = select(feeds_).where(feeds_.c.org_id == org_id)
    of_sources = select(sources_).where(sources_.c.org_id == org_id)
    return Made(
        keys=[
            keys.shown(dict(row._mapping))
            for row in all_keys
            if row.id in descent and row.id != key_id and _stands(row, now)
        ],
        people=[people.shown(row) for row in staff if row.id in descent and row.active],
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
        # In the order in which calendars are locked, if they are to be deleted.
        sources=[
            sources.shown(row)
            for row in tx.execute(of_sources.order_by(sources_.c.calendar_id, sources_.c.id))
            if made_by(row, descent)
        ],
    )


def _descent_of(tx: Tx, org_id: str, key_id: str) -> set[str]:
    all_keys, staff = _locked(tx, org_id)
    return _descent([*all_keys, *staff], key_id)


def _locked(tx: Tx, org_id: str) -> tuple[Sequence[AnyRow], Sequence[AnyRow]]:
    """Return all keys and all people of the organization, locked, so that none of them makes anything until
    this transaction ends."""
    every_key = select(api_keys).where(api_keys.c.org_id == org_id).order_by(api_keys.c.id)
    everybody = select(people_).where(people_.c.org_id == org_id).order_by(people_.c.id)
    known = 0
    while True:
        # What was being made while these statements waited is seen by the next ones.
        found = tx.execute(every_key.with_for_update(key_share=True)).all()
        staff = tx.execute(everybody.with_for_update(key_share=True)).all()
        if len(found) + len(staff) == known:
            return found, staff
        known = len(found) + len(staff)


def _descent(rows: Sequence[AnyRow], key_id: str) -> set[str]:
    """Return the ids of a key, of the keys and people that it made, and so on."""
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

"""Revoking a key or sending somebody away, and what they have made: keys, people, links to sign in, feeds,
webhooks and sources, which outlive who made them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Select, select

from kalends.db.database import AnyRow, Tx
from kalends.db.locks import lock_settings
from kalends.db.tables import api_keys, receivers
from kalends.db.tables import feeds as feeds_
from kalends.db.tables import people as people_
from kalends.db.tables import sources as sources_
from kalends.schemas.feeds import Feed
from kalends.schemas.made import Made
from kalends.schemas.organizations import Key
from kalends.schemas.people import Person, PersonChange
from kalends.schemas.webhooks import Webhook
from kalends.services.leaving import feeds, webhooks
from kalends.services.outbox.makers import Descent, chain_of, spared_by, unspared
from kalends.services.outbox.parties import Party
from kalends.services.setup import keys, people, sources, ways_in

RemoveWebhook: TypeAlias = Callable[[Tx, Party, str, datetime], str]


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revoked key. Of all that it has made, and the keys and people among that in turn: what is still
    standing, and what was taken along."""

    key: Key
    still_standing: Made
    taken_along: Made


@dataclass(frozen=True, slots=True)
class Dismissed:
    """Somebody who was changed or is gone; and as for a key."""

    person: Person
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
    remove_webhook: RemoveWebhook = webhooks.remove,
) -> Revoked:
    """Revoke a key from the next request on, end the links to sign in that it made and that nobody has used,
    and, if `with_made`, end all it has made: but not the person who does this, nor what they have made
    (`makers.Descent`). `now` may come from a Test-Clock, `real_now` does not. `remove_webhook` is for
    rehearsals: nobody should wait until deliveries are removed only for show.

    Raises NotFound for an unknown key.
    """
    lock_settings(tx, party.org_id)  # as making people does, before it locks their key
    every_key, staff = _locked(tx, party.org_id)
    key = keys.revoke(tx, party, key_id, now)
    ways_in.end_links(tx, party.org_id, key_id)
    descent, made = _standing(tx, party, key_id, now, every_key, staff)
    if with_made:
        return Revoked(key, Made(), _end(tx, party, descent, made, now, real_now, remove_webhook))
    return Revoked(key, made, Made())


def change_person(
    tx: Tx,
    party: Party,
    person_id: str,
    wish: PersonChange,
    now: datetime,
    *,
    real_now: datetime,
    with_made: bool = False,
    remove_webhook: RemoveWebhook = webhooks.remove,
) -> Dismissed:
    """Change a person, and, if `with_made`, end all they have made, as for a key. What still stands is told
    if the change is about what they may do, and they are no longer active or no admin. Raises what
    `people.change` raises."""
    person = people.change(tx, party, person_id, wish, now)
    leaves = not (person.active and "admin" in person.scopes) and not wish.sent().keys().isdisjoint(_RIGHTS)
    if not (with_made or leaves):
        return Dismissed(person, Made(), Made())
    return _dismissed(tx, party, person, now, real_now, with_made, remove_webhook)


def remove_person(
    tx: Tx,
    party: Party,
    person_id: str,
    now: datetime,
    *,
    real_now: datetime,
    with_made: bool = False,
    remove_webhook: RemoveWebhook = webhooks.remove,
) -> Dismissed:
    """Delete a person, and, if `with_made`, end all they have made, as for a key. Raises what `people.remove`
    raises."""
    lock_settings(tx, party.org_id)
    person = people.get(tx, party.org_id, person_id)
    people.remove(tx, party, person_id, now)
    return _dismissed(tx, party, person, now, real_now, with_made, remove_webhook)


def empty(tx: Tx, party: Party, maker_id: str, now: datetime) -> int:
    """Remove some deliveries of the webhooks that go with a key or a person. Returns how many. There may be
    so many that removing them in one transaction would hold others up."""
    lock_settings(tx, party.org_id)
    for webhook in _made(tx, party, maker_id, now)[1].webhooks:
        if removed := webhooks.empty(tx, party, webhook.id):
            return removed
    return 0


def standing(tx: Tx, party: Party, maker_id: str, now: datetime) -> Made:
    """Return what stands of all that a key or a person has made, for those who ask before they end it."""
    all_keys, staff = (tx.execute(each).all() for each in _makers(party.org_id))
    return _standing(tx, party, maker_id, now, all_keys, staff)[1]


def _dismissed(
    tx: Tx,
    party: Party,
    person: Person,
    now: datetime,
    real_now: datetime,
    with_made: bool,
    remove_webhook: RemoveWebhook,
) -> Dismissed:
    descent, made = _made(tx, party, person.id, now)
    if with_made:
        return Dismissed(person, Made(), _end(tx, party, descent, made, now, real_now, remove_webhook))
    return Dismissed(person, made, Made())


def _end(
    tx: Tx,
    party: Party,
    descent: Descent,
    made: Made,
    now: datetime,
    real_now: datetime,
    remove_webhook: RemoveWebhook,
) -> Made:
    """End what somebody has made. Returns it as it is then."""
    ways_in.end_made(tx, party.org_id, descent)
    revoked = [keys.revoke(tx, party, each.id, now) for each in made.keys]
    ended = [people.change(tx, party, each.id, PersonChange(active=False), now) for each in made.people]
    for feed in made.feeds:
        feeds.remove(tx, party, feed.id, now)
    for webhook in made.webhooks:
        remove_webhook(tx, party, webhook.id, real_now)
    for source in made.sources:
        sources.remove(tx, party, source.calendar_id, source.id, now)
    entered = [people.get(tx, party.org_id, each.id) for each in made.entered]
    return made.model_copy(update={"keys": revoked, "people": ended, "entered": entered})


def _made(tx: Tx, party: Party, maker_id: str, now: datetime) -> tuple[Descent, Made]:
    """Return what stands of all that a key or a person has made, as long as this transaction lasts."""
    return _standing(tx, party, maker_id, now, *_locked(tx, party.org_id))


def _standing(
    tx: Tx, party: Party, maker_id: str, now: datetime, all_keys: Sequence[AnyRow], staff: Sequence[AnyRow]
) -> tuple[Descent, Made]:
    """Return what stands of all that a key or a person has made, and the keys and people they have made in
    turn; those that were revoked or have expired have made things, too. It is empty for an unknown maker."""
    org_id = party.org_id
    spared = spared_by(tx, party)
    descent = Descent(maker_id, _descendants([*all_keys, *staff], maker_id, spared), spared)
    entered = ways_in.entered(tx, org_id, descent, now)
    of_webhooks = select(receivers).where(receivers.c.org_id == org_id, receivers.c.kind == "webhook")
    of_feeds = select(feeds_).where(feeds_.c.org_id == org_id)
    of_sources = select(sources_).where(sources_.c.org_id == org_id)
    made = Made(
        keys=[
            keys.shown(dict(row._mapping))
            for row in all_keys
            if row.id in descent.ids and row.id != maker_id and _stands(row, now)
        ],
        people=[
            people.shown(row) for row in staff if row.id in descent.ids and row.id != maker_id and row.active
        ],
        entered=[
            people.shown(row)
            for row in staff
            if row.id in entered and row.active and row.id not in descent.ids
        ],
        feeds=[
            Feed.model_validate(dict(row._mapping))
            for row in tx.execute(of_feeds.order_by(feeds_.c.id))
            if descent.has(row)
        ],
        webhooks=[
            Webhook.model_validate(dict(row._mapping))
            for row in tx.execute(of_webhooks.order_by(receivers.c.id))
            if descent.has(row)
        ],
        # In the order in which calendars are locked, if they are to be deleted.
        sources=[
            sources.shown(row)
            for row in tx.execute(of_sources.order_by(sources_.c.calendar_id, sources_.c.id))
            if descent.has(row)
        ],
    )
    return descent, made


def _locked(tx: Tx, org_id: str) -> tuple[Sequence[AnyRow], Sequence[AnyRow]]:
    """Return all keys and all people of the organization, locked, so that none of them makes anything until
    this transaction ends."""
    every_key, everybody = _makers(org_id)
    known = -1
    while True:
        # What was being made while these statements waited is seen by the next ones.
        found = tx.execute(every_key.with_for_update(key_share=True)).all()
        staff = tx.execute(everybody.with_for_update(key_share=True)).all()
        if len(found) + len(staff) == known:
            return found, staff
        known = len(found) + len(staff)


def _makers(org_id: str) -> tuple[Select[Any], Select[Any]]:
    """Return the statements that find all keys and all people of an organization."""
    every_key = select(api_keys).where(api_keys.c.org_id == org_id).order_by(api_keys.c.id)
    everybody = select(people_).where(people_.c.org_id == org_id).order_by(people_.c.id)
    return every_key, everybody


def _descendants(rows: Sequence[AnyRow], maker_id: str, spared: Sequence[str]) -> set[str]:
    """Return the ids of a key or a person, of the keys and people that were made by it or by those who came
    in by a link of it, and so on. Whoever is spared is not among them, nor what they have made."""
    made: dict[str, list[str]] = {}
    for row in rows:
        if row.id not in spared[:1]:
            for id_ in unspared(chain_of(row.created_by), spared):
                made.setdefault(id_, []).append(row.id)
    found, following = {maker_id}, [maker_id]
    while following:
        for child in made.get(following.pop(), ()):
            if child not in found:
                found.add(child)
                following.append(child)
    return found


def _stands(row: AnyRow, now: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


_RIGHTS = frozenset({"active", "scopes"})

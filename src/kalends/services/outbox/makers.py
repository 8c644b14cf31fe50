"""Who made a key, a person, a feed, a webhook, a source or a link: they outlive who made them. Of a person
who came in by a link, it is kept who had made that link, and so on: they may have been somebody else."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from kalends.core.errors import KeyRevoked, Unauthorized
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import api_keys, people, sessions
from kalends.schemas.appointments import Actor
from kalends.services.outbox.parties import Party

_VIA = "via"
"""Beside what is told of a maker: the ids of those who made the links by which they came in, the nearest
first."""


@dataclass(frozen=True, slots=True)
class Descent:
    """What a key or a person has made, and what the keys and people among that have made in turn (`ids`), and
    all that was made in sessions that began by their links. Not what `spared` has made, who ends it, and must
    not end themselves."""

    maker_id: str
    ids: Collection[str]
    spared: str | None = None

    def has(self, row: AnyRow) -> bool:
        """Return whether something (`created_by`) belongs to it."""
        for id_ in chain_of(row.created_by):
            if id_ == self.spared:
                return False
            if id_ in self.ids:
                return True
        return False


def stamp(tx: Tx, party: Party) -> str:
    """Return what is stored of the party that makes something. Until the transaction ends, its key can't be
    revoked: a revocation sees everything that the key has made. Raises KeyRevoked if the key was revoked
    since the call came in, Unauthorized if the person is no longer active, or no longer signed in."""
    maker = party.actor
    via: list[str] = []
    if maker.kind == "api_key":
        key = select(api_keys.c.revoked_at).where(
            api_keys.c.org_id == party.org_id, api_keys.c.id == maker.id
        )
        if tx.execute(key.with_for_update(read=True)).scalar() is not None:
            raise KeyRevoked
    if maker.kind == "person":
        person = select(people.c.active).where(people.c.org_id == party.org_id, people.c.id == maker.id)
        if not tx.execute(person.with_for_update(read=True)).scalar():
            raise Unauthorized("This person is no longer active.")
        via = _came_in_by(tx, party)
    told = maker.model_dump() | ({_VIA: via} if via else {})
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def maker_of(row: AnyRow) -> Actor | None:
    """Return who made it; None if it is older than this record."""
    return None if row.created_by is None else Actor.model_validate_json(row.created_by)


def chain_of(created_by: str | None) -> list[str]:
    """Return the ids of who made something, of who made the link by which they had come in, and so on: each
    once, so that no chain is longer than there are keys and people."""
    if created_by is None:
        return []
    told = json.loads(created_by)
    return list(dict.fromkeys(each for each in (told["id"], *told.get(_VIA, ())) if each is not None))


def _came_in_by(tx: Tx, party: Party) -> list[str]:
    """Return the ids of those who made the links by which a person came in. The session is locked, so that it
    does not end until the transaction does. Raises Unauthorized if it has."""
    if party.session is None:
        return []
    this = (sessions.c.org_id == party.org_id, sessions.c.digest == party.session)
    session = tx.execute(select(sessions.c.created_by).where(*this).with_for_update(read=True)).first()
    if session is None:
        raise Unauthorized("Nobody is signed in here any longer. Sign in once more.")
    return chain_of(session.created_by)

"""Who made a key, a person, a feed, a webhook, a source or a link: they outlive who made them. Of a person
who came in by a link, it is kept who had made that link, and so on: they may have been somebody else."""

import json
from collections.abc import Sequence, Set
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
    all that was made in sessions that began by their links.

    Whoever ends it must not end themselves: `spared` are the ids of the person who does, and of those by
    whose links they came in; none for anybody else. What this person made, coming in that way, is not part of
    it; what others made who had come in by links of theirs is, if it is those others who go. What was made
    under their name, but by another way, is: it was perhaps somebody else."""

    maker_id: str
    ids: Set[str]
    spared: Sequence[str]

    def has(self, row: AnyRow) -> bool:
        """Return whether something (`created_by`) belongs to it."""
        return any(each in self.ids for each in unspared(chain_of(row.created_by), self.spared))

    def has_way_in(self, row: AnyRow) -> bool:
        """Return whether a way into somebody's account belongs to it: into `person_id`, by whoever
        `created_by` is. Of the maker, none does: whether they may come in is said of themselves."""
        if row.person_id == self.maker_id:
            return False
        if self.spared and _each_once([row.person_id, *chain_of(row.created_by)]) == list(self.spared):
            return False
        return self.has(row)


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
        via = _came_in_by(tx, party, locked=True)
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
    return _each_once([each for each in (told["id"], *told.get(_VIA, ())) if each is not None])


def spared_by(tx: Tx, party: Party) -> list[str]:
    """Return who is spared if a party ends what others have made (`Descent`)."""
    if party.actor.kind != "person" or party.actor.id is None:
        return []
    return _each_once([party.actor.id, *_came_in_by(tx, party)])


def unspared(chain: Sequence[str], spared: Sequence[str]) -> Sequence[str]:
    """Return a chain without its end, if that is who is spared: what is left came in by links of theirs, and
    answers for itself."""
    comes_from_them = bool(spared) and list(chain[-len(spared) :]) == list(spared)
    return chain[: -len(spared)] if comes_from_them else chain


def _came_in_by(tx: Tx, party: Party, *, locked: bool = False) -> list[str]:
    """Return the ids of those who made the links by which a person came in. A session that is locked does not
    end until the transaction does. Raises Unauthorized if it has ended."""
    if party.session is None:
        return []
    this = (sessions.c.org_id == party.org_id, sessions.c.digest == party.session)
    found = select(sessions.c.created_by).where(*this)
    session = tx.execute(found.with_for_update(read=True) if locked else found).first()
    if session is None:
        raise Unauthorized("Nobody is signed in here any longer. Sign in once more.")
    return chain_of(session.created_by)


def _each_once(ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(ids))

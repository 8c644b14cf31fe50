"""Who made a key, a feed, a webhook or a source: they outlive the key that made them."""

from collections.abc import Collection

from sqlalchemy import select

from kalends.core.errors import KeyRevoked, Unauthorized
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import api_keys, people
from kalends.schemas.appointments import Actor
from kalends.services.outbox.parties import Party


def stamp(tx: Tx, party: Party) -> str:
    """Return what is stored of the party that makes something. Until the transaction ends, its key can't be
    revoked: a revocation sees everything that the key has made. Raises KeyRevoked if the key was revoked
    since the call came in, Unauthorized if the person is no longer active."""
    maker = party.actor
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
    return maker.model_dump_json()


def maker_of(row: AnyRow) -> Actor | None:
    """Return who made it; None if it is older than this record."""
    return None if row.created_by is None else Actor.model_validate_json(row.created_by)


def made_by(row: AnyRow, key_ids: Collection[str]) -> bool:
    """Tell whether one of these keys made it."""
    maker = maker_of(row)
    return maker is not None and maker.id in key_ids

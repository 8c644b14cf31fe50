"""Who made what: of keys, feeds and webhooks, which outlive the key that made them."""

from collections.abc import Collection

from sqlalchemy import select

from kalends.core.errors import KeyRevoked
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import api_keys
from kalends.schemas.appointments import Actor


def stamp(tx: Tx, org_id: str, maker: Actor) -> str:
    """What is stored of whoever makes something. A key can't be revoked until it is made, so whoever revokes
    it then sees what it has made. Raises KeyRevoked if it was revoked since the call came in."""
    if maker.kind == "api_key":
        mine = select(api_keys.c.revoked_at).where(api_keys.c.org_id == org_id, api_keys.c.id == maker.id)
        if tx.execute(mine.with_for_update(read=True)).scalar() is not None:
            raise KeyRevoked
    return maker.model_dump_json()


def maker_of(row: AnyRow) -> Actor | None:
    """Who made it; None if that was not kept yet."""
    return None if row.created_by is None else Actor.model_validate_json(row.created_by)


def made_by(row: AnyRow, key_ids: Collection[str]) -> bool:
    """Whether one of these keys made it."""
    maker = maker_of(row)
    return maker is not None and maker.id in key_ids

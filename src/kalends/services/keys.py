"""API keys: finding, making and revoking them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, insert, select, update

from kalends.core.caller import SCOPES, Caller
from kalends.core.errors import Malformed, NotFound
from kalends.core.plans import hourly_limit
from kalends.core.text import named
from kalends.db.batches import MOST_PER_STATEMENT
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import api_keys, organizations
from kalends.ids import digest, new_api_key, new_id
from kalends.schemas.appointments import Actor
from kalends.schemas.organizations import Key
from kalends.services import events, makers, parties
from kalends.services.organizations import row_of
from kalends.services.parties import Party

DEFAULT_SCOPES = ("read", "write", "delete")
_SHOWN = 12
"""How much of a key is kept to tell keys apart: too little to help anyone guess the rest."""


def find(tx: Tx, digests: Sequence[bytes]) -> Mapping[bytes, Caller]:
    """The callers behind at most MOST_PER_STATEMENT digests, revoked and expired ones included."""
    size = next(size for size in _FIND if size >= len(digests))
    padded = [*digests, *[digests[-1]] * (size - len(digests))]
    rows = tx.execute(_FIND[size], {f"digest_{place}": each for place, each in enumerate(padded)})
    return {row.digest: _caller(row) for row in rows}


def create(
    tx: Tx,
    org: str,
    *,
    name: str | None,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    lifetime: timedelta | None,
    now: datetime,
    by: Actor = parties.OPERATOR,
    secret: str | None = None,
) -> dict[str, Any]:
    """Make a key for an organization (its id or slug): its row, and the secret under `key`, this once.

    Raises NotFound for an unknown organization, Malformed for a bad name, an unknown scope or an expiry
    beyond the year 9999, KeyRevoked if the key that makes it was revoked meanwhile. `secret` is for
    the demo, whose key everybody knows.
    """
    owner = row_of(tx, org)
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise Malformed(f"There is no scope '{unknown[0]}'; the scopes are {', '.join(SCOPES)}.")
    try:
        expires_at = None if lifetime is None else now + lifetime
    except OverflowError:
        raise Malformed("The key would expire after the year 9999; leave the expiry out instead.") from None
    secret = secret or new_api_key(sandbox=owner.sandbox)
    row = {
        "org_id": owner.id,
        "id": new_id("key"),
        "name": None if name is None else named(name),
        "digest": digest(secret),
        "prefix": secret[:_SHOWN],
        "scopes": [scope for scope in SCOPES if scope in scopes],
        "created_by": makers.stamp(tx, owner.id, by),
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
        "last_used_at": None,
    }
    tx.execute(insert(api_keys), row)
    _tell(tx, "key.created", shown(row), by, now)
    return row | {"key": secret}


def all_of(tx: Tx, org: str) -> Sequence[AnyRow]:
    """The keys of an organization (its id or slug), oldest first, revoked ones included. Raises NotFound."""
    owner = row_of(tx, org)
    mine = select(api_keys).where(api_keys.c.org_id == owner.id).order_by(api_keys.c.id)
    return tx.execute(mine).all()


def shown(row: Mapping[str, Any]) -> Key:
    """A row of `api_keys` as the API shows it."""
    return Key.model_validate(dict(row))


def get(tx: Tx, org_id: str, key_id: str) -> Key:
    """One key of an organization. Raises NotFound."""
    row = tx.execute(select(api_keys).where(api_keys.c.org_id == org_id, api_keys.c.id == key_id)).first()
    if row is None:
        raise no_key(key_id)
    return shown(dict(row._mapping))


def revoke(
    tx: Tx, key_id: str, now: datetime, *, org_id: str | None = None, by: Actor = parties.OPERATOR
) -> datetime:
    """Revoke a key from the next request on, and tell since when it is revoked; twice is once. The
    operator may revoke any key, an organization only its own (`org_id`).

    Raises NotFound for an unknown key.
    """
    mine = [api_keys.c.id == key_id] + ([api_keys.c.org_id == org_id] if org_id is not None else [])
    revoked = update(api_keys).where(*mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
    is_new = tx.execute(revoked).rowcount > 0
    row = tx.execute(select(api_keys).where(*mine)).first()
    if row is None:
        raise no_key(key_id)
    if is_new:
        _tell(tx, "key.revoked", shown(dict(row._mapping)), by, now)
    since: datetime = row.revoked_at
    return since


def no_key(key_id: str) -> NotFound:
    """The refusal of a key that is not there."""
    return NotFound(f"There is no API key with the id '{key_id}'.")


def _tell(tx: Tx, kind: str, key: Key, by: Actor, now: datetime) -> None:
    """Tell of a key, and not how its secret begins: that is for those who may list keys."""
    told = {"key": key.model_dump(mode="json", exclude={"prefix"})}
    events.tell(tx, Party(key.org_id, by), kind, told, key.id, now)


def note_use(tx: Tx, used: Mapping[tuple[str, str], datetime]) -> None:
    """Remember when keys, by (org_id, key id), were last used; never moves a time back."""
    for (org_id, key_id), at in sorted(used.items()):  # in one order, so that no two wait for each other
        tx.execute(
            update(api_keys)
            .where(
                api_keys.c.org_id == org_id,
                api_keys.c.id == key_id,
                api_keys.c.last_used_at.is_(None) | (api_keys.c.last_used_at < at),
            )
            .values(last_used_at=at)
        )


def _caller(row: AnyRow) -> Caller:
    return Caller(
        org_id=row.org_id,
        key_id=row.id,
        key_name=row.name,
        scopes=frozenset(row.scopes),
        timezone=row.timezone,
        sandbox=row.sandbox,
        hourly_limit=hourly_limit(row.plan, row.requests_per_hour),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _found_among(size: int) -> Select[*tuple[Any, ...]]:
    return (
        select(
            api_keys.c.digest,
            api_keys.c.org_id,
            api_keys.c.id,
            api_keys.c.name,
            api_keys.c.scopes,
            api_keys.c.expires_at,
            api_keys.c.revoked_at,
            api_keys.c.last_used_at,
            organizations.c.timezone,
            organizations.c.sandbox,
            organizations.c.plan,
            organizations.c.requests_per_hour,
        )
        .join_from(api_keys, organizations, organizations.c.id == api_keys.c.org_id)
        .where(api_keys.c.digest.in_([bindparam(f"digest_{place}") for place in range(size)]))
    )


_FIND = {size: _found_among(size) for size in (1, 4, 16, MOST_PER_STATEMENT)}
"""One statement for each of a few sizes, made once: a list of any length would be compiled every time,
and prepared by PostgreSQL once per length."""

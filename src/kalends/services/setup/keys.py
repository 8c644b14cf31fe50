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
from kalends.schemas.organizations import Key
from kalends.services.outbox import events, makers
from kalends.services.outbox.parties import Party
from kalends.services.setup.organizations import row_of

DEFAULT_SCOPES = ("read", "write", "delete")
_SHOWN = 12
"""How many characters of a key are kept, to tell keys apart: too few to help anyone guess the rest."""


def find(tx: Tx, digests: Sequence[bytes]) -> Mapping[bytes, Caller]:
    """Return the callers with these digests, at most MOST_PER_STATEMENT; revoked and expired ones too."""
    size = next(size for size in _FIND if size >= len(digests))
    padded = [*digests, *[digests[-1]] * (size - len(digests))]
    rows = tx.execute(_FIND[size], {f"digest_{place}": each for place, each in enumerate(padded)})
    return {row.digest: _caller(row) for row in rows}


def create(
    tx: Tx,
    party: Party,
    now: datetime,
    *,
    name: str | None,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    lifetime: timedelta | None,
    secret: str | None = None,
) -> dict[str, Any]:
    """Make a key for the party's organization. Returns its row, with the secret under `key`, this once.

    Raises Malformed for a bad name, an unknown scope or an expiry beyond the year 9999, KeyRevoked if the key
    that makes it was revoked meanwhile. `secret` is for the demo, whose key everybody knows.
    """
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise Malformed(f"There is no scope '{unknown[0]}'; the scopes are {', '.join(SCOPES)}.")
    try:
        expires_at = None if lifetime is None else now + lifetime
    except OverflowError:
        raise Malformed("The key would expire after the year 9999; leave the expiry out instead.") from None
    if secret is None:
        sandbox = select(organizations.c.sandbox).where(organizations.c.id == party.org_id)
        secret = new_api_key(sandbox=tx.execute(sandbox).scalar_one())
    row = {
        "org_id": party.org_id,
        "id": new_id("key"),
        "name": None if name is None else named(name),
        "digest": digest(secret),
        "prefix": secret[:_SHOWN],
        "scopes": [scope for scope in SCOPES if scope in scopes],
        "created_by": makers.stamp(tx, party),
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
        "last_used_at": None,
    }
    tx.execute(insert(api_keys), row)
    _tell(tx, party, "key.created", shown(row), now)
    return row | {"key": secret}


def all_of(tx: Tx, org: str) -> Sequence[AnyRow]:
    """Return the keys of an organization (its id or slug), oldest first, revoked ones included. Raises
    NotFound."""
    owner = row_of(tx, org)
    every = select(api_keys).where(api_keys.c.org_id == owner.id).order_by(api_keys.c.id)
    return tx.execute(every).all()


def shown(row: Mapping[str, Any]) -> Key:
    """Return a row of `api_keys` as the API shows it."""
    return Key.model_validate(dict(row))


def get(tx: Tx, org_id: str, key_id: str) -> Key:
    """Return one key of an organization. Raises NotFound."""
    row = tx.execute(select(api_keys).where(api_keys.c.org_id == org_id, api_keys.c.id == key_id)).first()
    if row is None:
        raise _no_key(key_id)
    return shown(dict(row._mapping))


def owner_of(tx: Tx, key_id: str) -> str:
    """Return the id of the organization that has this key. Raises NotFound."""
    owner = tx.execute(select(api_keys.c.org_id).where(api_keys.c.id == key_id)).scalar()
    if owner is None:
        raise _no_key(key_id)
    return owner


def revoke(tx: Tx, party: Party, key_id: str, now: datetime) -> Key:
    """Revoke a key from the next request on; one that is revoked stays so since then. Returns the key.

    Raises NotFound for an unknown key.
    """
    this = (api_keys.c.org_id == party.org_id, api_keys.c.id == key_id)
    revoked = update(api_keys).where(*this, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
    is_new = tx.execute(revoked).rowcount > 0
    key = get(tx, party.org_id, key_id)
    if is_new:
        _tell(tx, party, "key.revoked", key, now)
    return key


def _no_key(key_id: str) -> NotFound:
    return NotFound(f"There is no API key with the id '{key_id}'.")


def _tell(tx: Tx, party: Party, event_type: str, key: Key, now: datetime) -> None:
    """Store an event about a key, without the beginning of its secret: that is for those who may list
    keys."""
    content = {"key": key.model_dump(mode="json", exclude={"prefix"})}
    events.tell(tx, party, event_type, content, key.id, now)


def note_use(tx: Tx, used: Mapping[tuple[str, str], datetime]) -> None:
    """Store when keys, by (org_id, key id), were last used; no time is moved back."""
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
        manage_url_template=row.manage_url_template,
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
            organizations.c.manage_url_template,
        )
        .join_from(api_keys, organizations, organizations.c.id == api_keys.c.org_id)
        .where(api_keys.c.digest.in_([bindparam(f"digest_{place}") for place in range(size)]))
    )


_FIND = {size: _found_among(size) for size in (1, 4, 16, MOST_PER_STATEMENT)}
"""One statement for each of a few sizes, made once: a list of any length would be compiled every time,
and prepared by PostgreSQL once per length."""

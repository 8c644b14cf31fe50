"""The addresses and passwords of sources in the database: sealed if a key is set, and sealed again under a
newer key."""

from typing import Any

from sqlalchemy import select, update

from kalends.db.database import AnyRow, Tx
from kalends.db.tables import sources
from kalends.vault import SealedError, Vault

_MOST_AT_ONCE = 200
_INSTEAD = "delete the source and make it again"


def opened(row: AnyRow, vault: Vault) -> tuple[str, str | None]:
    """Return the address of a source, and the password if it has one. Raises SealedError if they can't be
    read."""
    place = row.org_id, row.id
    url = vault.open(row.sealed_by, row.url, *place, "url", instead=_INSTEAD)
    if row.password is None:
        return url, None
    return url, vault.open(row.sealed_by, row.password, *place, "password", instead=_INSTEAD)


def sealed(org_id: str, source_id: str, vault: Vault, url: str, password: str | None) -> dict[str, Any]:
    """Return the columns that keep an address and a password."""
    place = org_id, source_id
    return {
        "sealed_by": vault.name,
        "url": vault.seal(url, *place, "url"),
        "password": None if password is None else vault.seal(password, *place, "password"),
    }


def reseal(tx: Tx, vault: Vault, name: str, after: str) -> str | None:
    """Seal what is stored of some sources with the present key, if it is stored under another key's `name`,
    or in clear, and their ids come `after` one. Returns the last of these ids; None if no sources are left.

    What can't be opened stays as it is.
    """
    wanted = select(sources).where(sources.c.sealed_by == name, sources.c.id > after)
    some = wanted.order_by(sources.c.id).limit(_MOST_AT_ONCE)
    rows = tx.execute(some.with_for_update(key_share=True)).all()
    for row in rows:
        try:
            resealed = sealed(row.org_id, row.id, vault, *opened(row, vault))
        except SealedError:
            continue
        tx.execute(
            update(sources).where(sources.c.org_id == row.org_id, sources.c.id == row.id).values(resealed)
        )
    return str(rows[-1].id) if rows else None

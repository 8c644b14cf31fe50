"""The secrets of webhooks in the database: sealed if a key is set, and sealed again under a newer key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, literal_column, select, update

from kalends.db.database import AnyRow, Tx
from kalends.db.tables import receivers
from kalends.vault import SealedError, Vault

_MOST_AT_ONCE = 200
_INSTEAD = "have a new secret made (POST /v1/webhooks/{id}/rotate-secret)"


def present(row: AnyRow, vault: Vault) -> str:
    """Return the secret that signs. Raises SealedError if it can't be read."""
    return vault.open(row.sealed_by, row.secret, row.org_id, row.id, "secret", instead=_INSTEAD)


def former(row: AnyRow, now: datetime, vault: Vault) -> Sequence[str]:
    """Return earlier secrets that still sign, newest first. Raises SealedError if they can't be read."""
    if not row.old_secret or row.old_secret_until <= now:
        return ()
    place = row.org_id, row.id, "old_secret"
    return vault.open(row.sealed_by, row.old_secret, *place, instead=_INSTEAD).split()


def sealed(
    org_id: str, webhook_id: str, vault: Vault, secret: str, old: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the columns that keep secrets; earlier secrets are given newest first."""
    place = (org_id, webhook_id)
    return {
        "sealed_by": vault.name,
        "secret": vault.seal(secret, *place, "secret"),
        "old_secret": vault.seal(" ".join(old), *place, "old_secret") if old else None,
    }


def seal_anew(tx: Tx, vault: Vault, name: str, after: str, now: datetime) -> str | None:
    """Seal some secrets with the present key that are stored under another key's `name`, or in clear, of
    webhooks whose ids come `after` one. Returns the last of these ids; None if no webhooks are left.

    Secrets that can't be opened stay as they are.
    """
    wanted = select(receivers).where(_IS_WEBHOOK, receivers.c.sealed_by == name, receivers.c.id > after)
    some = wanted.order_by(receivers.c.id).limit(_MOST_AT_ONCE)
    rows = tx.execute(some.with_for_update(key_share=True)).all()
    for row in rows:
        try:
            resealed = sealed(row.org_id, row.id, vault, present(row, vault), former(row, now, vault))
        except SealedError:
            continue
        this = (receivers.c.org_id == row.org_id, receivers.c.id == row.id)
        tx.execute(update(receivers).where(*this).values(resealed))
    return str(rows[-1].id) if rows else None


def forget_old(tx: Tx, now: datetime) -> int:
    """Remove some old secrets that no longer sign. Returns how many."""
    rows = tx.execute(
        select(receivers.c.org_id, receivers.c.id)
        .where(receivers.c.old_secret_until.is_not(None), receivers.c.old_secret_until <= now)
        .limit(_MOST_AT_ONCE)
    ).all()
    for row in rows:
        this = (receivers.c.org_id == row.org_id, receivers.c.id == row.id)
        still = (*this, receivers.c.old_secret_until <= now)
        tx.execute(update(receivers).where(*still).values(old_secret=None, old_secret_until=None))
    return len(rows)


_IS_WEBHOOK: ColumnElement[bool] = receivers.c.kind == literal_column("'webhook'")
"""In the index's own words, so that it is used by prepared statements, too."""

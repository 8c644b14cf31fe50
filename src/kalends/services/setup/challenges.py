"""Challenges: what a browser has to answer, once, soon, and for the purpose for which it was asked. The
browser is known by a cookie, of which the digest is stored."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from kalends.db.database import Tx
from kalends.db.tables import challenges
from kalends.ids import digest

LIFETIME = timedelta(minutes=5)
"""How long a browser may take to answer."""


def new_content() -> bytes:
    """Return a challenge that nobody can guess."""
    return secrets.token_bytes(32)


def put(tx: Tx, browser: str, purpose: str, content: bytes, now: datetime) -> None:
    """Keep what a browser was asked, under a cookie that is new each time. What nobody has answered in
    time is forgotten."""
    tx.execute(delete(challenges).where(challenges.c.expires_at <= now))
    row = {"digest": digest(browser), "purpose": purpose, "content": content, "expires_at": now + LIFETIME}
    tx.execute(insert(challenges), row)


def take(tx: Tx, browser: str, purpose: str, now: datetime) -> bytes | None:
    """Return what a browser was asked, which is used up by that. None if it was not asked, or for another
    purpose, or too long ago."""
    this = challenges.c.digest == digest(browser)
    found = tx.execute(select(challenges).where(this).with_for_update()).first()
    if found is None:
        return None
    tx.execute(delete(challenges).where(this))
    return found.content if found.purpose == purpose and found.expires_at > now else None

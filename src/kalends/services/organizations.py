"""Organizations: making and listing them."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from kalends.core.errors import AlreadyExists, Malformed
from kalends.core.hours import zone_names
from kalends.core.plans import DEFAULT, REQUESTS_PER_HOUR
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import calendars, organizations
from kalends.db.verbs import insert_new
from kalends.ids import new_id

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
MONDAY = 1


def create(
    tx: Tx,
    *,
    name: str,
    timezone: str = "UTC",
    slug: str | None = None,
    plan: str = DEFAULT,
    requests_per_hour: int | None = None,
    sandbox: bool = False,
    now: datetime,
    org_id: str | None = None,
    calendar_id: str | None = None,
) -> dict[str, Any]:
    """Make an organization and its default calendar; the new row.

    `timezone` is an IANA name; `slug` is made from the name where it is not given; the ids are
    for the demo. Raises Malformed for bad values, AlreadyExists where the slug is taken.
    """
    name = name.strip()
    if not name or len(name) > 255 or "\x00" in name:
        raise Malformed("The name must have 1 to 255 characters.")
    if timezone not in zone_names():
        raise Malformed(f"'{timezone}' is not a time zone; use an IANA name such as Europe/Berlin.")
    if plan not in REQUESTS_PER_HOUR:
        raise Malformed(f"There is no plan '{plan}'; the plans are {', '.join(REQUESTS_PER_HOUR)}.")
    if requests_per_hour is not None and not (plan == "enterprise" and 1 <= requests_per_hour < 2**31):
        raise Malformed(
            "A number of requests per hour of its own (at least 1) goes with the plan enterprise."
        )
    slug = _slug_of(name) if slug is None else slug
    if not _SLUG.fullmatch(slug):
        raise Malformed(
            f"'{slug}' can't be a slug: use 1 to 63 lower-case letters, digits and hyphens (--slug)."
        )
    org_id = org_id or new_id("org")
    row = {
        "id": org_id,
        "name": name,
        "slug": slug,
        "timezone": timezone,
        "week_start": MONDAY,
        "plan": plan,
        "requests_per_hour": requests_per_hour,
        "sandbox": sandbox,
        "created_at": now,
        "updated_at": now,
    }
    if not insert_new(tx, organizations, row):
        raise AlreadyExists(f"There is already an organization with the slug '{slug}'.")
    tx.execute(
        insert(calendars),
        {
            "org_id": org_id,
            "id": calendar_id or new_id("cal"),
            "name": name,
            "is_default": True,
            "created_at": now,
            "updated_at": now,
        },
    )
    return row


def all_of(tx: Tx) -> Sequence[AnyRow]:
    """Every organization, oldest first."""
    return tx.execute(select(organizations).order_by(organizations.c.created_at, organizations.c.id)).all()


def _slug_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")

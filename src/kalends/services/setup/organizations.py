"""Organizations: making and listing them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import and_, insert, select, update

from kalends.core.caller import Host
from kalends.core.errors import AlreadyExists, Conflict, Malformed, NotFound
from kalends.core.hours import zone_names
from kalends.core.plans import DEFAULT, REQUESTS_PER_HOUR, hourly_limit
from kalends.core.slugs import SLUG, slug_of
from kalends.core.text import named
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import calendars, organizations, schedules, slugs
from kalends.db.verbs import insert_new
from kalends.ids import new_id
from kalends.schemas.fields import Language
from kalends.schemas.organizations import Organization, OrganizationAnswer, OrganizationChange
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.outbox import events
from kalends.services.outbox.parties import Party

_LANGUAGE: TypeAdapter[str | None] = TypeAdapter(Language)
MONDAY = 1
CLIENT_NOTICE_HOURS = 24
CLIENT_GRACE_MINUTES = 15
MOST_FORMER_SLUGS = 20
"""Per organization, since nobody else gets them."""
PUBLIC_BOOKINGS_PER_HOUR = 200
_OF_PROGRAMS = {"api", "appointments", "docs", "feeds", "healthz", "metrics", "openapi", "readyz", "v1"}
_OF_PAGES = {"admin", "auth", "embed", "hold", "login", "manage", "sign-in", "staff", "static"}
RESERVED_SLUGS = frozenset(_OF_PROGRAMS | _OF_PAGES)
"""Names with another meaning where paths have slugs. An organization that took one before it was reserved
keeps it: the API works as ever, and its pages are there once it takes another slug."""


def create(
    tx: Tx,
    *,
    name: str,
    timezone: str = "UTC",
    slug: str | None = None,
    plan: str = DEFAULT,
    requests_per_hour: int | None = None,
    sandbox: bool = False,
    language: str | None = None,
    now: datetime,
    org_id: str | None = None,
    calendar_id: str | None = None,
) -> dict[str, Any]:
    """Make an organization with its default calendar and schedule. Returns the new row.

    `timezone` is an IANA name; `language` a BCP 47 tag, of mails to staff; `slug` is made from the name if it
    is not given; the ids are for the demo. Raises Malformed for bad values, AlreadyExists if the slug is
    taken.
    """
    name = named(name)
    if timezone not in zone_names():
        raise Malformed(f"'{timezone}' is not a time zone; use an IANA name such as Europe/Berlin.")
    if plan not in REQUESTS_PER_HOUR:
        raise Malformed(f"There is no plan '{plan}'; the plans are {', '.join(REQUESTS_PER_HOUR)}.")
    if requests_per_hour is not None and not (plan == "enterprise" and 1 <= requests_per_hour < 2**31):
        raise Malformed(
            "A number of requests per hour of its own goes with the plan enterprise, and is 1 to 2147483647."
        )
    try:
        language = _LANGUAGE.validate_python(language)
    except ValueError:
        raise Malformed(f"'{language}' is not a language tag; use one such as en-GB, de or pt-BR.") from None
    slug = slug_of(name) if slug is None else slug
    if not SLUG.fullmatch(slug):
        raise Malformed(
            f"'{slug}' can't be a slug: use 1 to 63 lower-case letters, digits and hyphens (--slug)."
        )
    if slug in RESERVED_SLUGS:
        raise _reserved(slug, how=" (--slug)")
    if (theirs := tx.execute(select(slugs.c.given_up_at).where(slugs.c.slug == slug)).first()) is not None:
        raise _taken(slug, former=theirs.given_up_at is not None, how=" (--slug)")
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
        "client_notice_hours": CLIENT_NOTICE_HOURS,
        "client_grace_minutes": CLIENT_GRACE_MINUTES,
        "notification_email": None,
        "language": language,
        "clients_confirm_by_mail": False,
        "public_bookings_per_hour": PUBLIC_BOOKINGS_PER_HOUR,
        "created_at": now,
        "updated_at": now,
    }
    # Of two transactions at once, the second waits here for the first.
    if not insert_new(tx, organizations, row) or not _claim(tx, org_id, slug):
        raise _taken(slug, former=False, how=" (--slug)")
    common = {"org_id": org_id, "name": name, "is_default": True, "created_at": now, "updated_at": now}
    tx.execute(insert(calendars), common | {"id": calendar_id or new_id("cal"), "is_active": True})
    tx.execute(insert(schedules), common | {"id": new_id("sched")})
    return row


def get(tx: Tx, org_id: str) -> Organization:
    """Return the organization as the API shows it."""
    # In one statement, with a row for each former slug.
    rows = tx.execute(
        select(organizations, slugs.c.slug.label("former"))
        .outerjoin_from(
            organizations, slugs, and_(slugs.c.org_id == organizations.c.id, slugs.c.given_up_at.is_not(None))
        )
        .where(organizations.c.id == org_id)
        .order_by(slugs.c.given_up_at, slugs.c.slug)
    ).all()
    limit = hourly_limit(rows[0].plan, rows[0].requests_per_hour)
    former = [row.former for row in rows if row.former is not None]
    logo = logo_path(rows[0].slug, rows[0].logo)
    shown = {**rows[0]._mapping, "requests_per_hour": limit, "former_slugs": former, "logo": logo}
    return Organization.model_validate(shown)


def logo_path(slug: str, digest: str | None) -> str | None:
    """Return the path of the logo with this digest, which is another path for each picture; None if there is
    none."""
    return None if digest is None else f"/{slug}/logo?v={digest}"


def change(
    tx: Tx, party: Party, wish: OrganizationChange, now: datetime, *, no_links: str | None = None
) -> Organization:
    """Change what is sent. Another zone moves no appointment; a former slug stays the organization's own.
    `no_links` is why this server mails no links to clients, if it mails none.

    Raises AlreadyExists if a slug is taken, Conflict if there are too many former slugs, Malformed if clients
    are to confirm by mail though no links are mailed, and for another value of what can't be changed.
    """
    org_id = party.org_id
    sent = wish.sent()
    present = get(tx, org_id)
    wish.must_agree(present)
    if no_links is not None and sent.get("clients_confirm_by_mail") and not present.clients_confirm_by_mail:
        reason = f"can't be true: {no_links}"
        raise malformed([wrong("clients_confirm_by_mail", reason, "unavailable")])
    if "slug" in sent:
        _change_slug(tx, org_id, sent["slug"], now)
    tx.execute(update(organizations).where(organizations.c.id == org_id).values(**sent, updated_at=now))
    changed = get(tx, org_id)
    events.tell(tx, party, "organization.updated", OrganizationAnswer.of(changed), org_id, now)
    return changed


def _reserved(slug: str, how: str = "") -> AlreadyExists:
    return AlreadyExists(
        f"The slug '{slug}' is reserved for the server's own paths; choose another{how}.", reserved=True
    )


def _change_slug(tx: Tx, org_id: str, slug: str, now: datetime) -> None:
    """Make a slug the organization's present one, and the present one a former one."""
    own = select(organizations.c.slug).where(organizations.c.id == org_id)
    present = tx.execute(
        own.with_for_update(key_share=True)
    ).scalar_one()  # of two at once, one after another
    if slug == present:
        return
    if slug in RESERVED_SLUGS:
        raise _reserved(slug)
    if not _claim(tx, org_id, slug):
        theirs = tx.execute(select(slugs).where(slugs.c.slug == slug)).one()
        if theirs.org_id != org_id:
            raise _taken(slug, former=theirs.given_up_at is not None)
        _mark(tx, org_id, slug, None)
    _mark(tx, org_id, present, now)
    former = select(slugs.c.slug).where(slugs.c.org_id == org_id, slugs.c.given_up_at.is_not(None))
    known = tx.execute(former.order_by(slugs.c.given_up_at, slugs.c.slug)).scalars().all()
    if len(known) > MOST_FORMER_SLUGS:
        known = [each for each in known if each != present]
        raise Conflict(
            f"The organization has given up {MOST_FORMER_SLUGS} slugs, which stay reserved for it: that is "
            f"as many as there may be. It may take one of them back: {', '.join(known)}.",
            former_slugs=known,
        )


def _claim(tx: Tx, org_id: str, slug: str) -> bool:
    """Make a slug the organization's own, if it is free. Returns whether it was. Of two transactions at once,
    the second waits for the first."""
    return insert_new(tx, slugs, {"org_id": org_id, "slug": slug, "given_up_at": None})


def _mark(tx: Tx, org_id: str, slug: str, given_up_at: datetime | None) -> None:
    this = (slugs.c.org_id == org_id, slugs.c.slug == slug)
    tx.execute(update(slugs).where(*this).values(given_up_at=given_up_at))


def _taken(slug: str, *, former: bool, how: str = "") -> AlreadyExists:
    if former:
        return AlreadyExists(
            f"The slug '{slug}' was another organization's and stays reserved for it, since its links are "
            f"out there; choose another{how}."
        )
    return AlreadyExists(f"There is already an organization with the slug '{slug}'.")


def hosts(tx: Tx, asked: Sequence[str]) -> Mapping[str, Host]:
    """Return the organizations with these slugs, present or former ones, by slug."""
    found = select(organizations, slugs.c.slug.label("asked")).join_from(
        slugs, organizations, organizations.c.id == slugs.c.org_id
    )
    return {row.asked: host_of(row) for row in tx.execute(found.where(slugs.c.slug.in_(asked)))}


def front(tx: Tx, asked: Sequence[str]) -> Mapping[str, str]:
    """Return the slug of the only organization with pages, under every name that is `asked` for; nothing if
    none or several have pages."""
    found = tx.execute(select(organizations.c.slug).where(organizations.c.page).limit(2)).scalars().all()
    if len(found) != 1 or found[0] in RESERVED_SLUGS:
        return {}
    return dict.fromkeys(asked, found[0])


def host_of(row: AnyRow) -> Host:
    """Return the host in a row with the columns of `organizations`."""
    known = {each.name: getattr(row, each.name) for each in fields(Host) if each.name != "org_id"}
    return Host(org_id=row.id, **known)


def all_of(tx: Tx) -> Sequence[AnyRow]:
    """Return every organization, oldest first."""
    return tx.execute(select(organizations).order_by(organizations.c.created_at, organizations.c.id)).all()


def row_of(tx: Tx, org: str) -> AnyRow:
    """Return the row of the organization with this id or slug, present or former. Raises NotFound."""
    by_slug = select(slugs.c.org_id).where(slugs.c.slug == org)
    found = select(organizations).where(
        (organizations.c.id == org) | organizations.c.id.in_(by_slug.scalar_subquery())
    )
    row = tx.execute(found).first()
    if row is None:
        raise NotFound(f"There is no organization with the id or slug '{org}'.")
    return row

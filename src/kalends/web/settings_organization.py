"""The organization: its name and zone, what clients read, the rules for them, and its pages."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import AppointmentsInTheWay, Refusal
from kalends.schemas.organizations import Organization, OrganizationAnswer, OrganizationChange
from kalends.services.setup import as_seen, organizations
from kalends.web import left_alone, problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.readers import Reader
from kalends.web.setting_forms import REFUSALS, Told, blank_is_none, seen_in, told, whole
from kalends.web.settings_pages import settings_page
from kalends.web.staff_visits import Entered, EnteredAdministering, EnteredCall, EnteredChange
from kalends.web.visits import lead_to, reader_of
from kalends.words.languages import LANGUAGES, own_name
from kalends.words.sentences import marked

PATH = "/staff/settings/organization"
_ORGANIZATION = marked("Organization")
LABELS: Mapping[str, str] = {
    "name": marked("Name"),
    "timezone": marked("Time zone"),
    "language": marked("Language"),
    "week_start": marked("First day of the week"),
    "notification_email": marked("E-mail address of the staff"),
    "intro": marked("Welcome"),
    "address": marked("Address"),
    "phone": marked("Phone"),
    "contact_email": marked("E-mail"),
    "privacy_url": marked("Link to the privacy policy"),
    "terms_url": marked("Link to the terms"),
    "color": marked("Colour"),
    "client_notice_hours": marked("Hours before the start until which clients can cancel or move"),
    "client_grace_minutes": marked("Minutes after booking in which they always can"),
    "public_bookings_per_hour": marked("Most online bookings in an hour"),
    "slug": marked("Name in the address"),
    "embed_origins": marked("Sites that may show the booking page"),
    "manage_url_template": marked("Address of your own page for clients' links"),
}
_NUMBERS = ("week_start", "client_notice_hours", "client_grace_minutes", "public_bookings_per_hour")
_LINES = "embed_origins"
_BOXES = ("clients_confirm_by_mail", "page", "indexing")

router = APIRouter(prefix=PATH, include_in_schema=False)


@router.get("")
async def see(call: Entered) -> Response:
    """Show the organization."""
    return await _page(call)


@router.post("")
async def save(change: EnteredAdministering) -> Response:
    """Change the organization."""
    form = await form_of(change.request)
    try:
        await change_as(change, _body(form, reader_of(change)), form)
    except REFUSALS as refusal:
        return await _page(change, form, refusal)
    return lead_to(change, reader_of(change).link(PATH, saved="1"))


async def change_as(change: EnteredChange, body: Mapping[str, Any], form: Form) -> None:
    """Change the organization, if it is still as it was seen. Raises Malformed, Conflict,
    PreconditionFailed."""
    org_id, no_links = change.org_id, change.context.no_links
    wish = validated(OrganizationChange, body)
    await change.make(
        OrganizationAnswer.of,
        as_seen.change,
        org_id,
        form.text("seen"),
        lambda tx: organizations.get(tx, org_id),
        left_alone.unless(
            change,
            form,
            lambda tx: organizations.change(tx, change.party, wish, change.now, no_links=no_links),
        ),
    )


def refused(call: EnteredCall, refusal: Refusal | None, reader: Reader, form: str) -> dict[str, Any]:
    """Return what a page says of a refusal of the organization's fields, which the form with this id has."""
    if refusal is None:
        return {"told": Told(), "status": 200}
    if isinstance(refusal, AppointmentsInTheWay):  # the zone is that of the opening hours
        said = left_alone.asked(call, refusal, reader, form, "save")
        return {"told": said, "status": problems.noted(call.request, refusal)}
    labels = {name: reader.say(label) for name, label in LABELS.items()}
    said = told(refusal, reader, labels, lambda field: field.partition(".")[0])
    return {"told": said, "status": problems.noted(call.request, refusal)}


def zone_in(form: Form, reader: Reader) -> str:
    """Return the IANA name of the zone that was typed; what names none as it is, for the API to refuse."""
    return reader.zone_called(form.text("zone")) or form.text("zone")


def _body(form: Form, reader: Reader) -> dict[str, Any]:
    texts = {name: blank_is_none(form.text(name)) for name in LABELS if name not in (*_NUMBERS, _LINES)}
    texts |= {"name": form.text("name"), "slug": form.text("slug").strip(), "timezone": zone_in(form, reader)}
    boxes = {name: bool(form.text(name)) for name in _BOXES}
    origins = [each.strip() for each in form.text(_LINES).split("\n") if each.strip()]
    return texts | boxes | {name: whole(form.text(name)) for name in _NUMBERS} | {_LINES: origins}


def _shown(organization: Organization) -> dict[str, str]:
    """Return the fields of the form, as they show an organization."""
    stored = organization.model_dump()
    shown = {name: "" if stored[name] is None else str(stored[name]) for name in LABELS}
    shown |= {name: "1" if stored[name] else "" for name in _BOXES}
    return shown | {_LINES: "\n".join(organization.embed_origins), "zone": organization.timezone}


async def _page(call: EnteredCall, form: Form | None = None, refusal: Refusal | None = None) -> Response:
    """Return the page, with what was typed, if anything was."""
    reader = reader_of(call)
    found = await call.db.read(organizations.get, call.org_id)
    languages = [(each, own_name(each)) for each in LANGUAGES]
    if found.language and found.language not in LANGUAGES:
        languages.append((found.language, found.language))
    days = [
        (str((reader.first_weekday + offset) % 7), name) for offset, (_, name) in enumerate(reader.weekdays())
    ]
    return settings_page(
        call,
        "staff/settings/organization.html",
        reader.say(_ORGANIZATION),
        reader,
        room="organization",
        organization=found,
        typed=form.typed(*LABELS, *_BOXES, "zone") if form else _shown(found),
        seen=seen_in(form, refusal, as_seen.mark(found)),
        languages_known=languages,
        days=days,
        places=reader.places(call.now),
        address=f"{call.base}/{found.slug}",
        snippet=snippet(call, found.slug, reader),
        may_change=call.member.may("admin"),
        action=reader.link(PATH),
        to_logo=reader.link(f"{PATH}/logo"),
        labels={name: reader.say(label) for name, label in LABELS.items()},
        **refused(call, refusal, reader, "organization"),
    )


def snippet(call: EnteredCall, slug: str, reader: Reader) -> str:
    """Return what shows the booking page on another site."""
    words = reader.say(marked("Book an appointment"))
    return (
        f'<script src="{call.base}/embed.js" data-kalends="{slug}"></script>\n'
        f'<noscript><a href="{call.base}/{slug}">{words}</a></noscript>'
    )

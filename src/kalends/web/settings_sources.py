"""The calendars elsewhere whose busy times a calendar keeps."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.public_urls import must_be_public
from kalends.core.errors import Refusal
from kalends.db.database import Tx
from kalends.schemas.calendars import Calendar
from kalends.schemas.sources import Source, SourceAnswer, SourceCreate
from kalends.schemas.wire import Deleted
from kalends.services.setup import calendars, sources
from kalends.web import problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.sent import Name, id_in
from kalends.web.setting_forms import REFUSALS, Told, deed_in, told
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in, new_key
from kalends.web.staff_problems import moment
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredDeleting, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

PATH = "/staff/settings/calendars"
_ELSEWHERE = marked("Calendars elsewhere")
_LABELS: Mapping[str, str] = {
    "kind": marked("Kind"),
    "url": marked("Address"),
    "username": marked("User name"),
    "password": marked("Password"),
}
_KINDS: Mapping[str, str] = {
    "ics": marked("A calendar file, as Google, Outlook and Apple publish them"),
    "caldav": marked("A calendar on a CalDAV server"),
}
_SHOWN = ("kind", "url", "username", "free_timed_events")
"""What is shown again of a form that was refused. A password is not."""
_SENTENCES: Mapping[str, str] = {"conflict": marked("It has as many of them as it may have.")}

router = APIRouter(prefix=f"{PATH}/{{calendar_id}}/sources", include_in_schema=False)


@router.get("")
async def see(calendar_id: Name, call: Entered) -> Response:
    """List the sources of a calendar, and how reading them goes."""
    return await _page(call, calendar_id)


@router.post("")
async def save(calendar_id: Name, change: EnteredWriting) -> Response:
    """Add a source once for each form, or have one read now."""
    form = await form_of(change.request)
    deed, what = deed_in(form)
    id_ = id_in("-".join(what)) or "-"
    now = change.real_now
    try:
        if deed == "refresh":
            await change.make(SourceAnswer.of, sources.refresh, change.party, calendar_id, id_, now)
        else:
            await _add(change, calendar_id, form)
    except REFUSALS as refusal:
        return await _page(change, calendar_id, form, refusal)
    return lead_to(change, reader_of(change).link(f"{PATH}/{calendar_id}/sources", saved="1"))


@router.get("/{source_id}/remove")
async def ask_to_remove(calendar_id: Name, source_id: Name, call: Entered) -> Response:
    """Ask whether a source is to be deleted."""
    source = await call.db.read(sources.get, call.org_id, calendar_id, source_id)
    reader, here = reader_of(call), f"{PATH}/{calendar_id}/sources"
    return asked_again(
        call,
        reader,
        "calendars",
        source.url,
        action=reader.link(f"{here}/{source_id}/remove"),
        back=reader.link(here),
        hint=marked("Its busy times are kept no longer, so others can be booked over them."),
    )


@router.post("/{source_id}/remove")
async def remove(calendar_id: Name, source_id: Name, change: EnteredDeleting) -> Response:
    """Delete a source, and lead to the others."""
    await change.make(Deleted.of, sources.remove, change.party, calendar_id, source_id, change.now)
    return lead_to(change, reader_of(change).link(f"{PATH}/{calendar_id}/sources", saved="1"))


async def _add(change: EnteredChange, calendar_id: str, form: Form) -> None:
    sent = form.sent("kind", "url", "username", "password")
    free = bool(form.text("free_timed_events"))
    wish = validated(SourceCreate, sent | {"free_timed_events": free})
    if not change.settings.sources_allow_private:
        await must_be_public(wish.url)
    party, now, vault = change.party, change.real_now, change.settings.vault
    once = change.for_form(f"source:{key_in(form)}")
    await once.make(SourceAnswer.of, sources.create, party, calendar_id, wish, now, vault=vault)


async def _page(
    call: EnteredCall, calendar_id: str, form: Form | None = None, refusal: Refusal | None = None
) -> Response:
    """Return the page, with what was typed, if anything was. Raises NotFound."""
    reader = reader_of(call)
    calendar, found = await call.db.read(_found, call.org_id, calendar_id)
    labels = {name: reader.say(label) for name, label in _LABELS.items()}
    lines = []
    for each in found:
        read, failing = (
            None if at is None else moment(at, reader, call.timezone, call.real_now)
            for at in (each.last_success_at, each.failing_since)
        )
        lines.append((each, read, failing))
    return settings_page(
        call,
        "staff/settings/sources.html",
        f"{reader.say(_ELSEWHERE)}: {calendar.name}",
        reader,
        room="calendars",
        calendar=calendar,
        lines=lines,
        typed=form.typed(*_SHOWN) if form and "url" in form.fields else dict.fromkeys(_SHOWN, ""),
        kinds=[(sent, reader.say(words)) for sent, words in _KINDS.items()],
        key=new_key(),
        action=reader.link(f"{PATH}/{calendar_id}/sources"),
        back=reader.link(f"{PATH}/{calendar_id}"),
        labels=labels,
        may_delete=call.member.may("delete"),
        told=Told() if refusal is None else told(refusal, reader, labels, sentences=_SENTENCES),
        status=200 if refusal is None else problems.noted(call.request, refusal),
    )


def _found(tx: Tx, org_id: str, calendar_id: str) -> tuple[Calendar, Sequence[Source]]:
    return calendars.get(tx, org_id, calendar_id), sources.all_of(tx, org_id, calendar_id)

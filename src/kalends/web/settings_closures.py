"""Days that differ from the weekly hours: closed ones, ones with other hours, and public holidays."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import AppointmentsInTheWay, Refusal
from kalends.db.database import Tx
from kalends.schemas.hours import (
    HolidaysCreate,
    Override,
    OverrideAnswer,
    OverrideCreate,
    OverridesAnswer,
    Schedule,
)
from kalends.schemas.wire import Deleted
from kalends.services.setup import overrides, public_holidays, schedules
from kalends.web import left_alone, problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.hours_forms import Span
from kalends.web.readers import Reader
from kalends.web.sent import Name, id_in
from kalends.web.setting_forms import REFUSALS, Told, deed_in, told, whole
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in, new_key, today
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredDeleting, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

PATH = "/staff/settings/closures"
_CLOSED = marked("Closed days")
SPANS = 2
"""So many hours of such a day can be entered."""
_LABELS: Mapping[str, str] = {
    "first": marked("First day"),
    "last": marked("Last day"),
    "from-0-0": marked("From"),
    "to-0-0": marked("Until"),
    "from-0-1": marked("From"),
    "to-0-1": marked("Until"),
    "reason": marked("Reason (optional)"),
    "country": marked("Country"),
    "subdivision": marked("Region"),
    "year": marked("Year"),
}
_NAMES: Mapping[str, str] = {"start_date": "first", "end_date": "last", "date": "first"}
_UNKNOWN_REGION = marked("This region is not known. Known are: {regions}.")
_TWICE = marked("It is in another entry, too: {days}.")
_INSTEAD = marked("On these days, another entry counts: {days} ({counts}).")
_ORDER, _NO_YEAR = marked("The last day comes before the first one."), marked("These holidays are not known.")

router = APIRouter(prefix=PATH, include_in_schema=False)


@router.get("")
async def see(call: Entered) -> Response:
    """Show the days that differ from today on, of the organization's own hours or of a schedule."""
    return await _page(call)


@router.post("")
async def save(change: EnteredWriting) -> Response:
    """Add days that differ, or the public holidays of a year."""
    form = await form_of(change.request)
    schedule = id_in(change.request.query_params.get("schedule"))
    try:
        if deed_in(form)[0] == "holidays":
            await _add_holidays(change, schedule, form)
        else:
            await _add(change, schedule, form)
    except REFUSALS as refusal:
        return await _page(change, form, refusal)
    return lead_to(change, reader_of(change).link(PATH, schedule=schedule, saved="1"))


@router.get("/{override_id}/remove")
async def ask_to_remove(override_id: Name, call: Entered) -> Response:
    """Ask whether days that differ are to be deleted."""
    return await _asking(call, override_id)


@router.post("/{override_id}/remove")
async def remove(override_id: Name, change: EnteredDeleting) -> Response:
    """Delete days that differ, and lead to the others."""
    form = await form_of(change.request)
    schedule = id_in(change.request.query_params.get("schedule"))
    try:
        await change.make(
            Deleted.of,
            left_alone.unless(
                change,
                form,
                lambda tx: overrides.remove(tx, change.party, schedule, override_id, change.now),
            ),
        )
    except AppointmentsInTheWay as refusal:  # on a day that was open longer
        return await _asking(change, override_id, refusal)
    return lead_to(change, reader_of(change).link(PATH, schedule=schedule, saved="1"))


async def _asking(
    call: EnteredCall, override_id: str, refusal: AppointmentsInTheWay | None = None
) -> Response:
    """Return the page that asks whether days that differ are to be deleted. Raises NotFound."""
    reader = reader_of(call)
    schedule = id_in(call.request.query_params.get("schedule"))
    override = await call.db.read(overrides.get, call.org_id, schedule, override_id)
    return asked_again(
        call,
        reader,
        "closures",
        ", ".join(filter(None, (_days(override, reader, today(call)), override.reason))),
        action=reader.link(f"{PATH}/{override_id}/remove", schedule=schedule),
        back=reader.link(PATH, schedule=schedule),
        hint=marked("Then the weekly hours count on these days."),
        told=None if refusal is None else left_alone.asked(call, refusal, reader, "remove", "remove"),
        status=200 if refusal is None else problems.noted(call.request, refusal),
    )


async def _add(change: EnteredChange, schedule: str | None, form: Form) -> None:
    rows = [Span(form.text(f"from-0-{place}"), form.text(f"to-0-{place}")) for place in range(SPANS)]
    windows = [each.window(0) for each in rows if not each.is_blank]
    wish = validated(
        OverrideCreate,
        {
            "start_date": form.text("first"),
            "end_date": form.text("last").strip() or form.text("first"),
            "windows": [{name: each[name] for name in ("start_time", "end_time")} for each in windows],
            "reason": form.text("reason"),
        },
    )
    once = change.for_form(f"override:{key_in(form)}")
    await once.make(
        OverrideAnswer.of,
        left_alone.unless(
            change, form, lambda tx: overrides.create(tx, change.party, schedule, wish, change.now)
        ),
    )


async def _add_holidays(change: EnteredChange, schedule: str | None, form: Form) -> None:
    named = {"country": form.text("country"), "year": whole(form.text("year"))}
    wish = validated(HolidaysCreate, named | form.sent("subdivision"))
    await change.make(
        OverridesAnswer.of,
        left_alone.unless(
            change, form, lambda tx: overrides.add_holidays(tx, change.party, schedule, wish, change.now)
        ),
    )


async def _page(call: EnteredCall, form: Form | None = None, refusal: Refusal | None = None) -> Response:
    """Return the page, with what was typed, if anything was. Raises NotFound."""
    reader, now = reader_of(call), today(call)
    schedule = id_in(call.request.query_params.get("schedule"))
    found, whose = await call.db.read(_found, call.org_id, schedule, now)
    overruled = _overruled(found, reader, now)
    countries = sorted(
        ((code, reader.locale.territories.get(code, code)) for code in public_holidays.countries()),
        key=lambda each: each[1],
    )
    shown = dict.fromkeys(_LABELS, "") | {"year": str(now.year), "country": reader.locale.territory or ""}
    return settings_page(
        call,
        "staff/settings/closures.html",
        reader.say(_CLOSED),
        reader,
        room="closures",
        lines=[
            (
                each,
                _days(each, reader, now),
                _hours(each),
                overruled.get(each.id, ()),
                reader.link(f"{PATH}/{each.id}/remove", schedule=schedule),
            )
            for each in found
        ],
        schedule=whose,
        typed=form.typed(*_LABELS) if form else shown,
        countries=countries,
        action=reader.link(PATH, schedule=schedule),
        key=new_key(),
        spans=range(SPANS),
        labels={name: reader.say(label) for name, label in _LABELS.items()},
        may_delete=call.member.may("delete"),
        **_refused(call, form, refusal, reader),
    )


def _refused(call: EnteredCall, form: Form | None, refusal: Refusal | None, reader: Reader) -> dict[str, Any]:
    if refusal is None:
        return {"told": Told(), "status": 200}
    if isinstance(refusal, AppointmentsInTheWay):
        deed = "holidays" if form and deed_in(form)[0] == "holidays" else "add"
        of = {"holidays": "holidays", "add": "closure"}
        said = left_alone.asked(call, refusal, reader, of[deed], deed)
        return {"told": said, "status": problems.noted(call.request, refusal)}

    def name_of(field: str) -> str:
        parts = field.split(".")
        if parts[0] == "windows" and len(parts) > 1:
            return f"{'from' if parts[-1] == 'start_time' else 'to'}-0-{parts[1]}"
        return _NAMES.get(field, field)

    said = told(refusal, reader, {name: reader.say(label) for name, label in _LABELS.items()}, name_of)
    if "subdivisions" in refusal.details:
        sentence = reader.say(_UNKNOWN_REGION).format(
            regions=", ".join(public_holidays.regions(form.text("country") if form else "")) or "–"
        )
        said = Told(said.alert, [("subdivision", sentence)], {"subdivision": sentence})
    elif not said.listed and refusal.code == "invalid_request":
        is_of_years = "first_year" in refusal.details
        said = Told(reader.say(_NO_YEAR) if is_of_years else reader.say(_ORDER))
    return {"told": said, "status": problems.noted(call.request, refusal)}


def _days(override: Override, reader: Reader, now: date) -> str:
    """Return the days of an override in words."""
    return _span(override.start_date, override.end_date, reader, now)


def _span(start: str, end: str, reader: Reader, now: date) -> str:
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    words = reader.short_day(first, now)
    return words if first == last else f"{words} – {reader.short_day(last, now)}"


def _overruled(found: Sequence[Override], reader: Reader, now: date) -> Mapping[str, Sequence[str]]:
    """Return what is to be said of days that are in several of some overrides, which are in the order of
    their days: which one counts on them instead, by the ids of those that don't."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            if other.start_date > one.end_date:
                break
            weaker, stronger = sorted((one, other), key=_strength)
            days = _span(other.start_date, min(one.end_date, other.end_date), reader, now)
            if weaker.windows == stronger.windows:
                said[weaker.id].append(reader.say(_TWICE).format(days=days))
            else:
                counts = ", ".join(filter(None, (_hours(stronger) or reader.say("Closed"), stronger.reason)))
                said[weaker.id].append(reader.say(_INSTEAD).format(days=days, counts=counts))
    return said


def _strength(override: Override) -> tuple[Any, ...]:
    """Return by what of two overrides of a day one counts: that of fewer days, before holidays that which was
    made by hand, the newer one (`core.hours.Schedule`)."""
    first, last = date.fromisoformat(override.start_date), date.fromisoformat(override.end_date)
    return first - last, override.holiday is None, override.created_at, override.id


def _hours(override: Override) -> str:
    """Return the hours of an override in words; an empty text if it is closed."""
    return ", ".join(f"{each.start_time[:5]} – {each.end_time[:5]}" for each in override.windows)


def _found(
    tx: Tx, org_id: str, schedule: str | None, now: date
) -> tuple[Sequence[Override], Schedule | None]:
    whose = None if schedule is None else schedules.get(tx, org_id, schedule)
    return overrides.all_of(tx, org_id, schedule, now, None), whose

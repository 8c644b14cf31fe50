"""When something is to begin, as a form for booking or moving says: by its fields, or by a button."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from kalends.core.errors import Conflict, Malformed
from kalends.core.hours import stamp
from kalends.web.forms import Form
from kalends.web.sent import start_in
from kalends.web.staff_pages import moment_in, must_be_shown, on_the_clock
from kalends.words import dates

SHOW, CHOSEN = "show", "chosen"
"""The names of the buttons that show the free times of a day, and that choose one. Both store nothing."""
UNLIKELY, SURE = "unlikely", "sure"
"""The detail of a refusal that has a day of which one has to be sure, and the button that says so."""
_FAR = timedelta(days=366)


def is_looking(form: Form) -> bool:
    """Return whether a form only asks to see its page again, with other free times or with one of them."""
    return any(form.text(name) for name in (SHOW, CHOSEN))


def moment_of(form: Form, zone: str) -> datetime:
    """Return when it begins: as a button says, or as the fields do. If they still say what they said of the
    free time that was chosen, it is that one, though clocks may show it twice. Raises Malformed,
    InvalidTime."""
    if another := _pressed(form):
        return start_in(another, zone)
    if sent := form.text("start"):
        start = start_in(sent, zone)
        if form.typed("date", "time") == fields_of(start, zone):
            must_be_shown(dates.local(start, zone).date(), "date", zone)
            return start
    return moment_in(form, "date", "time", zone)


def typed_moment(form: Form, zone: str) -> dict[str, str]:
    """Return what the fields say that were sent, to be shown again; with the time of the button that was
    pressed, if one was. Raises InvalidTime."""
    if another := _pressed(form):
        return chosen_fields(start_in(another, zone), zone)
    return form.typed(*(name for name in ("date", "time", "start") if name in form.fields))


def chosen_fields(start: datetime, zone: str) -> dict[str, str]:
    """Return what the fields say once a start was chosen, with the one that remembers it."""
    return {**fields_of(start, zone), "start": stamp(start)}


def fields_of(start: datetime, zone: str) -> dict[str, str]:
    """Return what the fields say of a start."""
    return dict(zip(("date", "time"), on_the_clock(start, zone), strict=True))


def shown_as_chosen(typed: Mapping[str, str], zone: str) -> str:
    """Return the start that fields say, as buttons send it; nothing if they say none."""
    try:
        return stamp(moment_of(Form({name: [text] for name, text in typed.items()}), zone))
    except Malformed:
        return ""


def must_be_meant(form: Form, start: datetime, zone: str, now: datetime) -> None:
    """Raise Conflict for a start before today or more than a year ahead, unless the form says that somebody
    is sure of that day."""
    day = dates.local(start, zone).date()
    if is_unlikely(day, dates.local(now, zone).date()) and form.text(SURE) != day.isoformat():
        raise Conflict("Somebody has to be sure of that day.", **{UNLIKELY: day})


def sure_of(form: Form, typed: Mapping[str, str]) -> str:
    """Return the day of which somebody is sure, if fields still say that one; else nothing."""
    return sent if (sent := form.text(SURE)) == typed["date"] else ""


def is_unlikely(day: date, today: date) -> bool:
    """Return whether a day may well be a slip of the pen: it is over, or more than a year ahead."""
    return day < today or day - today > _FAR


def _pressed(form: Form) -> str:
    return form.text("instead") or form.text(CHOSEN)

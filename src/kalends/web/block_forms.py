"""The form that blocks time: what was typed, and what speaks against it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from kalends.core.errors import AppointmentsInTheWay, IdempotencyKeyReused, InvalidTime, Malformed, Refusal
from kalends.schemas.fields import as_moment
from kalends.web import staff_problems
from kalends.web.forms import Form
from kalends.web.grids import Time
from kalends.web.readers import Reader
from kalends.web.sent import start_in
from kalends.web.staff_moments import SURE, UNLIKELY
from kalends.web.staff_pages import new_key, on_the_clock
from kalends.words.sentences import marked

INSTEAD, CHOSEN = "_instead", "_at"
"""How the names of buttons end that choose one of two instants in place of a time, and of the fields that
remember which one it was."""
_TIMES = {"from": "date", "to": "to_date"}
"""The fields for times, each with that of its day."""
FIELDS = (
    "key",
    SURE,
    "calendar",
    "date",
    "from",
    "to_date",
    "to",
    "reason",
    *(each + CHOSEN for each in _TIMES),
)
"""Of the form, which blocks once by its `key`."""
_NAMES = {"calendar_id": "calendar", "start_time": "from", "end_time": "to", "reason": "reason"}
_LABELS = {
    "date": marked("From"),
    "from": marked("From (time)"),
    "to_date": marked("Until"),
    "to": marked("Until (time)"),
    "reason": marked("Reason (optional)"),
}
_TWO_YEARS = marked("A block is two years long at most.")
_IN_THE_WAY = marked("There are appointments in this time:")
_SPENT = marked("With this form, you have blocked time already. To block more, press the button again.")
_NOT_SHOWN = marked("Some time is being kept for a client.")


@dataclass(frozen=True, slots=True)
class BlockSheet:
    """The form, sent to `action`. `typed` is by the names of fields, and so are the `problems`, which are
    sentences. `alert` is what the page says first, with what is `listed`: the ids of fields, and what is
    wrong with each; `in_the_way` lists appointments in that time, each with
    the address of its page, if it has one. Which instant is meant by a time can be chosen `instead`: the name
    of the buttons, and the instants. `sure` is a day of which one has to be sure (ISO 8601)."""

    action: str
    typed: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)
    alert: str | None = None
    listed: Sequence[tuple[str | None, str]] = ()
    in_the_way: Sequence[tuple[str, str | None]] = ()
    instead: tuple[str, Sequence[Time]] | None = None
    sure: str | None = None

    @classmethod
    def empty(cls, reader: Reader, day: date, only: Collection[str]) -> "BlockSheet":
        """Return the form as a day shows it first, of some calendars `only` if any were chosen."""
        on = day.isoformat()
        typed = {"date": on, "from": "12:00", "to_date": on, "to": "13:00", "key": new_key()}
        typed = dict.fromkeys(FIELDS, "") | typed
        return cls(_action(reader, only), typed)

    @classmethod
    def filled(cls, reader: Reader, form: Form, only: Collection[str], zone: str) -> "BlockSheet":
        """Return the form as it was sent; with what was chosen instead. Raises InvalidTime."""
        typed = form.typed(*FIELDS)
        for time, day in _TIMES.items():
            if another := form.text(f"{time}{INSTEAD}"):
                typed[day], typed[time] = on_the_clock(start_in(another, zone), zone)
                typed[f"{time}{CHOSEN}"] = another
        return cls(_action(reader, only), typed)

    @property
    def is_open(self) -> bool:
        """Whether it is unfolded, as it is once it was refused."""
        return self.alert is not None

    def refused(self, refusal: Refusal, reader: Reader, zone: str, now: datetime) -> "BlockSheet":
        """Return the form with what speaks against it."""
        if isinstance(refusal, IdempotencyKeyReused):
            typed = {**self.typed, "key": new_key()}
            return replace(self, typed=typed, alert=reader.say(_SPENT))
        if isinstance(refusal, AppointmentsInTheWay):
            named = [_named(each, reader, zone, now) for each in refusal.details["appointments"]]
            return replace(self, alert=reader.say(_IN_THE_WAY), in_the_way=list(dict.fromkeys(named)))
        if (doubtful := refusal.details.get(UNLIKELY)) is not None:
            said = staff_problems.doubt(doubtful, reader, zone, now)
            return replace(self, alert=said, sure=doubtful.isoformat())
        if isinstance(refusal, InvalidTime) and (time := refusal.details.get("field")):
            said = staff_problems.plainly(refusal, reader)
            instead = (f"{time}{INSTEAD}", staff_problems.instead_of(refusal, reader, zone, now))
            alert = f"{reader.say(_LABELS[time])} – {said}"
            return replace(self, problems={time: said}, alert=alert, instead=instead)
        problems: dict[str, str] = {}
        if isinstance(refusal, Malformed):
            for entry in refusal.details.get("fields", ()):
                if (entry["field"], entry["code"]) == ("end_time", "invalid"):
                    problems["to_date"] = reader.say(_TWO_YEARS)
                    continue
                name = _NAMES.get(entry["field"], entry["field"])
                problems.setdefault(
                    name if name in _LABELS else "from", staff_problems.of_field(entry, reader)
                )
        listed: list[tuple[str | None, str]] = [
            (f"block-{name}", f"{reader.say(label)} – {problems[name]}")
            for name, label in _LABELS.items()
            if name in problems
        ]
        plainly = staff_problems.plainly(refusal, reader)
        alert = reader.say("Please check what you entered.") if problems else plainly
        return replace(self, problems=problems, alert=alert, listed=listed)


def _action(reader: Reader, only: Collection[str]) -> str:
    return reader.link("/staff/blocks", calendar=",".join(only) or None)


def _named(each: Mapping[str, Any], reader: Reader, zone: str, now: datetime) -> tuple[str, str | None]:
    if "id" not in each:
        return reader.say(_NOT_SHOWN), None
    return staff_problems.moment(as_moment(each["start_time"]), reader, zone, now), reader.link(
        f"/staff/appointments/{each['id']}"
    )

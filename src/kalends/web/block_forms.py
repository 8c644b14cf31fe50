"""The form that blocks time: what was typed, and what speaks against it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from kalends.core.errors import (
    AppointmentsInTheWay,
    IdempotencyKeyReused,
    InvalidTime,
    Malformed,
    PreconditionFailed,
    Refusal,
)
from kalends.schemas.blocks import Block
from kalends.schemas.fields import as_moment
from kalends.web import block_rules, setting_forms, staff_problems
from kalends.web.block_rules import DAYS, ONCE
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
    *block_rules.FIELDS,
    *(each + CHOSEN for each in _TIMES),
    "seen",
)
"""Of the form, which blocks once by its `key`, or changes a block as it was `seen`."""
_NAMES = {
    "calendar_id": "calendar",
    "start_time": "from",
    "end_time": "to",
    "reason": "reason",
    "rule.days_of_week": DAYS,
    "rule.interval_weeks": "weeks",
    "rule.until": "until",
    "rule.except_dates": "until",
}
_LABELS = {
    "date": marked("From"),
    "from": marked("From (time)"),
    "to_date": marked("Until"),
    "to": marked("Until (time)"),
    "reason": marked("Reason (optional)"),
    DAYS: marked("On which days"),
    "weeks": marked("Every how many weeks"),
    "until": marked("Last day (optional)"),
}
_TWO_YEARS = marked("A block is two years long at most.")
_BY_FIELD = {
    ("end_time", "invalid"): ("to_date", _TWO_YEARS),
    ("rule.days_of_week", "invalid"): (
        DAYS,
        marked("The day on which it begins has to be one of them."),
    ),
    ("rule.until", "invalid"): (
        "until",
        marked("The last day can't be before the first one, nor more than two years after it."),
    ),
    ("rule.except_dates", "invalid"): (
        "until",
        marked("No time would be left. Give all these times back instead."),
    ),
}
"""The fields and sentences for what is wrong, by the field and the code of the API."""
_A_WEEK = marked("It has to end after it begins, and within seven days if it comes every week.")
_TOO_MUCH = marked("This is too much at once. Choose an earlier last day, or one calendar only.")
_IN_THE_WAY = marked("There are appointments in this time:")
_SPENT = marked("With this form, you have blocked time already. To block more, press the button again.")
_NOT_SHOWN = marked("Some time is being kept for a client.")


@dataclass(frozen=True, slots=True)
class BlockSheet:
    """The form, sent to `action`. `typed` is by the names of fields, and so are the `problems`, which are
    sentences. `alert` is what the page says first, with what is `listed`: the ids of fields, and what is
    wrong with each; `in_the_way` lists appointments in that time, each with
    the address of its page, if it has one. Which instant is meant by a time can be chosen `instead`: the name
    of the buttons, and the instants. `sure` is a day of which one has to be sure (ISO 8601). `days` are the
    numbers of the days of the week that are chosen."""

    action: str
    typed: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)
    alert: str | None = None
    listed: Sequence[tuple[str | None, str]] = ()
    in_the_way: Sequence[tuple[str, str | None]] = ()
    instead: tuple[str, Sequence[Time]] | None = None
    sure: str | None = None
    days: Collection[str] = ()

    @classmethod
    def empty(cls, reader: Reader, day: date, only: Collection[str]) -> "BlockSheet":
        """Return the form as a day shows it first, of some calendars `only` if any were chosen."""
        on = day.isoformat()
        typed = {"date": on, "from": "12:00", "to_date": on, "to": "13:00", "key": new_key()}
        typed = dict.fromkeys(FIELDS, "") | {"repeat": ONCE, "weeks": "1"} | typed
        return cls(action_for(reader, only), typed)

    @classmethod
    def of(cls, action: str, block: Block, zone: str, seen: str) -> "BlockSheet":
        """Return the form that changes a block, which has the mark `seen`."""
        date_, from_ = on_the_clock(block.start_time, zone)
        to_date, to = on_the_clock(block.end_time, zone)
        rule, days = block_rules.fields_of(block, zone)
        typed = {"date": date_, "from": from_, "to_date": to_date, "to": to, **rule, "seen": seen}
        typed |= {"calendar": block.calendar_id or "", "reason": block.reason or ""}
        return cls(action, dict.fromkeys(FIELDS, "") | typed, days=days)

    @classmethod
    def filled(cls, action: str, form: Form, zone: str) -> "BlockSheet":
        """Return the form as it was sent; with what was chosen instead. Raises InvalidTime."""
        typed = form.typed(*FIELDS)
        for time, day in _TIMES.items():
            if another := form.text(f"{time}{INSTEAD}"):
                typed[day], typed[time] = on_the_clock(start_in(another, zone), zone)
                typed[f"{time}{CHOSEN}"] = another
        return cls(action, typed, days=form.all(DAYS))

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
        if isinstance(refusal, PreconditionFailed):
            return replace(self, alert=reader.say(setting_forms.MEANWHILE))
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
                name, said = self._wrong(entry, reader)
                problems.setdefault(name if name in _LABELS else "from", said)
        listed: list[tuple[str | None, str]] = [
            (f"block-{name}", f"{reader.say(label)} – {problems[name]}")
            for name, label in _LABELS.items()
            if name in problems
        ]
        is_too_much = refusal.code == "conflict"
        plainly = reader.say(_TOO_MUCH) if is_too_much else staff_problems.plainly(refusal, reader)
        alert = reader.say("Please check what you entered.") if problems else plainly
        return replace(self, problems=problems, alert=alert, listed=listed)

    def _wrong(self, entry: Mapping[str, Any], reader: Reader) -> tuple[str, str]:
        """Return which field is wrong, and what is said of it, by an entry of `details.fields`."""
        field_, code = ".".join(entry["field"].split(".")[:2]), entry["code"]
        if (known := _BY_FIELD.get((field_, code))) is not None:
            return known[0], reader.say(known[1])
        if (field_, code) == ("end_time", "window") and self.typed.get("repeat") == block_rules.WEEKLY:
            return "to", reader.say(_A_WEEK)
        return _NAMES.get(field_, field_), setting_forms.of_field(entry, reader)


def action_for(reader: Reader, only: Collection[str]) -> str:
    """Return where the form is sent that blocks time, from a day that shows some calendars `only`."""
    return reader.link("/staff/blocks", calendar=",".join(only) or None)


def _named(each: Mapping[str, Any], reader: Reader, zone: str, now: datetime) -> tuple[str, str | None]:
    if "id" not in each:
        return reader.say(_NOT_SHOWN), None
    return staff_problems.moment(as_moment(each["start_time"]), reader, zone, now), reader.link(
        f"/staff/appointments/{each['id']}"
    )

"""The form with the weekly hours of a schedule: for each day, from when to when, as often as need be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kalends.core.errors import Refusal
from kalends.schemas.hours import FIRST, LAST, Availability, ShownWindow
from kalends.web.forms import Form
from kalends.web.readers import Reader
from kalends.web.setting_forms import Told, index_in, told

DAYS = 7
WORKING = range(1, 6)
"""Monday to Friday."""
_MOST_SPANS = 100
_SECONDS = ":00"
_TIME = re.compile(r"[0-9]{2}(?::[0-9]{2}){2}")


@dataclass(frozen=True, slots=True)
class Span:
    """Hours of a day, as a form has them. `id` is that of the window which it was; `type_id` is that of the
    type for which alone it is."""

    start: str = ""
    end: str = ""
    type_id: str = ""
    id: str = ""
    is_active: bool = True

    @property
    def is_blank(self) -> bool:
        """Whether nothing was typed."""
        return not (self.start.strip() or self.end.strip())

    @property
    def bounds(self) -> tuple[str, str] | None:
        """From when to when it is, as `09:00:00`; None if it can't be read, or ends before it begins."""
        window = self.window(0)
        start, end = (_long(window[name]) for name in ("start_time", "end_time"))
        return (start, end) if _TIME.fullmatch(start) and _TIME.fullmatch(end) and start < end else None

    def window(self, day: int) -> dict[str, Any]:
        """Return the window as the API takes it. The midnight to which it may last is that of its end."""
        end = self.end.strip()
        return {
            "day_of_week": day,
            "start_time": self.start.strip(),
            "end_time": LAST if end and FIRST.startswith(end) and len(end) >= len("00:00") else end,
        }


@dataclass(frozen=True, slots=True)
class HoursForm:
    """What was typed, by the numbers of the days: 0 for Sunday … 6 for Saturday."""

    days: Mapping[int, Sequence[Span]]

    @classmethod
    def of(cls, windows: Sequence[Availability | ShownWindow]) -> "HoursForm":
        """Return the form that shows some windows."""
        found: dict[int, list[Span]] = {day: [] for day in range(DAYS)}
        for each in windows:
            span = Span(_short(each.start_time), _short(FIRST if each.end_time == LAST else each.end_time))
            if isinstance(each, Availability):
                span = replace(
                    span, type_id=each.appointment_type_id or "", id=each.id, is_active=each.is_active
                )
            found[each.day_of_week].append(span)
        return cls(found)

    @classmethod
    def suggested(cls) -> "HoursForm":
        """Return the form with the hours that most practices change least."""
        return cls({day: [Span("09:00", "17:00")] if day in WORKING else [] for day in range(DAYS)})

    @classmethod
    def filled(cls, form: Form, present: Sequence[Availability] = ()) -> "HoursForm":
        """Return the form as it was sent. What it does not say of a window stays as it is at `present`."""
        known = {each.id: each for each in present}
        found: dict[int, list[Span]] = {}
        for day in range(DAYS):
            found[day] = []
            for place in range(_MOST_SPANS):
                if f"from-{day}-{place}" not in form.fields:
                    break
                start, end, id_ = (form.text(f"{name}-{day}-{place}") for name in ("from", "to", "id"))
                window = known.get(id_)
                type_id = "" if window is None else window.appointment_type_id or ""
                if f"type-{day}-{place}" in form.fields:
                    type_id = form.text(f"type-{day}-{place}")
                found[day].append(Span(start, end, type_id, id_, window is None or window.is_active))
        return cls(found)

    def done(self, deed: str, what: Sequence[str]) -> "HoursForm":
        """Return the form once a button was pressed that changes its rows."""
        day = index_in(what, 0, DAYS)
        if day is None:
            return self
        spans = list(self.days[day])
        if deed == "add" and len(spans) < _MOST_SPANS:
            return HoursForm({**self.days, day: [*spans, Span()]})
        if deed == "remove" and (place := index_in(what, 1, len(spans))) is not None:
            return HoursForm({**self.days, day: spans[:place] + spans[place + 1 :]})
        if deed == "copy":
            copied = [replace(each, id="") for each in spans]
            return HoursForm({**self.days, **{each: copied for each in WORKING if each != day}})
        return self

    def merged(self) -> "HoursForm":
        """Return the form with hours of a day that overlap as one, if they are for the same."""
        return HoursForm({day: _merged(spans) for day, spans in self.days.items()})

    @property
    def rows(self) -> list[tuple[int, int, Span]]:
        """Every span that says anything, with its day and its place there."""
        return [
            (day, place, span)
            for day, spans in self.days.items()
            for place, span in enumerate(spans)
            if not span.is_blank
        ]

    def windows(self) -> list[dict[str, Any]]:
        """Return the windows of a named schedule, as the API takes them."""
        return [span.window(day) for day, _, span in self.rows]

    def availability(self) -> list[dict[str, Any]]:
        """Return the windows of the default schedule, as the API takes them."""
        return [
            span.window(day)
            | {"is_active": span.is_active}
            | ({"appointment_type_id": span.type_id} if span.type_id else {})
            | ({"id": span.id} if span.id else {})
            for day, _, span in self.rows
        ]


@dataclass(frozen=True, slots=True)
class HoursSheet:
    """What a page shows of the form: the days in the reader's order, each with its number, its name and its
    spans. `types` are those of the organization by id, if hours can be for one of them alone. `seen` is the
    mark that the form sends (`as_seen`)."""

    form: HoursForm
    days: Sequence[tuple[int, str, Sequence[Span]]]
    types: Sequence[tuple[str, str]] = ()
    seen: str = ""
    told: Told = field(default_factory=Told)

    @classmethod
    def showing(
        cls, form: HoursForm, reader: Reader, seen: str, types: Sequence[tuple[str, str]] = ()
    ) -> "HoursSheet":
        """Return what is shown of a form."""
        first = reader.first_weekday
        numbers = [(first + offset) % DAYS for offset in range(DAYS)]
        named = zip(numbers, reader.weekdays(), strict=True)
        return cls(form, [(day, name, form.days[day]) for day, (_, name) in named], types, seen)

    def refused(self, refusal: Refusal, reader: Reader, others: Mapping[str, str]) -> "HoursSheet":
        """Return the form with what speaks against it. `others` are the labels of other fields of the
        page."""
        rows = self.form.rows

        def name_of(field_: str) -> str:
            parts = field_.split(".")
            if len(parts) < 2 or not parts[1].isdecimal() or int(parts[1]) >= len(rows):
                return field_
            day, place, span = rows[int(parts[1])]
            is_start = parts[-1] == "start_time" or not span.start.strip()
            return f"{'from' if is_start else 'to'}-{day}-{place}"

        labels = dict(others)
        for day, name, spans in self.days:
            for place, _ in enumerate(spans):
                labels[f"from-{day}-{place}"] = f"{name}, {reader.say('From')}"
                labels[f"to-{day}-{place}"] = f"{name}, {reader.say('Until')}"
        return replace(self, told=told(refusal, reader, labels, name_of))


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Return the spans of a day without overlaps. What can't be read stays as it is, to be refused."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.bounds is None, each.bounds)):
        bounds, place = span.bounds, None
        for number, other in enumerate(found):
            is_same = (other.type_id, other.is_active) == (span.type_id, span.is_active)
            if bounds and other.bounds and is_same and bounds[0] < other.bounds[1]:
                place = number
        if bounds is None or place is None:
            found.append(span)
        elif (before := found[place]).bounds and bounds[1] > before.bounds[1]:
            found[place] = replace(before, end=span.end)
    return found


def _long(time: str) -> str:
    return f"{time}{_SECONDS}" if len(time) == len("00:00") else time


def _short(time: str) -> str:
    return time.removesuffix(_SECONDS)

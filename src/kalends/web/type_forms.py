"""The form of an appointment type: what was typed, and what it is to the API."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kalends.schemas.appointment_types import NO_COLOR, AppointmentType, BookingQuestion
from kalends.schemas.requirements import MOST_REQUIREMENTS, Requirement
from kalends.web.forms import Form
from kalends.web.setting_forms import blank_is_none, decimal, index_in, whole
from kalends.words.sentences import marked

MOST_QUESTIONS = 100
LABELS: Mapping[str, str] = {
    "name": marked("Name"),
    "duration": marked("Minutes"),
    "description": marked("Description"),
    "color": marked("Colour"),
    "kind": marked("Where it takes place"),
    "place": marked("Address, number or link"),
    "amount": marked("Price"),
    "currency": marked("Currency"),
    "notice": marked("Hours of notice"),
    "ahead": marked("Days ahead"),
    "before": marked("Free minutes before"),
    "after": marked("Free minutes after"),
    "interval": marked("Minutes from one start to the next"),
    "schedule": marked("Hours"),
    "visibility": marked("Who can book it"),
    "contact": marked("What clients must give"),
    "reminder": marked("Hours before it at which clients are reminded"),
    "slug": marked("Name in the address"),
    "text": marked("What clients read once they have booked"),
}
"""Of the plain fields, in the order of the page."""
BOXES: Mapping[str, str] = {"confirm": "requires_confirmation", "choose": "clients_choose"}
KINDS: Mapping[str, str] = {
    "text": marked("A line"),
    "textarea": marked("Several lines"),
    "select": marked("A choice"),
    "checkbox": marked("Yes or no"),
    "number": marked("A number"),
    "email": marked("E-mail"),
    "phone": marked("Phone"),
}
PLACES: Mapping[str, str] = {
    "address": marked("At an address"),
    "phone": marked("By phone"),
    "link": marked("By video"),
    "client_address": marked("At the client's"),
}
VISIBILITIES: Mapping[str, str] = {
    "public": marked("Everybody"),
    "link": marked("Whoever has the link"),
    "staff": marked("Only staff"),
}
CONTACTS: Mapping[str, str] = {
    "email": marked("An e-mail address"),
    "phone": marked("A phone number"),
    "either": marked("One of them"),
    "both": marked("Both"),
}
_NUMBERS: Mapping[str, str] = {
    "duration": "duration_minutes",
    "notice": "min_notice_hours",
    "ahead": "max_days_ahead",
    "before": "buffer_before_minutes",
    "after": "buffer_after_minutes",
    "interval": "slot_interval_minutes",
    "reminder": "reminder_hours",
}
_TEXTS: Mapping[str, str] = {
    "name": "name",
    "description": "description",
    "visibility": "visibility",
    "contact": "contact",
    "text": "confirmation_text",
}
_SENT: Mapping[str, str] = {
    "durationMinutes": "duration",
    "minNoticeHours": "notice",
    "maxDaysAhead": "ahead",
    "bufferBeforeMinutes": "before",
    "bufferAfterMinutes": "after",
    "slotIntervalMinutes": "interval",
    "reminderHours": "reminder",
    "confirmationText": "text",
    "scheduleId": "schedule",
    "location.kind": "kind",
    "price.currency": "currency",
}
"""The names of fields by those of the API, if they are not the same."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the form. `options` has a line for each choice."""

    id: str
    kind: str
    label: str = ""
    required: bool = False
    options: str = ""

    def question(self) -> dict[str, Any]:
        """Return the question as the API takes it."""
        lines = [each for each in self.options.split("\n") if each.strip()]
        options = {"options": lines} if self.kind == "select" else {}
        return {"id": self.id, "type": self.kind, "label": self.label, "required": self.required} | options


@dataclass(frozen=True, slots=True)
class Need:
    """What the type needs of calendars. `rest` is what the form does not show, as it is."""

    name: str = ""
    count: str = "1"
    calendars: Sequence[str] = ()
    rest: Mapping[str, Any] = field(default_factory=dict)

    def requirement(self) -> dict[str, Any]:
        """Return the requirement as the API takes it."""
        said = {"name": self.name, "count": whole(self.count), "calendarIds": list(self.calendars)}
        return {**self.rest, **said}


@dataclass(frozen=True, slots=True)
class TypeForm:
    """What was typed, by the names of the fields, with what it needs, and its questions."""

    typed: Mapping[str, str]
    needs: Sequence[Need]
    questions: Sequence[Asked] = ()

    @classmethod
    def new(cls, calendar_id: str, currency: str) -> "TypeForm":
        """Return the form of a new type, with what the API takes if nothing is said."""
        typed = dict.fromkeys([*LABELS, *BOXES], "") | {"notice": "24", "ahead": "60", "reminder": "24"}
        typed |= {"before": "0", "after": "0", "visibility": "public", "contact": "either"}
        return cls(typed | {"currency": currency}, [Need(calendars=[calendar_id])])

    @classmethod
    def of(cls, type_: AppointmentType) -> "TypeForm":
        """Return the form that shows a type."""
        shown = type_.model_dump(by_alias=False)
        typed = {name: _text(shown[stored]) for name, stored in {**_NUMBERS, **_TEXTS}.items()}
        typed |= {name: "1" if shown[stored] else "" for name, stored in BOXES.items()}
        typed |= {"slug": type_.slug, "schedule": type_.schedule_id or ""}
        typed |= {"color": "" if type_.color == NO_COLOR else type_.color}
        typed |= {"kind": type_.location.kind if type_.location else ""}
        typed |= {"place": (type_.location.value or "") if type_.location else ""}
        typed |= {"amount": f"{type_.price.amount:.15g}" if type_.price else ""}
        typed |= {"currency": type_.price.currency if type_.price else ""}
        return cls(typed, [_need(each) for each in type_.requirements], _asked(type_.booking_questions))

    @classmethod
    def filled(cls, form: Form, present: AppointmentType | None = None) -> "TypeForm":
        """Return the form as it was sent. What it does not say of a need stays as it is at `present`."""
        needs: list[Need] = []
        known = present.requirements if present else ()
        for place in range(MOST_REQUIREMENTS):
            if f"need-{place}" not in form.fields:
                break
            chosen = form.all(f"need-{place}-calendars")
            was = form.text(f"need-{place}")
            old = next((each for each in known if each.name == was), None)
            order = {id_: number for number, id_ in enumerate(old.calendar_ids if old else ())}
            ids = sorted(dict.fromkeys(chosen), key=lambda each: order.get(each, len(order)))
            is_named = f"need-{place}-name" in form.fields
            name, count = (form.text(f"need-{place}-{part}") for part in ("name", "count"))
            needs.append(Need(name if is_named else was, count if is_named else "1", ids, _rest(old)))
        questions = []
        for place in range(MOST_QUESTIONS):
            own = f"q-{place}"
            if f"{own}-id" not in form.fields:
                break
            id_, kind, label, required, options = (
                form.text(f"{own}-{part}") for part in ("id", "kind", "label", "required", "options")
            )
            questions.append(Asked(id_, kind, label, bool(required), options))
        return cls(form.typed(*LABELS, *BOXES), needs or [Need()], questions)

    @property
    def is_plain(self) -> bool:
        """Whether the type needs one of some calendars, and nothing is to be said of that."""
        [first, *others] = self.needs
        return not others and first.name in ("", Requirement.plain().name) and first.count == "1"

    def done(self, deed: str, what: Sequence[str], kind: str) -> "TypeForm":
        """Return the form once a button was pressed that changes its rows. A new question is of a `kind`."""
        questions, needs = list(self.questions), list(self.needs)
        if deed == "ask" and kind in KINDS and len(questions) < MOST_QUESTIONS:
            return replace(self, questions=[*questions, Asked(f"q_{secrets.token_hex(4)}", kind)])
        if deed == "need" and len(needs) < MOST_REQUIREMENTS:
            return replace(self, needs=[*needs, Need()])
        if deed == "spare" and len(needs) > 1 and (place := index_in(what, 0, len(needs))) is not None:
            return replace(self, needs=needs[:place] + needs[place + 1 :])
        place = index_in(what, 0, len(questions))
        if place is not None and deed in ("drop", "up", "down"):
            moved = questions.pop(place)
            if deed != "drop":
                questions.insert(max(place + (1 if deed == "down" else -1), 0), moved)
            return replace(self, questions=questions)
        return self

    def body(self) -> dict[str, Any]:
        """Return the type as the API takes it: what the form shows of it, and nothing else."""
        typed = self.typed
        body: dict[str, Any] = {
            name: typed[name] for name in ("name", "description", "visibility", "contact")
        }
        body |= {_api(name): whole(typed[name]) for name in _NUMBERS}
        body |= {"color": typed["color"].strip() or NO_COLOR}
        body |= {"confirmationText": typed["text"], "scheduleId": blank_is_none(typed["schedule"])}
        body |= {"requiresConfirmation": bool(typed["confirm"]), "clientsChoose": bool(typed["choose"])}
        body |= {"bookingQuestions": [each.question() for each in self.questions]}
        kind = typed["kind"]
        value = {"value": typed["place"]} if kind != "client_address" else {}
        body["location"] = {"kind": kind, **value} if kind else None
        amount = decimal(typed["amount"])
        currency = typed["currency"].strip().upper()
        body["price"] = None if amount is None else {"amount": amount, "currency": currency}
        if slug := typed["slug"].strip():
            body["slug"] = slug
        if self.is_plain:
            return body | {"calendarIds": list(self.needs[0].calendars)}
        return body | {"requirements": [each.requirement() for each in self.needs]}


def field_of(sent: str) -> str:
    """Return the name of the field for what the API calls `sent`."""
    if sent in _SENT:
        return _SENT[sent]
    first, *rest = sent.split(".")
    if first == "bookingQuestions" and rest:
        part = rest[1] if len(rest) > 1 and rest[1] in ("label", "options") else "options"
        return f"q-{rest[0]}-{part}"
    if first in ("requirements", "calendarIds"):
        place, part = (rest[0] if rest else "0"), (rest[1] if len(rest) > 1 else "")
        return f"need-{place}-{part if part in ('name', 'count') else 'calendars'}"
    return {"location": "place", "price": "amount", **_SENT}.get(first, first)


def _api(name: str) -> str:
    return next(sent for sent, own in _SENT.items() if own == name)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _need(requirement: Requirement) -> Need:
    return Need(requirement.name, str(requirement.count), requirement.calendar_ids, _rest(requirement))


def _rest(requirement: Requirement | None) -> Mapping[str, Any]:
    if requirement is None:
        return {}
    return {
        "offsetMinutes": requirement.offset_minutes,
        "durationMinutes": requirement.duration_minutes,
    }


def _asked(questions: Sequence[BookingQuestion]) -> list[Asked]:
    return [
        Asked(each.id, each.type, each.label, each.required, "\n".join(each.options or ()))
        for each in questions
    ]

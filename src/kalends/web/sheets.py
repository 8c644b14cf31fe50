"""The form for details and questions: what it asks, what was typed, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kalends.core.errors import Malformed
from kalends.web import problems
from kalends.web.forms import ANSWER, OWN, Form
from kalends.web.grids import Time
from kalends.web.kinds import Kind

_STORED = {"name": "client_name", "email": "client_email", "phone": "client_phone", "notes": "client_notes"}
_FIELDS = {stored: name for name, stored in _STORED.items()}
_ASKED: Mapping[str, frozenset[str]] = {
    "email": frozenset({"email"}),
    "phone": frozenset({"phone"}),
    "either": frozenset({"email", "phone"}),
    "both": frozenset({"email", "phone"}),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """The form for a start of a type, which the hold `hold_id` keeps until `until`. `calendar_id` is whom the
    client chose. `copy` counts how often the page has said that the form is used up, and that another press
    of the button books. `typed` is by the names of fields, and so are the `problems`, which are sentences.
    `alert` is what the page says first, and `instead` the times that can be had in place of one that is
    taken."""

    kind: Kind
    hold_id: str
    start: datetime
    until: datetime
    calendar_id: str | None = None
    copy: int = 0
    typed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    alert: str | None = None
    instead: Sequence[Time] = ()

    @property
    def asks(self) -> frozenset[str]:
        """Which of `email` and `phone` it has."""
        contact = _ASKED[self.kind.type_.contact]
        return contact | {"email"} if self.kind.host.clients_confirm_by_mail else contact

    @property
    def requires(self) -> frozenset[str]:
        """The fields of its own that must be filled in."""
        by_mail = {"email"} if self.kind.host.clients_confirm_by_mail else set()
        contact = self.kind.type_.contact
        return frozenset({"name"} | by_mail | (set() if contact == "either" else _ASKED[contact]))

    @property
    def wants_either(self) -> bool:
        """Whether one of e-mail address and phone number is enough, whichever."""
        return not self.requires & {"email", "phone"}

    @property
    def listed(self) -> list[tuple[str | None, str]]:
        """What is wrong, in the order of the fields: the id of each, and a sentence that begins with its
        label. What is about no field of the form is said without one."""
        say = self.kind.reader.say
        known = {"name": ("name", say("Name")), "email": ("email", say("E-mail"))}
        known["phone"] = ("phone", say("Phone"))
        for number, question in enumerate(self.kind.questions):
            known[question.field] = f"q{number}", question.label
        known["notes"] = ("notes", say("Notes"))
        found: list[tuple[str | None, str]] = [
            (id_, f"{label} – {self.problems[name]}")
            for name, (id_, label) in known.items()
            if name in self.problems
        ]
        return found + [(None, problem) for name, problem in self.problems.items() if name not in known]

    def filled(self, form: Form) -> "Sheet":
        """Return the form with what was typed."""
        names = (*OWN, *(each.field for each in self.kind.questions))
        return replace(self, typed=form.typed(*names))

    def prefilled(self, query: Mapping[str, str]) -> "Sheet":
        """Return the form with what an address says of its reader."""
        names = (*OWN, *(each.field for each in self.kind.questions))
        return replace(self, typed={name: query[name] for name in names if name in query})

    def body(self, form: Form, *, hold_id: str | None) -> dict[str, Any]:
        """Return the booking that was filled in, as the API takes it: of this hold, or of the start."""
        reader, type_ = self.kind.reader, self.kind.type_
        shown = [name for name in OWN if name in self.asks or name in ("name", "notes")]
        return {
            "appointment_type_id": type_.id,
            "start_time": self.start,
            **{_STORED[name]: text for name, text in form.sent(*shown).items()},
            "client_language": reader.tag,
            "client_timezone": None if self.kind.is_in_person else reader.zone,
            "calendar_id": self.calendar_id,
            "hold_id": hold_id,
            "answers": form.answers(type_.questions),
        }

    def refused(self, refusal: Malformed) -> "Sheet":
        """Return the form with what is wrong in it."""
        reader = self.kind.reader
        found: dict[str, str] = {}
        for entry in refusal.details.get("fields", ()):
            name = name_of(entry["field"])
            if entry["code"] == "contact":
                if not self.wants_either:
                    continue  # the one that is wanted is missing, which is said, too
                name = "email"
            found.setdefault(name, problems.of_field(entry, reader))
        return replace(self, problems=found, alert=reader.say("Please check what you entered."))


def name_of(stored: str) -> str:
    """Return the name of the field in the form that is stored under another."""
    if stored.startswith("answers."):
        return ANSWER + stored.removeprefix("answers.")
    return _FIELDS.get(stored, stored)

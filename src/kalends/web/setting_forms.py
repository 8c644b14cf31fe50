"""What the forms of the settings have in common: what was typed, as the API takes it, and what a page says
of a form that was refused."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kalends.core.errors import (
    Conflict,
    IdempotencyKeyReused,
    Malformed,
    NotFound,
    PreconditionFailed,
    Refusal,
)
from kalends.schemas.wrong_fields import WHOLE
from kalends.web import staff_problems
from kalends.web.forms import Form
from kalends.web.readers import Reader
from kalends.words.sentences import marked

REFUSALS = (Malformed, Conflict, NotFound, IdempotencyKeyReused, PreconditionFailed)
"""What a page of the settings tells by itself, with the form as it was filled in."""
MOST_FIELDS = 5_000
"""Of a form with as many rows as there may be."""
SURE = "sure"
"""How the deed of a button ends that does something all the same."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}[.,][0-9]{1,15}")
MEANWHILE = marked(
    "Somebody has changed this since you opened the page. What you entered is below. Save once more to "
    "replace what is there now."
)
_SENTENCES: Mapping[str, str] = {
    "precondition_failed": MEANWHILE,
    "already_exists": marked("Another one has this address already. Please choose another."),
    "in_use": marked("It is still being used, so it can't be deleted."),
    "idempotency_key_reused": marked(
        "This form was sent already. To send it once more, press the button again."
    ),
    "not_found": marked("Something that was chosen here was deleted meanwhile. Please choose again."),
}
"""By the code of a refusal."""
_NO_TOKEN = marked(
    "What tells appointments apart needs a place in it: write {token} once, after the name of the server, "
    "such as https://example.com/appointment/{token}."
)
_RESERVED = marked("This name is reserved for the server's own pages. Please choose another.")
_CHECK = marked("Please check what you entered.")
_FIELDS: Mapping[str, str] = {
    "number": marked("Please enter a number."),
    "too_short": marked("Please fill this in."),
    "url": marked("Please enter a whole address, such as https://example.com/page."),
    "characters": marked("Only some characters are possible here. Please write it in another way."),
    "timezone": marked(
        "We don't know this city. Please choose a larger one with the same time, from the list."
    ),
    "language": marked("Please choose one of the languages."),
    "option": marked("Please choose something that is known here."),
    "options": marked("Please write down what one can choose from."),
    "repeated": marked("This is there twice."),
    "private": marked("This address leads to a private network."),
    "unavailable": marked("This server is not set up for that."),
}
"""What is wrong with a field, by the code of an entry of `details.fields`."""


@dataclass(frozen=True, slots=True)
class AllTheSame:
    """What a form asks back: the appointments that are in the way, in words, each with its address; where
    `all` of them are listed; and the button that does it all the same: its form, and what it sends."""

    booked: Sequence[tuple[str, str]]
    all: str
    form: str
    deed: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says of a form that was refused: first the `alert`, then what is `listed`: the ids of
    fields, and what is wrong with each. `problems` has the same by the names of fields. What is refused only
    until somebody is sure is `asked` back."""

    alert: str | None = None
    listed: Sequence[tuple[str | None, str]] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    asked: AllTheSame | None = None

    def of(self, name: str) -> str | None:
        """Return what is wrong with a field."""
        return self.problems.get(name)


def told(
    refusal: Refusal,
    reader: Reader,
    labels: Mapping[str, str],
    name_of: Callable[[str], str] = str,
    sentences: Mapping[str, str] | None = None,
) -> Told:
    """Return what a page says of a refusal. `labels` are those of its fields by their names, which are their
    ids, too, in the order of the page; `name_of` returns the name of a field of the page by that of the API.
    `sentences` are the page's own, by the codes of refusals."""
    problems: dict[str, str] = {}
    others: list[tuple[str | None, str]] = []
    for entry in refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ():
        name, sentence = name_of(entry["field"]), of_field(entry, reader)
        if "{token}" in entry["reason"]:
            sentence = reader.say(_NO_TOKEN)
        if name in labels:
            problems.setdefault(name, sentence)
        elif (None, sentence) not in others:
            others.append((None, sentence))
    known = {**_SENTENCES, **(sentences or {})}
    plainly = (
        reader.say(known[refusal.code]) if refusal.code in known else staff_problems.plainly(refusal, reader)
    )
    if refusal.details.get("reserved"):
        plainly = reader.say(_RESERVED)
    if refusal.code == "already_exists" and "slug" in labels:
        problems["slug"] = plainly
    listed: list[tuple[str | None, str]] = [
        (name, f"{label} – {problems[name]}") for name, label in labels.items() if name in problems
    ]
    alert = reader.say(_CHECK) if listed or others else plainly
    return Told(alert, [*listed, *others], problems)


def of_field(entry: Mapping[str, Any], reader: Reader) -> str:
    """Return what is wrong with a field, by its entry in `details.fields`."""
    code = entry["code"]
    if entry["reason"] == WHOLE:
        return staff_problems.of_field(entry, reader)
    if code in ("too_small", "too_large"):
        code = "number" if "limit" not in entry else code
    return reader.say(_FIELDS[code]) if code in _FIELDS else staff_problems.of_field(entry, reader)


def seen_in(form: Form | None, refusal: Refusal | None, present: str) -> str:
    """Return the mark (`as_seen`) that a form sends next: the one with which it was filled, until its page
    has said that it is another one at `present`."""
    if form is None or isinstance(refusal, PreconditionFailed):
        return present
    return form.text("seen") or present


def deed_in(form: Form) -> tuple[str, Sequence[str]]:
    """Return what the button that was pressed does, and to what: `remove-1-0` removes the first span of
    Monday. Without a button, a form saves."""
    deed, *what = form.text("do").split("-")
    return deed or "save", what


def index_in(what: Sequence[str], place: int, count: int) -> int | None:
    """Return the number of a row that a button names, of `count` rows; None if there is none."""
    text = what[place] if place < len(what) else ""
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) and int(text) < count else None


def whole(text: str) -> int | str | None:
    """Return the whole number that was typed; None for a blank field; what is none as it is, for the API to
    refuse."""
    text = text.strip()
    if not text:
        return None
    return int(text) if _WHOLE.fullmatch(text) else text


def decimal(text: str) -> float | str | None:
    """Return the number that was typed, with a point or a comma; None for a blank field; what is none as it
    is."""
    number = whole(text)
    if isinstance(number, str) and _DECIMAL.fullmatch(number):
        return float(number.replace(",", "."))
    return number


def blank_is_none(text: str) -> str | None:
    """Return what was typed; None for a blank field."""
    return text if text.strip() else None

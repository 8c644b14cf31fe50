"""Forms as browsers send them: strings by names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from kalends.api.errors import UnsupportedMediaType
from kalends.api.validation import from_validation
from kalends.core.errors import Malformed
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.wrong_fields import malformed, wrong

M = TypeVar("M", bound=BaseModel)
MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_FIELDS = 200
"""A form has at most a hundred questions, and some fields of its own."""
OWN = ("name", "email", "phone", "notes")
"""The names of the fields for details that are no questions of a type."""
ANSWER = "q."
"""How the names of fields begin that answer a question; its id follows."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}[.,][0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, by the names of the fields. Line ends are single, as in JSON."""

    fields: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Return what was typed into a field, or an empty text. Raises Malformed if the field was sent twice:
        it would not be clear which counts."""
        sent = self.fields.get(name, ())
        if len(sent) > 1:
            raise malformed([wrong(name[:100], "was sent twice", "repeated")])
        return sent[0] if sent else ""

    def given(self, name: str) -> str:
        """Return what was typed into a field that the form always sends. Raises Malformed if it is missing:
        nobody emptied it."""
        if name not in self.fields:
            raise malformed([wrong(name, "is required", "required")])
        return self.text(name)

    def all(self, name: str) -> Sequence[str]:
        """Return every value of a field, such as the boxes of a group that are checked."""
        return self.fields.get(name, ())

    def typed(self, *names: str) -> dict[str, str]:
        """Return some fields as they were typed, to be shown again."""
        return {name: self.text(name) for name in names}

    def sent(self, *names: str) -> dict[str, str]:
        """Return those of some fields that are not blank, as the API takes them."""
        return {name: text for name, text in self.typed(*names).items() if text.strip()}

    def answers(self, questions: Iterable[BookingQuestion]) -> dict[str, Any]:
        """Return the answers to questions by their ids, as the API takes them: a checkbox is true or false, a
        number is one. What is no number stays as it was typed, and is refused with the rest. Blank fields
        are left out."""
        found: dict[str, Any] = {}
        for question in questions:
            typed = self.text(f"{ANSWER}{question.id}")
            if question.type == "checkbox":
                found[question.id] = bool(typed)
            elif typed.strip():
                found[question.id] = number_in(typed) if question.type == "number" else typed
        return found


async def form_of(request: Request, *, most: int = MOST_FIELDS) -> Form:
    """Return the form that a request carries, of at most so many fields. Raises UnsupportedMediaType,
    Malformed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind != MEDIA_TYPE and (body or kind):
        raise UnsupportedMediaType("A form must be sent as application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=most,
        )
    except ValueError:
        raise Malformed(f"The form must be in UTF-8, and have at most {most} fields.") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return Form(fields)


def validated(kind: type[M], sent: Mapping[str, Any]) -> M:
    """Return what a form says as the API takes it. Raises Malformed with everything that is wrong."""
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        located = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise from_validation(RequestValidationError(located)) from None


def number_in(typed: str) -> int | float | str:
    """Return the number that was typed, with a point or a comma before its decimals; what is none, as it
    is."""
    typed = typed.strip()
    if _WHOLE.fullmatch(typed):
        return int(typed)
    return float(typed.replace(",", ".")) if _DECIMAL.fullmatch(typed) else typed

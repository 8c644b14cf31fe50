"""Clients' answers to the questions of a type."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, StrictFloat, StrictInt, TypeAdapter, ValidationError

from kalends.core.errors import Malformed
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.appointments import QuestionAnswer
from kalends.schemas.fields import Email, Phone, Text

_Number = StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)]
_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "text": TypeAdapter(Annotated[Text, Field(strict=True, max_length=1_000)]),
    "textarea": TypeAdapter(Annotated[Text, Field(strict=True, max_length=10_000)]),
    "select": TypeAdapter(Annotated[Text, Field(strict=True)]),
    "checkbox": TypeAdapter(Annotated[bool, Field(strict=True)]),
    "number": TypeAdapter(Annotated[_Number, Field(ge=-1e15, le=1e15)]),
    "email": TypeAdapter(Email),
    "phone": TypeAdapter(Phone),
}


def answered(questions: Sequence[BookingQuestion], given: Mapping[str, Any]) -> list[QuestionAnswer]:
    """The answers, in the order of the questions. A blank one is none; a required checkbox must be checked.

    Raises Malformed with every wrong answer, by the id of its question.
    """
    found: list[QuestionAnswer] = []
    wrong: dict[str, str] = {}
    for question in questions:
        answer = given.get(question.id)
        if isinstance(answer, str):
            answer = answer.strip()
        if answer in (None, "") or (question.type == "checkbox" and answer is False):
            if question.required:
                wrong[question.id] = "is required"
            elif answer is False:
                found.append(QuestionAnswer(id=question.id, label=question.label, answer=False))
            continue
        try:
            kept = _checked(question, answer)
        except ValueError as error:
            wrong[question.id] = _why(error)
        else:
            found.append(QuestionAnswer(id=question.id, label=question.label, answer=kept))
    asked = {question.id for question in questions}
    wrong |= {id_: "answers no question of this type" for id_ in given if id_ not in asked}
    if wrong:
        fields = [{"field": f"answers.{id_}", "reason": reason} for id_, reason in list(wrong.items())[:20]]
        raise Malformed(f"{fields[0]['field']} {fields[0]['reason']}", fields=fields)
    return found


def _checked(question: BookingQuestion, answer: Any) -> str | bool | int | float:
    kept: str | bool | int | float = _KINDS[question.type].validate_python(answer)
    if question.type == "select" and kept not in (question.options or ()):
        raise ValueError("must be one of the question's options")
    return kept


def _why(error: ValueError) -> str:
    return error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)

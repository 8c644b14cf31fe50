"""Answers to the questions of a type: those of clients, and those that staff give and correct."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, StrictFloat, StrictInt, TypeAdapter, ValidationError

from kalends.core.errors import Malformed
from kalends.core.text import is_blank
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.appointments import QuestionAnswer
from kalends.schemas.fields import IN_LINES, ONE_LINE, Email, Phone, Text

_Number = StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)]
_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "text": TypeAdapter(Annotated[Text, Field(strict=True, max_length=1_000), ONE_LINE]),
    "textarea": TypeAdapter(Annotated[Text, Field(strict=True, max_length=10_000), IN_LINES]),
    "select": TypeAdapter(Annotated[Text, Field(strict=True), ONE_LINE]),
    "checkbox": TypeAdapter(Annotated[bool, Field(strict=True)]),
    "number": TypeAdapter(Annotated[_Number, Field(ge=-1e15, le=1e15)]),
    "email": TypeAdapter(Email),
    "phone": TypeAdapter(Phone),
}


_NO_QUESTION = "answers no question of this type"
_Kept = str | bool | int | float


def answered(questions: Sequence[BookingQuestion], given: Mapping[str, Any]) -> list[QuestionAnswer]:
    """Return a client's answers, in the order of the questions. A blank answer counts as none; a required
    checkbox must be checked.

    Raises Malformed with every wrong answer, by the id of its question.
    """
    found: list[QuestionAnswer] = []
    wrong: dict[str, str] = {}
    for question in questions:
        try:
            kept = _checked(question, given.get(question.id))
        except ValueError as error:
            wrong[question.id] = _why(error)
            continue
        if question.required and (kept is None or kept is False):
            wrong[question.id] = "is required"
        elif kept is not None:
            found.append(QuestionAnswer(id=question.id, label=question.label, answer=kept))
    asked = {question.id for question in questions}
    _refuse(wrong | {id_: _NO_QUESTION for id_ in given if id_ not in asked})
    return found


def corrected(
    questions: Sequence[BookingQuestion],
    stored: Sequence[QuestionAnswer],
    given: Mapping[str, Any] | Sequence[Any] | None,
) -> list[QuestionAnswer]:
    """Return the answers of an appointment as staff want them. Staff send either an object by the questions'
    ids, which changes only what it has, and null removes an answer; or the list that an appointment shows,
    which replaces all. Staff may leave out required answers. An answer that stays as it is stored may belong
    to a question that the type no longer has.

    Raises Malformed with every wrong answer, by the id of its question.
    """
    asked = {question.id: question for question in questions}
    present = {each.id: each for each in stored}
    wrong: dict[str, str] = {}
    found: dict[str, QuestionAnswer] = {}
    if isinstance(given, Mapping):
        found |= present
        sent = {id_: given[id_] for id_ in asked if id_ in given} | dict(given)
    else:
        sent = _listed(given or (), asked, present, wrong)
    for id_, answer in sent.items():
        if id_ in present and _is_same(present[id_].answer, answer):
            found[id_] = present[id_]
            continue
        if id_ not in asked:
            if id_ in present and answer is None:
                found.pop(id_, None)
            else:
                wrong[id_] = _NO_QUESTION
            continue
        try:
            kept = _checked(asked[id_], answer)
        except ValueError as error:
            wrong[id_] = _why(error)
            continue
        if kept is None:
            found.pop(id_, None)
        else:
            found[id_] = QuestionAnswer(id=id_, label=asked[id_].label, answer=kept)
    _refuse(wrong)
    return list(found.values())


def _listed(
    given: Sequence[Any],
    asked: Mapping[str, BookingQuestion],
    present: Mapping[str, QuestionAnswer],
    wrong: dict[str, str],
) -> dict[str, Any]:
    """Return the answers of a list by the ids of their questions, and note in `wrong` what is wrong."""
    sent: dict[str, Any] = {}
    for place, each in enumerate(given):
        if not (isinstance(each, Mapping) and isinstance(each.get("id"), str) and "answer" in each):
            wrong[str(place)] = "must be an object with the id of a question, and the answer"
            continue
        id_ = each["id"]
        labels = [of[id_].label for of in (asked, present) if id_ in of]
        if id_ in sent:
            wrong[id_] = "is answered twice"
        elif labels and each.get("label") not in (None, *labels):
            wrong[id_] = "must have the label of its question"
        sent[id_] = each["answer"]
    return sent


def _checked(question: BookingQuestion, answer: Any) -> _Kept | None:
    """Return the answer as it is stored; None for a blank one. Raises ValueError."""
    if isinstance(answer, str):
        answer = answer.strip()
    if answer is None or (isinstance(answer, str) and is_blank(answer)):
        return None
    kept: _Kept | None = _KINDS[question.type].validate_python(answer)
    if question.type == "select" and kept not in (question.options or ()):
        raise ValueError("must be one of the question's options")
    return kept


def _is_same(stored: _Kept, sent: Any) -> bool:
    return isinstance(stored, bool) == isinstance(sent, bool) and bool(stored == sent)


def _refuse(wrong: Mapping[str, str]) -> None:
    if wrong:
        fields = [{"field": f"answers.{id_}", "reason": reason} for id_, reason in list(wrong.items())[:20]]
        raise Malformed(f"{fields[0]['field']} {fields[0]['reason']}", fields=fields)


def _why(error: ValueError) -> str:
    return error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)

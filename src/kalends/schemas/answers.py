"""Answers to the questions of a type: those of clients, and those that staff give and correct."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, StrictFloat, StrictInt, TypeAdapter, ValidationError

from kalends.core.text import is_blank
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.appointments import QuestionAnswer
from kalends.schemas.fields import IN_LINES, ONE_LINE, Email, Phone, Text
from kalends.schemas.wrong_fields import WrongField, malformed, of_problem, path, wrong

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


ANSWERS = "answers"
_Kept = str | bool | int | float
_Wrong = dict[str, WrongField]
"""By the ids of questions."""


class _Unfit(Exception):  # noqa: N818 - it is an answer's, not a fault
    """An answer does not fit its question."""

    def __init__(self, wrong: WrongField) -> None:
        self.wrong = wrong


def answered(questions: Sequence[BookingQuestion], given: Mapping[str, Any]) -> list[QuestionAnswer]:
    """Return a client's answers as `judged` does. Raises Malformed with every wrong answer, by the id of its
    question."""
    found, wrong_ones = judged(questions, given)
    if wrong_ones:
        raise malformed(wrong_ones)
    return found


def judged(
    questions: Sequence[BookingQuestion], given: Mapping[str, Any]
) -> tuple[list[QuestionAnswer], list[WrongField]]:
    """Return a client's answers, in the order of the questions, and what is wrong with them. A blank answer
    counts as none; a required checkbox must be checked."""
    found: list[QuestionAnswer] = []
    wrong_ones: list[WrongField] = []
    for question in questions:
        try:
            kept = _checked(question, given.get(question.id), needed=question.required)
        except _Unfit as unfit:
            wrong_ones.append(unfit.wrong)
            continue
        if kept is not None:
            found.append(QuestionAnswer(id=question.id, label=question.label, answer=kept))
    asked = {question.id for question in questions}
    return found, wrong_ones + [_no_question(id_) for id_ in given if id_ not in asked]


def corrected(
    questions: Sequence[BookingQuestion],
    stored: Sequence[QuestionAnswer],
    given: Mapping[str, Any] | Sequence[Any] | None,
) -> list[QuestionAnswer]:
    """Return the answers of an appointment as staff want them; they may leave out required ones. Raises
    Malformed with every wrong answer, by the id of its question."""
    found, wrong_ones = judged_again(questions, stored, given)
    if wrong_ones:
        raise malformed(wrong_ones)
    return found


def judged_again(
    questions: Sequence[BookingQuestion],
    stored: Sequence[QuestionAnswer],
    given: Mapping[str, Any] | Sequence[Any] | None,
    *,
    by_client: bool = False,
) -> tuple[list[QuestionAnswer], list[WrongField]]:
    """Return the answers of an appointment as somebody wants them now, and what is wrong with them. They send
    either an object by the questions' ids, which changes only what it has, and null removes an answer; or the
    list that an appointment shows, which replaces all. An answer that stays as it is stored may belong to a
    question that the type no longer has. A client may not remove an answer that is required."""
    asked = {question.id: question for question in questions}
    present = {each.id: each for each in stored}
    wrong_ones: _Wrong = {}
    found: dict[str, QuestionAnswer] = {}
    if isinstance(given, Mapping):
        found |= present
        sent = {id_: given[id_] for id_ in asked if id_ in given} | dict(given)
    else:
        sent = _listed(given or (), asked, present, wrong_ones)
        if by_client:
            sent |= {id_: None for id_ in present if id_ in asked and id_ not in sent}
    for id_, answer in sent.items():
        if id_ in present and _is_same(present[id_].answer, answer):
            found[id_] = present[id_]
            continue
        if id_ not in asked:
            if id_ in present and answer is None:
                found.pop(id_, None)
            else:
                wrong_ones[id_] = _no_question(id_)
            continue
        try:
            kept = _checked(asked[id_], answer, needed=by_client and asked[id_].required)
        except _Unfit as unfit:
            wrong_ones[id_] = unfit.wrong
            continue
        if kept is None:
            found.pop(id_, None)
        else:
            found[id_] = QuestionAnswer(id=id_, label=asked[id_].label, answer=kept)
    return list(found.values()), list(wrong_ones.values())


def _listed(
    given: Sequence[Any],
    asked: Mapping[str, BookingQuestion],
    present: Mapping[str, QuestionAnswer],
    wrong_ones: _Wrong,
) -> dict[str, Any]:
    """Return the answers of a list by the ids of their questions, and note in `wrong_ones` what is wrong."""
    sent: dict[str, Any] = {}
    for place, each in enumerate(given):
        if not (isinstance(each, Mapping) and isinstance(each.get("id"), str) and "answer" in each):
            reason = "must be an object with the id of a question, and the answer"
            wrong_ones[str(place)] = wrong(path(ANSWERS, place), reason, "type")
            continue
        id_ = each["id"]
        labels = [of[id_].label for of in (asked, present) if id_ in of]
        if id_ in sent:
            wrong_ones[id_] = wrong(path(ANSWERS, id_), "is answered twice", "repeated")
        elif labels and each.get("label") not in (None, *labels):
            reason = "must have the label of its question"
            wrong_ones[id_] = wrong(path(ANSWERS, id_), reason, "read_only")
        sent[id_] = each["answer"]
    return sent


def _checked(question: BookingQuestion, answer: Any, *, needed: bool) -> _Kept | None:
    """Return the answer as it is stored; None for a blank one. Raises _Unfit, also for a blank one that is
    `needed`."""
    if isinstance(answer, str):
        answer = answer.strip()
    kept: _Kept | None = None
    if answer is not None and not (isinstance(answer, str) and is_blank(answer)):
        try:
            kept = _KINDS[question.type].validate_python(answer)
        except ValidationError as error:
            # Of a number, the first error says that it is no whole one, which it need not be.
            raise _Unfit(of_problem(error.errors()[-1], (ANSWERS, question.id))[0]) from None
    if needed and (kept is None or kept is False):
        raise _Unfit(wrong(path(ANSWERS, question.id), "is required", "required"))
    if kept is not None and question.type == "select" and kept not in (question.options or ()):
        raise _Unfit(wrong(path(ANSWERS, question.id), "must be one of the question's options", "option"))
    return kept


def _no_question(id_: str) -> WrongField:
    return wrong(path(ANSWERS, id_), "answers no question of this type", "unknown")


def _is_same(stored: _Kept, sent: Any) -> bool:
    return isinstance(stored, bool) == isinstance(sent, bool) and bool(stored == sent)

"""Answers that were typed, and are kept while another type of appointments is chosen, which may ask the same
or something else."""

from collections.abc import Mapping, Sequence

from kalends.schemas.appointment_types import AppointmentType, BookingQuestion
from kalends.web.forms import ANSWER, Form

ASKED = "asked"
"""The name of the field that says whose questions the page asked: the id of a type."""
_WAS = "was"
_MOST = 50
"""So many answers are kept at most to questions that are not asked at the moment."""
_Sameness = tuple[str, str, int]


def kept_answers(
    form: Form, types: Sequence[AppointmentType], type_: AppointmentType | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what was answered, by the names of fields: to the questions of a type, and to those of others,
    which the page hides. A question is the same if it is of the same kind and reads the same: its id may be
    that of another one elsewhere."""
    answers: dict[_Sameness, tuple[str, str]] = {}
    for each in types:
        for sameness, question in _questions(each).items():
            name = f"{_WAS}.{each.id}.{question.id}"
            if text := form.text(name):
                answers[sameness] = (name, text)
    asked = next((each for each in types if each.id == form.text(ASKED)), type_)
    for sameness, question in _questions(asked).items():
        assert asked is not None
        answers[sameness] = (f"{_WAS}.{asked.id}.{question.id}", form.text(f"{ANSWER}{question.id}"))
    own = _questions(type_)
    typed = {
        f"{ANSWER}{question.id}": answers.get(sameness, ("", ""))[1] for sameness, question in own.items()
    }
    others = [answer for sameness, answer in answers.items() if sameness not in own and answer[1]]
    return typed, dict(others[:_MOST])


def _questions(type_: AppointmentType | None) -> Mapping[_Sameness, BookingQuestion]:
    found: dict[_Sameness, BookingQuestion] = {}
    for each in () if type_ is None else type_.booking_questions:
        place = 0
        while (sameness := (each.type, each.label, place)) in found:
            place += 1
        found[sameness] = each
    return found

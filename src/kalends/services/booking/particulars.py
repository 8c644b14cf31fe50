"""What appointments' types and organizations say about them, in the reader's language."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from kalends.core.caller import Host, Link
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointment_types
from kalends.schemas.appointments import Appointment, QuestionAnswer
from kalends.schemas.letters import Particulars
from kalends.schemas.offered import Location, QuestionTexts, TypeTexts
from kalends.services.booking import booking_page
from kalends.words.languages import language_of, nearest

_IN_PERSON = frozenset({"address", "client_address"})


def own(tx: Tx, link: Link, now: datetime) -> tuple[Appointment, Particulars]:
    """Return the appointment of a link and its particulars, in its client's language. Raises NotFound if the
    link has ended."""
    about = booking_page.own(tx, link, now)
    return told(tx, link.host, about, about.client_language)


def told(tx: Tx, host: Host, about: Appointment, language: str) -> tuple[Appointment, Particulars]:
    """Return an appointment as readers of a language (a BCP 47 tag) are told of it, and its particulars. The
    type's name and the questions are translated if they are still called as in the appointment."""
    type_ = tx.execute(
        select(appointment_types).where(
            appointment_types.c.org_id == host.org_id, appointment_types.c.id == about.appointment_type_id
        )
    ).one()
    texts = texts_in(type_.texts, language)
    place = place_of(type_.location, host)
    stands = about.status not in ("pending", "cancelled")
    # The link to a call is for those whose booking stands: of a request, the address may be a stranger's.
    is_told = stands or (about.status == "pending" and place is not None and place.kind != "link")
    particulars = Particulars(
        place=place if is_told else None,
        in_person=place is not None and place.kind in _IN_PERSON,
        text=(texts.confirmation_text or type_.confirmation_text) if stands else None,
        phone=host.phone,
        email=host.contact_email,
    )
    return _translated(about, type_, texts), particulars


def texts_in(texts: Mapping[str, Any], tag: str) -> TypeTexts:
    """Return the translation of a type that is nearest to a BCP 47 tag, or else to the language in which
    readers of that tag are written to; an empty one if there is none."""
    found = nearest(tag, texts) or nearest(language_of(tag), texts)
    return TypeTexts() if found is None else TypeTexts.model_validate(texts[found])


def place_of(location: Mapping[str, Any] | None, host: Host) -> Location | None:
    """Return the stored location of a type, with the organization's address if it has none of its own."""
    if location is None:
        return None
    place = Location.model_validate(location)
    if place.kind == "address" and place.value is None:
        return place.model_copy(update={"value": host.address})
    return place


def _translated(about: Appointment, type_: AnyRow, texts: TypeTexts) -> Appointment:
    kind = about.appointment_type
    if texts.name is not None and kind.name == type_.name:
        kind = kind.model_copy(update={"name": texts.name})
    questions = {each["id"]: each for each in type_.booking_questions}
    answers = [
        _answer(each, questions[each.id], texts.questions[each.id])
        if each.id in questions and each.id in texts.questions
        else each
        for each in about.answers
    ]
    return about.model_copy(update={"appointment_type": kind, "answers": answers})


def _answer(given: QuestionAnswer, question: Mapping[str, Any], texts: QuestionTexts) -> QuestionAnswer:
    if given.label != question["label"]:
        return given  # it was another question then
    options, translated = question.get("options") or [], texts.options or []
    answer = given.answer
    if isinstance(answer, str) and answer in options and len(options) == len(translated):
        answer = translated[options.index(answer)]
    return given.model_copy(update={"label": texts.label or given.label, "answer": answer})

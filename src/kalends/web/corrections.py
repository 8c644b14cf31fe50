"""The page on which clients correct what they have said: their number, notes and answers."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.manage import said
from kalends.api.visits import ByLink, LinkChange, LinkVisit, WritingByLink
from kalends.core.errors import Conflict, Malformed
from kalends.schemas.public import Correction
from kalends.schemas.wrong_fields import malformed
from kalends.services.booking import booking_page
from kalends.web import problems
from kalends.web.appointments import OwnAppointment
from kalends.web.forms import Form, form_of, validated
from kalends.web.manage import found, own_page, path_of
from kalends.web.sheets import name_of
from kalends.web.touched import marks, sent_back, touched_in, typed_of
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

_TITLE = marked("Correct your details")

router = APIRouter(prefix="/manage", include_in_schema=False)


@router.get("/{token}/details")
async def ask(visit: ByLink) -> Response:
    """Show the form with what is known."""
    own = await visit.db.read(found, visit, reader_of(visit))
    known = _known(own)
    return _form(visit, own, known, marks(known), {})


@router.post("/{token}/details")
async def correct(change: WritingByLink) -> Response:
    """Store what was corrected."""
    form = await form_of(change.request)
    reader = reader_of(change)
    own = await change.db.read(found, change, reader)
    try:
        wish = await _wish(change, _sent(own, form))
        await change.make(said(change), booking_page.correct, change.by, wish, change.now)
    except Malformed as refusal:
        told: dict[str, str] = {}
        for entry in refusal.details.get("fields", ()):
            told.setdefault(name_of(entry["field"]), problems.of_field(entry, reader))
        status = problems.noted(change.request, refusal)
        return _form(change, own, form.typed(*_known(own)), _shown(own, form), told, status=status)
    except Conflict as refusal:
        own = await change.db.read(found, change, reader)
        status = problems.noted(change.request, refusal)
        return own_page(change, "manage/closed.html", _TITLE, own, status=status)
    return lead_to(change, path_of(change, reader, saved="1"))


def _known(own: OwnAppointment) -> dict[str, str]:
    """Return what was said, by the names of the fields, as a browser sends it if nobody touches it."""
    answers = {each.id: each.answer for each in own.about.answers}
    fields = {each.field: typed_of(each, answers.get(each.id)) for each in own.kind.questions}
    return {
        "phone": own.about.client_phone or "",
        **fields,
        "notes": sent_back(own.about.client_notes or ""),
    }


def _shown(own: OwnAppointment, form: Form) -> str:
    """Return the marks of what the page showed; without any, those of what is known now."""
    return form.text("shown") or marks(_known(own))


def _sent(own: OwnAppointment, form: Form) -> dict[str, Any]:
    """Return what the form says, as the API takes it. What was not touched is not sent: staff may have
    changed it since, or have left out answers that clients have to give."""
    touched = touched_in(form, _known(own), _shown(own, form))
    fixed = {f"client_{name}": form.text(name) for name in ("phone", "notes") if name in touched}
    answers = form.answers(own.kind.type_.questions)
    corrected = {each.id: answers.get(each.id) for each in own.kind.questions if each.field in touched}
    return fixed | {"answers": corrected}


async def _wish(change: LinkChange, sent: Mapping[str, Any]) -> Correction:
    """Return the correction. Raises Malformed with everything that is wrong."""
    try:
        return validated(Correction, sent)
    except Malformed as refusal:
        besides = await change.db.read(booking_page.wrong_besides_correction, change.by, sent)
        raise malformed([*refusal.details["fields"], *besides]) from None


def _form(
    call: LinkVisit | LinkChange,
    own: OwnAppointment,
    typed: Mapping[str, str],
    shown: str,
    told: Mapping[str, str],
    *,
    status: int = 200,
) -> Response:
    """Return the page with the form, the marks of what it showed first, and what is wrong in it (`told`)."""
    if not own.can_correct:
        return own_page(call, "manage/closed.html", _TITLE, own, status=status)
    say = own.kind.reader.say
    fields = {"phone": ("phone", say("Phone")), "notes": ("notes", say("Notes"))}
    fields |= {each.field: (f"q{place}", each.label) for place, each in enumerate(own.kind.questions)}
    listed = [(fields[name][0], f"{fields[name][1]} – {told[name]}") for name in typed if name in told]
    return own_page(
        call,
        "manage/details.html",
        _TITLE,
        own,
        status=status,
        action=path_of(call, own.kind.reader, "/details"),
        typed=typed,
        shown=shown,
        told=told,
        listed=listed,
    )

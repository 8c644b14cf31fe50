"""Sending somebody of the staff away, and ending what they have made."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict
from kalends.db.database import Tx
from kalends.schemas.made import ChangedPersonAnswer, DeletedPersonAnswer
from kalends.schemas.people import Person, PersonChange
from kalends.schemas.wire import Answer
from kalends.services.leaving import revocation
from kalends.services.setup import people
from kalends.web import made_things, problems
from kalends.web.forms import form_of
from kalends.web.sent import Name
from kalends.web.settings_pages import DELETE, DELETE_IT, asked_again
from kalends.web.settings_people import PATH, SAID, person_page, sheet_of
from kalends.web.staff_visits import EnteredAdministering, EnteredAsAdmin, EnteredCall, EnteredChange
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

router = APIRouter(prefix=PATH, include_in_schema=False)


_DEACTIVATE, _END = marked("Deactivate {name}?"), marked("End what {name} has made?")
_SIGNED_OUT = marked("They are signed out everywhere, and their password and passkeys are forgotten.")
_FORGOTTEN = marked("They are signed out everywhere. History keeps their name.")
_MADE = marked("All of it is deleted or deactivated, and does not come back.")


@router.get("/{person_id}/active")
async def ask_to_deactivate(person_id: Name, call: EnteredAsAdmin) -> Response:
    """Ask whether a person is to be deactivated, and what they have made with them."""
    return await _asked(
        call, person_id, "active", _DEACTIVATE, _SIGNED_OUT, marked("Deactivate"), {"active": "0"}
    )


@router.get("/{person_id}/made")
async def ask_to_end(person_id: Name, call: EnteredAsAdmin) -> Response:
    """Ask whether what a person has made is to end."""
    return await _asked(call, person_id, "made", _END, _MADE, marked("End everything"), {"with": "made"})


@router.post("/{person_id}/active")
async def set_active(person_id: Name, change: EnteredAdministering) -> Response:
    """Sign a person out everywhere and let them in no more, perhaps with all that they have made; or let them
    in again."""
    form = await form_of(change.request)
    wish = PersonChange(active=form.text("active") == "1")
    return await _change(change, person_id, wish, with_made=form.text("with") == "made" and not wish.active)


@router.post("/{person_id}/made")
async def end_made(person_id: Name, change: EnteredAdministering) -> Response:
    """End what a person has made, who stays what they are: somebody who was sent away, or is no longer an
    admin."""
    return await _change(change, person_id, PersonChange(), with_made=True)


@router.get("/{person_id}/remove")
async def ask_again(person_id: Name, call: EnteredAsAdmin) -> Response:
    """Ask whether a person is to be deleted, and what they have made with them."""
    return await _asked(call, person_id, "remove", DELETE, _FORGOTTEN, DELETE_IT, {})


@router.post("/{person_id}/remove")
async def remove(person_id: Name, change: EnteredAdministering) -> Response:
    """Delete a person, perhaps with all that they have made, and lead to the list."""
    with_made = (await form_of(change.request)).text("with") == "made"

    def unit(tx: Tx) -> revocation.Dismissed:
        return revocation.remove_person(
            tx, change.party, person_id, change.now, real_now=change.real_now, with_made=with_made
        )

    return await _make(
        change, person_id, lambda done: DeletedPersonAnswer(id=done.person.id), unit, with_made, PATH
    )


async def _change(change: EnteredChange, person_id: str, wish: PersonChange, *, with_made: bool) -> Response:
    def unit(tx: Tx) -> revocation.Dismissed:
        return revocation.change_person(
            tx, change.party, person_id, wish, change.now, real_now=change.real_now, with_made=with_made
        )

    return await _make(
        change,
        person_id,
        lambda done: ChangedPersonAnswer(person=done.person),
        unit,
        with_made,
        f"{PATH}/{person_id}",
        saved="1",
    )


async def _make(
    change: EnteredChange,
    person_id: str,
    shown: Callable[[revocation.Dismissed], Answer],
    unit: Callable[[Tx], revocation.Dismissed],
    with_made: bool,
    to: str,
    **query: str,
) -> Response:
    """Make a change by which somebody may leave, and lead on; the last admin stays, with the reason."""
    before = await change.db.read(people.get, change.org_id, person_id)
    try:
        if with_made:
            await change.ahead(revocation.empty, change.party, person_id, change.now)
        await change.make(shown, unit)
    except Conflict as refusal:
        refused = sheet_of(before).refused(refusal, reader_of(change), {}, SAID)
        return await person_page(change, before, refused, status=problems.noted(change.request, refusal))
    return lead_to(change, reader_of(change).link(to, **query))


async def _asked(
    call: EnteredCall,
    person_id: str,
    deed: str,
    question: str,
    hint: str,
    button: str,
    sends: Mapping[str, str],
) -> Response:
    reader, at = reader_of(call), f"{PATH}/{person_id}"

    def read(tx: Tx) -> tuple[Person, list[tuple[str, str, str | None]]]:
        person = people.get(tx, call.org_id, person_id)
        return person, made_things.standing(tx, call, person_id, reader)

    person, standing = await call.db.read(read)
    return asked_again(
        call,
        reader,
        "people",
        person.name,
        action=reader.link(f"{at}/{deed}"),
        back=reader.link(at),
        question=question,
        hint=hint,
        button=button,
        sends=sends,
        standing=standing,
    )

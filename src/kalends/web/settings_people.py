"""The staff: who may sign in, and what they may do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.people import without_link
from kalends.core.errors import Conflict, IdempotencyKeyReused, Malformed, NotFound, PreconditionFailed
from kalends.db.database import Tx
from kalends.schemas.calendars import Calendar
from kalends.schemas.people import NewPersonAnswer, Person, PersonAnswer, PersonChange, PersonCreate
from kalends.services.setup import as_seen, calendars, links, people, sessions
from kalends.services.setup.sessions import Presence
from kalends.web import account, made_things, problems, staff_problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.plain_sheets import SCOPES, PlainSheet, scopes_in_words, shown_once
from kalends.web.readers import Reader
from kalends.web.sent import Name
from kalends.web.setting_forms import MEANWHILE, seen_in
from kalends.web.settings_pages import settings_page
from kalends.web.staff_pages import key_in
from kalends.web.staff_visits import EnteredAdministering, EnteredAsAdmin, EnteredCall, EnteredChange
from kalends.web.told_history import who
from kalends.web.visits import lead_to, reader_of
from kalends.words import languages
from kalends.words.sentences import marked

router = APIRouter(prefix="/staff/settings/people", include_in_schema=False)

PATH = "/staff/settings/people"
_PEOPLE = marked("People")
_FIELDS = ("name", "email", "calendar_id", "language")
_LABELS = {
    "name": marked("Name"),
    "email": marked("E-mail"),
    "scopes": marked("Rights"),
    "calendar_id": marked("Own calendar"),
    "language": marked("Language"),
}
SAID = {
    "already_exists": marked("Somebody else has this e-mail address."),
    "precondition_failed": MEANWHILE,
    "conflict": marked(
        "You can't take away your own right to change people, deactivate yourself or delete yourself. "
        "Somebody else who may do everything can."
    ),
}
_UNPROVEN = marked("No link was made.")
_NO_LINK = {"invalid_request": marked("This person is not active. Let them in again first.")}
_LINK = marked("Link to sign in")
_HOW = marked(
    "Copy it now and give it to {name} in person or by a message: whoever opens it first is signed in. It "
    "works once, within seven days."
)


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody in the list: `seen` says whether they are signed in, or what is missing for that."""

    person: Person
    href: str
    may: str
    calendar: str
    seen: str


@router.get("")
async def see_all(call: EnteredAsAdmin) -> Response:
    """List the staff, with the form that adds somebody."""
    empty = PlainSheet(dict.fromkeys(_FIELDS, ""), {"scopes": ["read", "write", "delete"]})
    return await _list(call, empty)


@router.post("")
async def create(change: EnteredAdministering) -> Response:
    """Add somebody, once for each form. The answer shows the link by which they sign in, this once."""
    form = await form_of(change.request)
    sheet = PlainSheet.filled(form, _FIELDS, ["scopes"])
    try:
        wish = validated(PersonCreate, _body(form))
        once = change.for_form(f"person:{key_in(form)}")
        made = await _inviting(once, lambda tx: people.create(tx, change.party, wish, change.now))
    except (Malformed, Conflict, NotFound, IdempotencyKeyReused) as refusal:
        refused = sheet.refused(refusal, reader_of(change), _LABELS, SAID)
        return await _list(change, refused, status=problems.noted(change.request, refusal))
    return _invited(change, made)


@router.get("/{person_id}")
async def see(person_id: Name, call: EnteredAsAdmin) -> Response:
    """Show a person, with the form that changes them."""
    return await person_page(call, await call.db.read(people.get, call.org_id, person_id))


@router.post("/{person_id}")
async def change_one(person_id: Name, change: EnteredAdministering) -> Response:
    """Change a person."""
    before = await change.db.read(people.get, change.org_id, person_id)
    form = await form_of(change.request)
    try:
        wish = validated(PersonChange, _body(form))
        await change.make(
            PersonAnswer.of,
            as_seen.change,
            change.org_id,
            form.text("seen"),
            lambda tx: people.get(tx, change.org_id, person_id),
            lambda tx: people.change(tx, change.party, person_id, wish, change.now),
        )
    except (Malformed, Conflict, NotFound, PreconditionFailed) as refusal:
        if isinstance(refusal, PreconditionFailed):
            before = await change.db.read(people.get, change.org_id, person_id)
        sheet = PlainSheet.filled(form, _FIELDS, ["scopes"])
        refused = sheet.refused(refusal, reader_of(change), _LABELS, SAID)
        mark = seen_in(form, refusal, as_seen.mark(before))
        status = problems.noted(change.request, refusal)
        return await person_page(change, before, refused, status=status, mark=mark)
    return lead_to(change, reader_of(change).link(f"{PATH}/{person_id}", saved="1"))


@router.get("/{person_id}/link")
async def back(person_id: Name, call: EnteredAsAdmin) -> Response:
    """Lead to the person, whose page has the buttons."""
    return lead_to(call, reader_of(call).link(f"{PATH}/{person_id}"))


@router.post("/{person_id}/link")
async def invite(person_id: Name, change: EnteredAdministering) -> Response:
    """Make a link by which the person signs in, once for each form; a former one ends. It is shown this once.
    One's own is as good as a password, and asks for what a change of that asks for."""
    before = await change.db.read(people.get, change.org_id, person_id)
    form = await form_of(change.request)
    is_self = person_id == change.member.person_id
    if is_self and (problem := await _unproven(change, form)) is not None:
        field, said = problem
        listed = [(field, reader_of(change).say(said))]
        refused = replace(sheet_of(before), alert=reader_of(change).say(_UNPROVEN), listed=listed)
        return await person_page(change, before, refused, status=400)
    try:
        # Of a form with a password, not even a digest is kept.
        once = change if is_self else change.for_form(f"link:{key_in(form)}")
        made = await _inviting(once, lambda tx: people.get(tx, change.org_id, person_id))
    except (Malformed, IdempotencyKeyReused) as refusal:
        refused = sheet_of(before).refused(refusal, reader_of(change), {}, _NO_LINK)
        return await person_page(change, before, refused, status=problems.noted(change.request, refusal))
    return _invited(change, made)


async def _unproven(call: EnteredCall, form: Form) -> tuple[str | None, str] | None:
    """Return why somebody gets no link of their own: the field that is wrong, if it is one, and a sentence.
    Whoever finds a browser where they are signed in does not get a way in of their own. Raises
    RateLimited."""
    if not await account.signed_in_lately(call):
        return None, account.STALE
    if not await account.knows_password(call, form):
        return "present", account.OTHER
    return None


async def _inviting(once: EnteredChange, find: Callable[[Tx], Person]) -> NewPersonAnswer:
    """Return a person with a new link by which they sign in, or without it if the form was sent before."""

    def unit(tx: Tx) -> NewPersonAnswer:
        person = find(tx)
        token = links.invite(tx, once.party, person.id, once.real_now)
        return NewPersonAnswer(person=person, enter_url=f"{once.base}/staff/enter/{token}")

    answer = await once.keeping(without_link).make(lambda made: made, unit)
    return NewPersonAnswer.model_validate_json(bytes(answer.body))


def _invited(call: EnteredCall, made: NewPersonAnswer) -> Response:
    reader = reader_of(call)
    return shown_once(
        call,
        reader,
        "people",
        made.person.name,
        back=reader.link(f"{PATH}/{made.person.id}"),
        label=reader.say(_LINK),
        secret=made.enter_url,
        hint=reader.say(_HOW).format(name=made.person.name),
    )


async def _list(call: EnteredCall, sheet: PlainSheet, status: int = 200) -> Response:
    reader = reader_of(call)

    def read(tx: Tx) -> tuple[Sequence[Row], list[Calendar]]:
        known = sessions.presences(tx, call.org_id, call.real_now)
        names = calendars.names(tx, call.org_id)
        staff = people.all_of(tx, call.org_id)
        rows = [
            Row(
                each,
                reader.link(f"{PATH}/{each.id}"),
                scopes_in_words(each.scopes, reader),
                names.get(each.calendar_id or "", ""),
                _seen(each, known.get(each.id, Presence()), call, reader),
            )
            for each in staff
        ]
        return rows, calendars.all_of(tx, call.org_id)

    rows, known = await call.db.read(read)
    return settings_page(
        call,
        "staff/settings/people.html",
        reader.say(_PEOPLE),
        reader,
        room="people",
        status=status,
        sheet=sheet,
        rows=rows,
        **_choices(reader, known),
    )


async def person_page(
    call: EnteredCall,
    person: Person,
    sheet: PlainSheet | None = None,
    status: int = 200,
    mark: str | None = None,
) -> Response:
    """Show a person: what they may do, how they come in, and what they have made."""
    reader, at = reader_of(call), f"{PATH}/{person.id}"
    is_self = person.id == call.member.person_id

    def read(tx: Tx) -> tuple[Presence, list[Calendar], list[tuple[str, str, str | None]]]:
        presence = sessions.presences(tx, call.org_id, call.real_now).get(person.id, Presence())
        known = calendars.all_of(tx, call.org_id)
        return presence, known, [] if is_self else made_things.standing(tx, call, person.id, reader)

    presence, known, standing = await call.db.read(read)
    return settings_page(
        call,
        "staff/settings/person.html",
        person.name,
        reader,
        room="people",
        status=status,
        sheet=sheet or sheet_of(person),
        person=person,
        mark=mark or as_seen.mark(person),
        at=lambda deed="": reader.link(f"{at}{deed}"),
        back=reader.link(PATH),
        seen=_seen(person, presence, call, reader),
        made_by=who(person.created_by, reader) if person.created_by else None,
        is_self=is_self,
        has_password=is_self and person.has_password,
        standing=standing,
        **_choices(reader, known, person.language),
    )


def sheet_of(person: Person) -> PlainSheet:
    typed = {name: getattr(person, name) or "" for name in _FIELDS}
    return PlainSheet(typed, {"scopes": person.scopes})


def _body(form: Form) -> dict[str, Any]:
    """Return a person as the API takes them; fields that are blank are null there."""
    typed = form.typed(*_FIELDS)
    return {
        "scopes": list(dict.fromkeys(form.all("scopes"))),
        **{name: text if name == "name" or text.strip() else None for name, text in typed.items()},
    }


def _choices(reader: Reader, known: Sequence[Calendar], tag: str | None = None) -> dict[str, Any]:
    tongues = [(each, languages.own_name(each)) for each in languages.LANGUAGES]
    if tag is not None and tag not in languages.LANGUAGES:
        tongues.append((tag, tag))
    return {
        "scopes": [(scope, reader.say(words)) for scope, words in SCOPES.items()],
        "calendars": [(each.id, each.name) for each in known],
        "tongues": tongues,
    }


def _seen(person: Person, presence: Presence, call: EnteredCall, reader: Reader) -> str:
    if not person.active:
        return reader.say("Not active")
    if presence.seen_at is not None:
        time = staff_problems.moment(presence.seen_at, reader, call.timezone, call.now)
        return reader.say("Signed in, last seen {time}").format(time=time)
    if presence.invited_until is not None:
        time = staff_problems.moment(presence.invited_until, reader, call.timezone, call.now)
        return reader.say("Not signed in; a link waits until {time}").format(time=time)
    return reader.say("Not signed in")

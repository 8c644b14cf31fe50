"""The keys with which programs work: making them, and revoking them with what they have made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.organization import without_secret
from kalends.core.errors import Conflict, IdempotencyKeyReused, Malformed
from kalends.db.database import Tx
from kalends.schemas.organizations import Key, KeyCreate, Made, NewKeyAnswer, RevokedKeyAnswer
from kalends.services.leaving import revocation
from kalends.services.setup import calendars, keys
from kalends.web import problems, staff_problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.grids import at
from kalends.web.plain_sheets import SCOPES, PlainSheet, cut, scopes_in_words, shown_once
from kalends.web.readers import Reader
from kalends.web.sent import Name, id_in
from kalends.web.setting_forms import whole
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in
from kalends.web.staff_visits import EnteredAdministering, EnteredAsAdmin, EnteredCall
from kalends.web.told_history import who
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

router = APIRouter(prefix="/staff/settings/keys", include_in_schema=False)

PATH = "/staff/settings/keys"
_FIELDS = ("name", "expires_in_days")
_LABELS = {
    "name": marked("Name"),
    "scopes": marked("Rights"),
    "expires_in_days": marked("Expires after so many days (optional)"),
}
_YOURSELF = {
    "conflict": marked("Your own account is among what this key has made. Somebody else has to revoke that.")
}
_REVOKE, _REVOKED = marked("Revoke {name}?"), marked("The program that uses it can do nothing more, at once.")
_REVOKE_WITH = marked("Revoke {name}, and delete what it has made?")
_REVOKED_WITH = marked(
    "The program that uses it can do nothing more, at once. What it has made is deleted or deactivated."
)
_NAMELESS = marked("A key without a name")


@dataclass(frozen=True, slots=True)
class Row:
    """A key in words."""

    key: Key
    href: str
    name: str
    may: str
    used: str
    state: str


@router.get("")
async def see_all(call: EnteredAsAdmin) -> Response:
    """List the keys, with the form that makes one."""
    empty = PlainSheet(dict.fromkeys(_FIELDS, ""), {"scopes": ["read", "write", "delete"]})
    return await _list(call, empty)


@router.post("")
async def create(change: EnteredAdministering) -> Response:
    """Make a key, once for each form. The answer shows it, this once."""
    form = await form_of(change.request)
    reader = reader_of(change)
    try:
        wish = validated(KeyCreate, _body(form))
        lifetime = None if wish.expires_in_days is None else timedelta(days=wish.expires_in_days)
        answer = (
            await change.for_form(f"key:{key_in(form)}")
            .keeping(without_secret)
            .make(
                lambda row: NewKeyAnswer(key=keys.shown(row), secret=row["key"]),
                keys.create,
                change.party,
                change.now,
                name=wish.name,
                scopes=wish.scopes,
                lifetime=lifetime,
            )
        )
    except (Malformed, IdempotencyKeyReused) as refusal:
        sheet = PlainSheet.filled(form, _FIELDS, ["scopes"]).refused(refusal, reader, _LABELS)
        return await _list(change, sheet, status=problems.noted(change.request, refusal))
    made = NewKeyAnswer.model_validate_json(bytes(answer.body))
    return shown_once(
        change,
        reader,
        "keys",
        _called(made.key, reader),
        back=reader.link(f"{PATH}/{made.key.id}"),
        label=reader.say("Key"),
        secret=made.secret,
        hint=reader.say("Copy it now into the program that is to use it. Treat it like a password."),
    )


@router.get("/{key_id}")
async def see(key_id: Name, call: EnteredAsAdmin) -> Response:
    """Show a key, and what it has made."""
    return await _key(call, key_id)


@router.get("/{key_id}/revoke")
async def ask_to_revoke(key_id: Name, call: EnteredAsAdmin) -> Response:
    """Ask whether a key is to be revoked, perhaps with all that it has made."""
    key, _ = await call.db.read(revocation.standing, call.org_id, key_id, call.now)
    reader = reader_of(call)
    with_made = call.request.query_params.get("with") == "made"
    return asked_again(
        call,
        reader,
        "keys",
        _called(key, reader),
        action=reader.link(f"{PATH}/{key_id}/revoke"),
        back=reader.link(f"{PATH}/{key_id}"),
        question=_REVOKE_WITH if with_made else _REVOKE,
        hint=_REVOKED_WITH if with_made else _REVOKED,
        button=marked("Revoke"),
        sends={"with": "made"} if with_made else None,
    )


@router.post("/{key_id}/revoke")
async def revoke(key_id: Name, change: EnteredAdministering) -> Response:
    """Revoke a key, perhaps with all that it has made, and lead to its page."""
    with_made = (await form_of(change.request)).text("with") == "made"
    _, made = await change.db.read(revocation.standing, change.org_id, key_id, change.now)
    try:
        if with_made:
            _must_be_without(change.member.person_id, made)
            await change.ahead(revocation.empty, change.party, key_id, change.now)
        await change.make(
            lambda done: RevokedKeyAnswer(key=done.key),
            revocation.revoke,
            change.party,
            key_id,
            change.now,
            real_now=change.real_now,
            with_made=with_made,
        )
    except Conflict as refusal:
        sheet = PlainSheet({}).refused(refusal, reader_of(change), {}, _YOURSELF)
        return await _key(change, key_id, sheet, status=problems.noted(change.request, refusal))
    return lead_to(change, reader_of(change).link(f"{PATH}/{key_id}", saved="1"))


def _must_be_without(person_id: str, made: Made) -> None:
    """Raise Conflict if a person is among what a key has made: nobody deactivates themselves."""
    if person_id in {each.id for each in made.people}:
        raise Conflict("People can't revoke what they came in by.")


async def _list(call: EnteredCall, sheet: PlainSheet, status: int = 200) -> Response:
    query = call.request.query_params
    over, cursor = query.get("status") == "over", id_in(query.get("cursor"))
    reader = at(reader_of(call), PATH, status="over" if over else None, cursor=cursor)

    def read(tx: Tx) -> list[Key]:
        return [keys.shown(dict(row._mapping)) for row in keys.all_of(tx, call.org_id)]

    every = await call.db.read(read)
    found, following = cut([each for each in every if _is_over(each, call) is over], cursor)
    return settings_page(
        call,
        "staff/settings/keys.html",
        reader.say("Keys"),
        reader,
        room="keys",
        status=status,
        sheet=sheet,
        rows=[_row(each, call, reader) for each in found],
        scopes=[(scope, reader.say(words)) for scope, words in SCOPES.items()],
        over=over,
        others=reader.link(PATH, status=None if over else "over"),
        following=following and reader.here(cursor=following),
    )


async def _key(
    call: EnteredCall, key_id: str, sheet: PlainSheet | None = None, status: int = 200
) -> Response:
    reader = reader_of(call)

    def read(tx: Tx) -> tuple[Key, Made, Mapping[str, str]]:
        key, made = revocation.standing(tx, call.org_id, key_id, call.now)
        return key, made, calendars.names(tx, call.org_id)

    key, made, names = await call.db.read(read)
    return settings_page(
        call,
        "staff/settings/key.html",
        _called(key, reader),
        reader,
        room="keys",
        status=status,
        sheet=sheet,
        row=_row(key, call, reader),
        created=staff_problems.moment(key.created_at, reader, call.timezone, call.now),
        made_by=who(key.created_by, reader) if key.created_by else None,
        standing=list(_in_words(made, names, reader)),
        back=reader.link(PATH),
        revoke=reader.link(f"{PATH}/{key_id}/revoke"),
        revoke_with=reader.link(f"{PATH}/{key_id}/revoke", **{"with": "made"}),
    )


def _in_words(
    made: Made, calendars_: Mapping[str, str], reader: Reader
) -> Iterator[tuple[str, str, str | None]]:
    """Return what stands of all that a key has made: what kind of thing, what it is called, and where its
    page is."""
    for key in made.keys:
        yield reader.say("Key"), _called(key, reader), reader.link(f"{PATH}/{key.id}")
    for person in made.people:
        yield reader.say("Person"), person.name, reader.link(f"/staff/settings/people/{person.id}")
    for feed in made.feeds:
        name = calendars_.get(feed.calendar_id or "", reader.say("All calendars"))
        yield reader.say("Feed"), name, None
    for webhook in made.webhooks:
        yield reader.say("Webhook"), webhook.name or webhook.url, None
    for source in made.sources:
        yield reader.say("Other calendar"), calendars_.get(source.calendar_id, source.calendar_id), None


def _row(key: Key, call: EnteredCall, reader: Reader) -> Row:
    def time(moment: datetime) -> str:
        return staff_problems.moment(moment, reader, call.timezone, call.now)

    state = reader.say("Does not expire")
    if key.revoked_at is not None:
        state = reader.say("Revoked {time}").format(time=time(key.revoked_at))
    elif key.expires_at is not None:
        said = marked("Expired {time}") if _is_over(key, call) else marked("Expires {time}")
        state = reader.say(said).format(time=time(key.expires_at))
    used = reader.say("Never used")
    if key.last_used_at is not None:
        used = reader.say("Last used {time}").format(time=time(key.last_used_at))
    may = scopes_in_words(key.scopes, reader)
    return Row(key, reader.link(f"{PATH}/{key.id}"), _called(key, reader), may, used, state)


def _is_over(key: Key, call: EnteredCall) -> bool:
    return key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= call.now)


def _called(key: Key, reader: Reader) -> str:
    return key.name or reader.say(_NAMELESS)


def _body(form: Form) -> dict[str, Any]:
    return {
        "scopes": list(dict.fromkeys(form.all("scopes"))),
        **form.sent("name"),
        **{name: whole(text) for name, text in form.sent("expires_in_days").items()},
    }

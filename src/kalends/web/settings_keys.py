"""The keys with which programs work: making them, and revoking them with what they have made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.organization import without_secret
from kalends.core.errors import IdempotencyKeyReused, Malformed
from kalends.db.database import Tx
from kalends.schemas.made import RevokedKeyAnswer
from kalends.schemas.organizations import Key, KeyCreate, NewKeyAnswer
from kalends.services.leaving import revocation
from kalends.services.setup import keys
from kalends.web import made_things, problems, staff_problems
from kalends.web.forms import Form, form_of, validated
from kalends.web.grids import at
from kalends.web.made_things import called
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
_REVOKE, _REVOKED = marked("Revoke {name}?"), marked("The program that uses it can do nothing more, at once.")
_END = marked("End what {name} has made?")
_ENDED = marked("All of it is deleted or deactivated, and does not come back.")


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
        called(made.key, reader),
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
    key, standing = await _standing(call, key_id)
    reader = reader_of(call)
    over = key.revoked_at is not None
    return asked_again(
        call,
        reader,
        "keys",
        called(key, reader),
        action=reader.link(f"{PATH}/{key_id}/revoke"),
        back=reader.link(f"{PATH}/{key_id}"),
        question=_END if over else _REVOKE,
        hint=_ENDED if over else _REVOKED,
        button=marked("End everything") if over else marked("Revoke"),
        sends={"with": "made"} if over else None,
        standing=standing,
    )


@router.post("/{key_id}/revoke")
async def revoke(key_id: Name, change: EnteredAdministering) -> Response:
    """Revoke a key, perhaps with all that it has made, and lead to its page."""
    with_made = (await form_of(change.request)).text("with") == "made"
    if with_made:
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
    return lead_to(change, reader_of(change).link(f"{PATH}/{key_id}", saved="1"))


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


async def _key(call: EnteredCall, key_id: str) -> Response:
    reader = reader_of(call)
    key, standing = await _standing(call, key_id)
    return settings_page(
        call,
        "staff/settings/key.html",
        called(key, reader),
        reader,
        room="keys",
        row=_row(key, call, reader),
        created=staff_problems.moment(key.created_at, reader, call.timezone, call.now),
        made_by=who(key.created_by, reader) if key.created_by else None,
        standing=standing,
        back=reader.link(PATH),
        revoke=reader.link(f"{PATH}/{key_id}/revoke"),
    )


async def _standing(call: EnteredCall, key_id: str) -> tuple[Key, list[tuple[str, str, str | None]]]:
    reader = reader_of(call)

    def read(tx: Tx) -> tuple[Key, list[tuple[str, str, str | None]]]:
        key = keys.get(tx, call.org_id, key_id)
        return key, made_things.standing(tx, call, key_id, reader)

    return await call.db.read(read)


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
    return Row(key, reader.link(f"{PATH}/{key.id}"), called(key, reader), may, used, state)


def _is_over(key: Key, call: EnteredCall) -> bool:
    return key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= call.now)


def _body(form: Form) -> dict[str, Any]:
    return {
        "scopes": list(dict.fromkeys(form.all("scopes"))),
        **form.sent("name"),
        **{name: whole(text) for name, text in form.sent("expires_in_days").items()},
    }

"""`/v1/organization` and `/v1/keys`: the key's own organization, its logo, and its keys."""

from datetime import timedelta

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import Call, PathId, Reading, Supervising
from kalends.api.changes import Administering
from kalends.api.errors import NotAPicture, deleting, reading, uploading, writing
from kalends.api.json_body import JsonRoute
from kalends.api.leaving import With
from kalends.api.picture_body import BODY, picture_in
from kalends.core import errors
from kalends.core.caller import Caller
from kalends.db.database import Tx
from kalends.schemas.made import RevokedKeyAnswer
from kalends.schemas.organizations import (
    CountedKey,
    CurrentKeyAnswer,
    Key,
    KeyCreate,
    KeysAnswer,
    NewKeyAnswer,
    Organization,
    OrganizationAnswer,
    OrganizationChange,
)
from kalends.services.leaving import revocation, webhooks
from kalends.services.setup import keys, logos, organizations

router = APIRouter(route_class=JsonRoute)
organization = APIRouter(prefix="/v1/organization", tags=["organization"], route_class=JsonRoute)
own_keys = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=JsonRoute)


@organization.get("", **reading(OrganizationAnswer))
async def get(call: Reading) -> OrganizationAnswer:
    """Show the organization of the key."""
    return OrganizationAnswer.of(await call.db.read_one(organizations.get, call.org_id))


@organization.patch("", **writing(OrganizationAnswer, errors.AlreadyExists, errors.Conflict))
async def change(body: OrganizationChange, change: Administering) -> Response:
    """Change the organization; only what is sent. Another zone moves no appointment: instants stay. The
    former slug leads on to the new one."""
    return await change.make(
        OrganizationAnswer.of,
        organizations.change,
        change.party,
        body,
        change.now,
        no_links=change.context.no_links,
    )


@organization.put("/logo", **uploading(OrganizationAnswer, BODY, NotAPicture))
async def set_logo(change: Administering) -> Response:
    """Make a PNG, JPEG or WebP picture the logo. Pages for clients show it, 40 pixels high."""
    picture = await picture_in(change.request)
    return await change.make(OrganizationAnswer.of, logos.keep, change.party, picture, change.now)


@organization.delete("/logo", **deleting(OrganizationAnswer))
async def delete_logo(change: Administering) -> Response:
    """Delete the logo of the organization."""
    return await change.make(OrganizationAnswer.of, logos.remove, change.party, change.now)


@own_keys.get("/current", **reading(CurrentKeyAnswer))
async def current(call: Reading) -> CurrentKeyAnswer:
    """Show the key of this call: its scopes, its expiry, its organization."""

    def both(tx: Tx) -> tuple[Key, Organization]:
        return keys.get(tx, call.org_id, call.caller.key_id), organizations.get(tx, call.org_id)

    key, whose = await call.db.read(both)
    [counted] = await _counted(call, [key])
    return CurrentKeyAnswer(key=counted, organization=whose)


@own_keys.get("", name="list", **reading(KeysAnswer))
async def list_all(call: Supervising) -> KeysAnswer:
    """List the organization's keys, revoked ones included."""

    def shown(tx: Tx) -> list[Key]:
        return [keys.shown(dict(row._mapping)) for row in keys.all_of(tx, call.org_id)]

    return KeysAnswer.of(await _counted(call, await call.db.read(shown)))


@own_keys.post("", **writing(NewKeyAnswer))
async def create(body: KeyCreate, change: Administering) -> Response:
    """Make a key. Its secret is shown this once: a replay by Idempotency-Key shows null in its place."""
    lifetime = None if body.expires_in_days is None else timedelta(days=body.expires_in_days)
    return await change.keeping(without_secret).make(
        lambda row: NewKeyAnswer(key=keys.shown(row), secret=row["key"]),
        keys.create,
        change.party,
        change.now,
        name=body.name,
        scopes=body.scopes,
        lifetime=lifetime,
    )


@own_keys.delete("/{id}", **deleting(RevokedKeyAnswer))
async def revoke(id: PathId, change: Administering, with_: With = None) -> Response:
    """Revoke a key, from its next request on; it stays in the list. What it has made goes on working, unless
    it is taken along; the answer lists both. Links to sign in that it made, and nobody has used, end."""
    if with_ is not None:
        await change.ahead(revocation.empty, change.party, id, change.now)
    return await change.make(
        lambda done: RevokedKeyAnswer(
            key=done.key, still_standing=done.still_standing, taken_along=done.taken_along
        ),
        revocation.revoke,
        change.party,
        id,
        change.now,
        real_now=change.real_now,
        with_made=with_ is not None,
        remove_webhook=webhooks.known if change.rehearsed else webhooks.remove,
    )


async def _counted(call: Call[Caller], found: list[Key]) -> list[CountedKey]:
    made = await call.context.key_use.requests_this_hour([key.id for key in found])
    return [CountedKey(**dict(key), requests_this_hour=made[key.id]) for key in found]


def without_secret(answer: str) -> str:
    """Return an answer as it is stored: without the secret."""
    return NewKeyAnswer.model_validate_json(answer).model_copy(update={"secret": None}).model_dump_json()


router.include_router(organization)
router.include_router(own_keys)

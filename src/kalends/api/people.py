"""`/v1/people`: the staff, who sign in to the pages for staff under their own names."""

import json
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import PathId, Supervising
from kalends.api.changes import Administering, StaffChange
from kalends.api.errors import deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.api.leaving import With
from kalends.core import errors
from kalends.db.database import Tx
from kalends.schemas.made import ChangedPersonAnswer, DeletedPersonAnswer
from kalends.schemas.people import (
    EntryCreate,
    NewPersonAnswer,
    PeopleAnswer,
    Person,
    PersonAnswer,
    PersonChange,
    PersonCreate,
)
from kalends.services.leaving import revocation, webhooks
from kalends.services.setup import links, people

router = APIRouter(prefix="/v1/people", tags=["people"], route_class=JsonRoute)
_ABSENT = EntryCreate()


@router.get("", name="list", **reading(PeopleAnswer))
async def list_all(call: Supervising) -> PeopleAnswer:
    """List the staff, oldest first."""
    return PeopleAnswer.of(await call.db.read_one(people.all_of, call.org_id))


@router.post("", **writing(NewPersonAnswer, errors.NotFound, errors.AlreadyExists, errors.Conflict))
async def create(body: PersonCreate, change: Administering) -> Response:
    """Add somebody to the staff. The link by which they sign in is shown this once; a replay shows null in
    its place. With `send`, it is mailed to them instead."""
    find = partial(people.create, party=change.party, wish=body, now=change.now)
    return await _inviting(change, find, send=body.send)


@router.get("/{id}", **reading(PersonAnswer, errors.NotFound))
async def get(id: PathId, call: Supervising) -> PersonAnswer:
    """Show one person."""
    return PersonAnswer.of(await call.db.read_one(people.get, call.org_id, id))


@router.patch("/{id}", **writing(ChangedPersonAnswer, errors.NotFound, errors.AlreadyExists))
async def change_one(id: PathId, body: PersonChange, change: Administering, with_: With = None) -> Response:
    """Change a person; only what is sent. Whoever is no longer active is signed out at once. What somebody
    has made who is no longer active, or no longer an admin, goes on working, unless it is taken along; the
    answer lists both."""
    if with_ is not None:
        await change.ahead(revocation.empty, change.party, id, change.now)
    return await change.make(
        lambda done: ChangedPersonAnswer(
            person=done.person, still_standing=done.still_standing, taken_along=done.taken_along
        ),
        revocation.change_person,
        change.party,
        id,
        body,
        change.now,
        real_now=change.real_now,
        with_made=with_ is not None,
        remove_webhook=webhooks.known if change.rehearsed else webhooks.remove,
    )


@router.delete("/{id}", **deleting(DeletedPersonAnswer))
async def delete(id: PathId, change: Administering, with_: With = None) -> Response:
    """Delete a person, and sign them out everywhere. History keeps their name. What they have made goes on
    working, unless it is taken along; the answer lists both."""
    if with_ is not None:
        await change.ahead(revocation.empty, change.party, id, change.now)
    return await change.make(
        lambda done: DeletedPersonAnswer(
            id=done.person.id, still_standing=done.still_standing, taken_along=done.taken_along
        ),
        revocation.remove_person,
        change.party,
        id,
        change.now,
        real_now=change.real_now,
        with_made=with_ is not None,
        remove_webhook=webhooks.known if change.rehearsed else webhooks.remove,
    )


@router.post("/{id}/link", **writing(NewPersonAnswer, errors.NotFound, errors.Conflict))
async def invite(id: PathId, change: Administering, body: EntryCreate = _ABSENT) -> Response:
    """Make a new link by which the person signs in, once, within seven days; a former one ends. With `send`,
    it is mailed to them."""
    find = partial(people.get, org_id=change.org_id, person_id=id)
    return await _inviting(change, find, send=body.send)


async def _inviting(change: StaffChange, find: Callable[[Tx], Person], *, send: bool) -> Response:
    """Answer with a person and a new link by which they sign in; without it, if it is to be mailed."""

    def invite(tx: Tx) -> NewPersonAnswer:
        person = find(tx)
        if send:
            mail = change.settings.mails_links
            links.invite_by_mail(tx, change.party, person.id, change.real_now, mail=mail)
            return NewPersonAnswer(person=person, enter_url=None)
        token = links.invite(tx, change.party, person.id, change.real_now)
        return NewPersonAnswer(person=person, enter_url=f"{change.base}/staff/enter/{token}")

    return await change.keeping(without_link).make(lambda made: made, invite)


def without_link(answer: str) -> str:
    """Return an answer as it is stored: without the link."""
    return json.dumps(json.loads(answer) | {"enter_url": None})

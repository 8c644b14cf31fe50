"""`/v1/mails`: the mails that were sent and that are to be sent, and what became of them."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Writing
from kalends.api.errors import reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.mails import MailAnswer, MailsAnswer, MailsQuery
from kalends.services.leaving import mails

router = APIRouter(prefix="/v1/mails", tags=["mails"], route_class=JsonRoute)


@router.get("", name="list", **reading(MailsAnswer))
async def list_page(query: Annotated[MailsQuery, Query()], call: Reading) -> Response:
    """List mails, newest first: those to clients and to staff, and reminders that are still to come. Those by
    which people are invited are shown to whoever may see people: with `admin`."""
    return await call.listing(query.limit, mails.page, call.org_id, query, of_people=call.caller.may("admin"))


@router.get("/{id}", **reading(MailAnswer, errors.NotFound))
async def get(id: PathId, call: Reading) -> MailAnswer:
    """Show one mail."""
    return MailAnswer.of(await call.db.read(mails.get, call.org_id, id, of_people=call.caller.may("admin")))


@router.post("/{id}/replay", **writing(MailAnswer, errors.NotFound, errors.Conflict))
async def replay(id: PathId, change: Writing) -> Response:
    """Send a mail again; one that waits for a retry is sent now. A mail that nobody would want any more is
    refused (409)."""
    return await change.make(
        MailAnswer.of,
        mails.replay,
        change.party,
        id,
        change.real_now,
        of_people=change.caller.may("admin"),
        mail=change.settings.mail,
    )

"""`/v1/calendar/feeds`: addresses for calendar programs; and what they read there."""

import asyncio
import hashlib
import re
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.calls import Call, PathId, Reading
from kalends.api.changes import ETAG, Deleting, Writing
from kalends.api.context import context_of
from kalends.api.errors import deleting, public_reading, reading, writing
from kalends.api.gate import wrong_guess
from kalends.api.json_body import JsonRoute
from kalends.api.visits import ByLink
from kalends.core import errors
from kalends.delivery import calendar_files
from kalends.ids import digest
from kalends.schemas.feeds import FeedCreate, FeedsAnswer, NewFeedAnswer
from kalends.schemas.wire import Deleted
from kalends.services import booking_page, feeds

MEDIA_TYPE = "text/calendar"
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "An iCalendar file."}
    | ETAG,
    304: {"description": "Nothing has changed since the answer with this ETag."} | ETAG,
}
_IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Answer 304 where the file still has this ETag.",
    "schema": {"type": "string"},
}

feeds_of_staff = APIRouter(prefix="/v1/calendar/feeds", tags=["feeds"], route_class=JsonRoute)
files = APIRouter(prefix="/v1/public", tags=["files"])


@feeds_of_staff.get("", name="list", responses=reading())
async def list_all(call: Reading) -> FeedsAnswer:
    """List the feeds, oldest first, without their addresses."""
    return FeedsAnswer.of(await call.db.read(feeds.all_of, call.org_id))


@feeds_of_staff.post(
    "",
    response_model=NewFeedAnswer,
    responses=writing(errors.NotFound),
)
async def create(body: FeedCreate, change: Writing) -> Response:
    """Make a secret address at which calendar programs read the appointments, of one calendar or of all."""
    return await change.keeping(_without_url).make(
        lambda made: NewFeedAnswer(feed=made[0], url=f"{change.base}/v1/public/feeds/{made[1]}.ics"),
        feeds.create,
        change.org_id,
        body,
        change.now,
    )


@feeds_of_staff.delete("/{id}", response_model=Deleted, responses=deleting())
async def delete(id: PathId, change: Deleting) -> Response:
    """Delete a feed; its address stops working."""
    return await change.make(Deleted.of, feeds.remove, change.org_id, id)


@files.get(
    "/feeds/{token}.ics",
    name="feed",
    response_class=Response,
    openapi_extra={"parameters": [_IF_NONE_MATCH]},
    responses=public_reading() | _FILE,
)
async def feed(request: Request, token: Annotated[str, Path(max_length=100)]) -> Response:
    """Read the appointments of the last 30 and the next 365 days."""
    link = await context_of(request.scope).feeds.get(digest(token))
    if link is None:
        raise await wrong_guess(request.scope, errors.NotFound("There is no such feed, or no longer."))
    request.scope["state"]["org_id"] = link.host.org_id
    call = Call(request, link.host)
    found, names = await call.db.read(feeds.appointments_of, link, call.now)
    # A busy practice's feed takes seconds to write, in which others want to be served.
    content = await asyncio.to_thread(calendar_files.feed, link.name, found, link.host.timezone, names)
    return _file(request, content)


@files.get(
    "/appointments/{token}.ics",
    name="appointment",
    response_class=Response,
    openapi_extra={"parameters": [_IF_NONE_MATCH]},
    responses=public_reading() | _FILE,
)
async def appointment(request: Request, visit: ByLink) -> Response:
    """Read an appointment by its client's secret link, for a calendar program."""
    found = await visit.db.read(booking_page.own, visit.by, visit.now)
    return _file(request, calendar_files.own(found, visit.visited.name, visit.timezone))


def _file(request: Request, content: bytes) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = re.findall(r'"[^"]*"', request.headers.get("if-none-match", ""))
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


def _without_url(answer: str) -> str:
    return NewFeedAnswer.model_validate_json(answer).model_copy(update={"url": None}).model_dump_json()


router = APIRouter()
router.include_router(feeds_of_staff)
router.include_router(files)

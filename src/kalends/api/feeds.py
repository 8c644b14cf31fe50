"""`/v1/calendar/feeds`: addresses for calendar programs, and what they read there."""

import hashlib
import re
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from kalends import VERSION, zone_data
from kalends.api.calls import Call, PathId, Reading
from kalends.api.changes import ETAG, Deleting, Writing
from kalends.api.context import context_of
from kalends.api.errors import deleting, public, reading, writing
from kalends.api.gate import wrong_guess
from kalends.api.json_body import JsonRoute
from kalends.api.trail import trail_of
from kalends.api.visits import ByLink
from kalends.core import errors
from kalends.core.caller import FeedLink, Host
from kalends.delivery import calendar_files
from kalends.ids import digest
from kalends.schemas.feeds import FeedCreate, FeedsAnswer, NewFeedAnswer
from kalends.schemas.wire import Deleted
from kalends.services.booking import particulars
from kalends.services.leaving import busy_feeds, feeds
from kalends.services.leaving.feeds import Contents

MEDIA_TYPE = "text/calendar"
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "An iCalendar file."}
    | ETAG,
    304: {"description": "Nothing has changed since the answer with this ETag."} | ETAG,
}
_IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Answer 304 if the file still has this ETag.",
    "schema": {"type": "string"},
}

feeds_of_staff = APIRouter(prefix="/v1/calendar/feeds", tags=["feeds"], route_class=JsonRoute)
files = APIRouter(prefix="/v1/public", tags=["files"])


@feeds_of_staff.get("", name="list", **reading(FeedsAnswer))
async def list_all(call: Reading) -> FeedsAnswer:
    """List the feeds, oldest first, without their addresses."""
    return FeedsAnswer.of(await call.db.read(feeds.all_of, call.org_id))


@feeds_of_staff.post("", **writing(NewFeedAnswer, errors.NotFound))
async def create(body: FeedCreate, change: Writing) -> Response:
    """Make a secret address at which calendar programs read the appointments, of one calendar or of all, or
    only when they are taken (`kind`)."""
    return await change.keeping(without_url).make(
        lambda made: NewFeedAnswer(feed=made[0], url=f"{change.base}/v1/public/feeds/{made[1]}.ics"),
        feeds.create,
        change.party,
        body,
        change.now,
    )


@feeds_of_staff.delete("/{id}", **deleting(Deleted))
async def delete(id: PathId, change: Deleting) -> Response:
    """Delete a feed; its address stops working."""
    return await change.make(Deleted.of, feeds.remove, change.party, id, change.now)


@files.get(
    "/feeds/{token}.ics",
    name="feed",
    response_class=Response,
    openapi_extra={"parameters": [_IF_NONE_MATCH]},
    responses=public() | _FILE,
)
async def feed(request: Request, token: Annotated[str, Path(max_length=100)]) -> Response:
    """Read the appointments of the last 30 and the next 365 days, or only when time is taken."""
    link = await context_of(request.scope).feeds.get(digest(token))
    if link is None:
        raise await wrong_guess(request.scope, errors.NotFound("There is no such feed, or no longer."))
    trail_of(request.scope).org_id = link.host.org_id
    call = Call(request, link.host)
    tag = _tag_of(link, await _digest(call, link))
    if _is_known(request, tag):
        return _unchanged(tag)
    return _file(*await call.context.files.get(call.org_id, tag, partial(_written, call, link)))


async def _digest(call: Call[Host], link: FeedLink) -> str:
    if link.kind == "busy":
        return (await call.db.read(busy_feeds.contents, link, call.now)).digest
    return (await call.db.read(feeds.contents, link, call.now)).digest


async def _written(call: Call[Host], link: FeedLink) -> tuple[str, bytes]:
    if link.kind == "busy":
        found, content = await call.db.read(
            busy_feeds.written, link, call.now, partial(calendar_files.busy, link)
        )
        return _tag_of(link, found.digest), content

    def file(contents: Contents) -> calendar_files.Feed:
        return calendar_files.Feed(
            link.name,
            link.host.timezone,
            contents.years,
            contents.calendars,
            places=contents.places,
            language=link.host.language,
        )

    contents, parts = await call.db.read(
        feeds.written, link, call.now, lambda contents, some: file(contents).part(some)
    )
    return _tag_of(link, contents.digest), file(contents).whole(parts)


@files.get(
    "/appointments/{token}.ics",
    name="appointment",
    response_class=Response,
    openapi_extra={"parameters": [_IF_NONE_MATCH]},
    responses=public() | _FILE,
)
async def appointment(request: Request, visit: ByLink) -> Response:
    """Read an appointment by its client's secret link, for a calendar program."""
    found, told = await visit.db.read(particulars.own, visit.by, visit.now)
    content = calendar_files.own(found, visit.host.name, visit.timezone, particulars=told)
    tag = _tag(content)
    return _unchanged(tag) if _is_known(request, tag) else _file(tag, content)


def _tag_of(link: FeedLink, digest: str) -> str:
    """Return the tag of a feed whose contents have this digest. It is known before the file is written:
    everything that the file's bytes depend on is in it."""
    host = link.host
    words = (link.name, host.timezone, host.language)
    parts = (VERSION, zone_data.choose(), host.org_id, link.calendar_id, link.kind, *words, digest)
    return _tag(repr(parts).encode())


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _is_known(request: Request, tag: str) -> bool:
    return tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", ""))


def _unchanged(tag: str) -> Response:
    return Response(status_code=304, headers=_headers(tag))


def _file(tag: str, content: bytes) -> Response:
    return Response(content, media_type=MEDIA_TYPE, headers=_headers(tag))


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def without_url(answer: str) -> str:
    """Return an answer as it is stored: without the address."""
    return NewFeedAnswer.model_validate_json(answer).model_copy(update={"url": None}).model_dump_json()


router = APIRouter()
router.include_router(feeds_of_staff)
router.include_router(files)

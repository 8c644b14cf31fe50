"""`/v1/calendar/calendars/{calendar_id}/sources`: other calendars whose busy times a calendar keeps."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, Writing
from kalends.api.errors import deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.api.public_urls import must_be_public
from kalends.core import errors
from kalends.schemas.sources import SourceAnswer, SourceCreate, SourcesAnswer
from kalends.schemas.wire import Deleted
from kalends.services.setup import sources

router = APIRouter(
    prefix="/v1/calendar/calendars/{calendar_id}/sources", tags=["sources"], route_class=JsonRoute
)


@router.get("", name="list", **reading(SourcesAnswer, errors.NotFound))
async def list_all(calendar_id: PathId, call: Reading) -> SourcesAnswer:
    """List the sources of a calendar, oldest first, and how reading them goes."""
    return SourcesAnswer.of(await call.db.read(sources.all_of, call.org_id, calendar_id))


@router.post("", **writing(SourceAnswer, errors.NotFound, errors.Conflict))
async def create(calendar_id: PathId, body: SourceCreate, change: Writing) -> Response:
    """Keep the busy times of another calendar: nothing is booked over them. It is read at once, and then
    every few minutes."""
    if not change.settings.sources_allow_private:
        await must_be_public(body.url)
    party, now, vault = change.party, change.real_now, change.settings.vault
    return await change.make(SourceAnswer.of, sources.create, party, calendar_id, body, now, vault=vault)


@router.get("/{id}", **reading(SourceAnswer, errors.NotFound))
async def get(calendar_id: PathId, id: PathId, call: Reading) -> SourceAnswer:
    """Show one source."""
    return SourceAnswer.of(await call.db.read_one(sources.get, call.org_id, calendar_id, id))


@router.post("/{id}/refresh", **writing(SourceAnswer, errors.NotFound))
async def refresh(calendar_id: PathId, id: PathId, change: Writing) -> Response:
    """Read a source now, but not sooner than ten seconds after it was read last: `next_at` says when."""
    return await change.make(SourceAnswer.of, sources.refresh, change.party, calendar_id, id, change.real_now)


@router.delete("/{id}", **deleting(Deleted))
async def delete(calendar_id: PathId, id: PathId, change: Deleting) -> Response:
    """Delete a source; its busy times are free again."""
    return await change.make(Deleted.of, sources.remove, change.party, calendar_id, id, change.now)

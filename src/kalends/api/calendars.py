"""`/v1/calendar/calendars`: what can't be in two places at once."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, Writing
from kalends.api.errors import deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.calendars import CalendarAnswer, CalendarChange, CalendarCreate, CalendarsAnswer
from kalends.schemas.wire import Deleted
from kalends.services.setup import calendars

router = APIRouter(prefix="/v1/calendar/calendars", tags=["calendars"], route_class=JsonRoute)


@router.get("", name="list", **reading(CalendarsAnswer))
async def list_all(call: Reading) -> CalendarsAnswer:
    """List the calendars, the default one first."""
    return CalendarsAnswer.of(await call.db.read_one(calendars.all_of, call.org_id))


@router.post("", **writing(CalendarAnswer, errors.NotFound))
async def create(body: CalendarCreate, change: Writing) -> Response:
    """Add a person, a room, a chair."""
    return await change.make(CalendarAnswer.of, calendars.create, change.party, body, change.now)


@router.get("/{id}", **reading(CalendarAnswer, errors.NotFound))
async def get(id: PathId, call: Reading) -> CalendarAnswer:
    """Show one calendar."""
    return CalendarAnswer.of(await call.db.read_one(calendars.get, call.org_id, id))


@router.patch("/{id}", **writing(CalendarAnswer, errors.NotFound))
async def change_one(id: PathId, body: CalendarChange, change: Writing) -> Response:
    """Change a calendar; only what is sent."""
    return await change.make(CalendarAnswer.of, calendars.change, change.party, id, body, change.now)


@router.delete("/{id}", **deleting(Deleted, errors.Conflict, errors.InUse))
async def delete(id: PathId, change: Deleting) -> Response:
    """Take a calendar out of service if no appointment lies ahead in it. Its past stays readable."""
    return await change.make(Deleted.of, calendars.remove, change.party, id, change.now)

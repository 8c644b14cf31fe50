"""`/v1/calendar/schedules`: hours that types and calendars share, by name."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, Writing
from kalends.api.errors import deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.hours import ScheduleAnswer, ScheduleChange, ScheduleCreate, SchedulesAnswer
from kalends.schemas.wire import Deleted
from kalends.services.setup import schedules

router = APIRouter(prefix="/v1/calendar/schedules", tags=["schedules"], route_class=JsonRoute)


@router.get("", name="list", **reading(SchedulesAnswer))
async def list_all(call: Reading) -> SchedulesAnswer:
    """List the named schedules, by name."""
    return SchedulesAnswer.of(await call.db.read(schedules.all_of, call.org_id))


@router.post("", **writing(ScheduleAnswer))
async def create(body: ScheduleCreate, change: Writing) -> Response:
    """Make a named schedule."""
    return await change.make(ScheduleAnswer.of, schedules.create, change.party, body, change.now)


@router.get("/{id}", **reading(ScheduleAnswer, errors.NotFound))
async def get(id: PathId, call: Reading) -> ScheduleAnswer:
    """Show one schedule."""
    return ScheduleAnswer.of(await call.db.read(schedules.get, call.org_id, id))


@router.patch("/{id}", **writing(ScheduleAnswer, errors.NotFound))
async def change_one(id: PathId, body: ScheduleChange, change: Writing) -> Response:
    """Change a schedule; `windows` replaces all of them."""
    return await change.make(ScheduleAnswer.of, schedules.change, change.party, id, body, change.now)


@router.delete("/{id}", **deleting(Deleted, errors.InUse))
async def delete(id: PathId, change: Deleting) -> Response:
    """Delete a schedule that no type and no calendar follows, with its overrides."""
    return await change.make(Deleted.of, schedules.remove, change.party, id, change.now)

"""`/v1/calendar/availability`: the organization's own weekly hours."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, Writing
from kalends.api.errors import deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.hours import (
    AvailabilitiesAnswer,
    AvailabilityAnswer,
    AvailabilityCreate,
    AvailabilityReplace,
)
from kalends.schemas.wire import Deleted
from kalends.services.setup import availability

router = APIRouter(prefix="/v1/calendar/availability", tags=["availability"], route_class=JsonRoute)


@router.get("", name="list", **reading(AvailabilitiesAnswer))
async def list_all(call: Reading) -> AvailabilitiesAnswer:
    """List the weekly windows, by day and time."""
    return AvailabilitiesAnswer.of(await call.db.read(availability.all_of, call.org_id))


@router.post("", **writing(AvailabilityAnswer, errors.NotFound))
async def create(body: AvailabilityCreate, change: Writing) -> Response:
    """Add a weekly window."""
    return await change.make(AvailabilityAnswer.of, availability.create, change.party, body, change.now)


@router.put("", **writing(AvailabilitiesAnswer, errors.NotFound))
async def replace(body: AvailabilityReplace, change: Writing) -> Response:
    """Replace the whole set of weekly windows. If one is wrong, nothing changes."""
    return await change.make(
        AvailabilitiesAnswer.of, availability.replace, change.party, body.schedules, change.now
    )


@router.delete("/{id}", **deleting(Deleted))
async def delete(id: PathId, change: Deleting) -> Response:
    """Delete a weekly window."""
    return await change.make(Deleted.of, availability.remove, change.party, id, change.now)

"""`/v1/calendar/holds`: time kept for somebody who is still filling in a form."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Writing
from kalends.api.errors import OUT_OF_SERVICE, TIMES, UNBOOKABLE, deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.appointments import pinned
from kalends.schemas.holds import HoldAnswer, HoldCreate
from kalends.schemas.wire import Deleted
from kalends.services.booking import holds

router = APIRouter(prefix="/v1/calendar/holds", tags=["holds"], route_class=JsonRoute)


@router.post("", **writing(HoldAnswer, *TIMES, errors.NotFound, *UNBOOKABLE, *OUT_OF_SERVICE))
async def create(body: HoldCreate, change: Writing) -> Response:
    """Keep time for a while. It is free again at `expires_at`, or when the hold is deleted. An appointment
    booked with the `hold_id` takes the hold's place, and so does a hold that `replaces` it."""
    return await change.make(
        HoldAnswer.of,
        holds.hold,
        change.party,
        body,
        change.now,
        pins=pinned(body.calendar_id, body.calendar_ids),
        check=body.check,
    )


@router.get("/{id}", **reading(HoldAnswer, errors.NotFound))
async def get(id: PathId, call: Reading) -> HoldAnswer:
    """Show a hold that stands."""
    return HoldAnswer.of(await call.db.read(holds.get, call.org_id, id, call.now))


@router.delete("/{id}", **deleting(Deleted))
async def delete(id: PathId, change: Writing) -> Response:
    """Give the time back."""
    return await change.make(Deleted.of, holds.release, change.party, id, change.now)

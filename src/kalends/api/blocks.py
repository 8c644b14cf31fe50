"""`/v1/calendar/blocks`: time of calendars without a client."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, Writing
from kalends.api.errors import TIMES, deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.blocks import BlockAnswer, BlockChange, BlockCreate, BlocksAnswer
from kalends.schemas.queries import BlocksQuery
from kalends.schemas.wire import Deleted
from kalends.services.setup import blocks

router = APIRouter(prefix="/v1/calendar/blocks", tags=["blocks"], route_class=JsonRoute)

_WRITING = writing(BlockAnswer, *TIMES, errors.NotFound, errors.AppointmentsInTheWay, errors.Conflict)


@router.get("", name="list", **reading(BlocksAnswer, *TIMES))
async def list_page(query: Annotated[BlocksQuery, Query()], call: Reading) -> Response:
    """List the blocks that take time from `from` to `to`, by start time, each with the time that it takes
    there."""
    return await call.listing(query.limit, blocks.page, call.org_id, call.timezone, query)


@router.post("", **_WRITING)
async def create(body: BlockCreate, change: Writing) -> Response:
    """Block time of a calendar, or of all, once or every week: nothing can be booked there from then on.

    If there are appointments or holds in that time, it is refused (409 `appointments_in_the_way`), and the
    answer lists them. With `force` it is blocked all the same, and they stay.
    """
    return await change.make(BlockAnswer.of, blocks.create, change.party, body, change.now)


@router.get("/{id}", **reading(BlockAnswer, errors.NotFound))
async def get(id: PathId, call: Reading) -> BlockAnswer:
    """Show one block."""
    return BlockAnswer.of(await call.db.read(blocks.get, call.org_id, id))


@router.patch("/{id}", **_WRITING)
async def change_one(id: PathId, body: BlockChange, change: Writing) -> Response:
    """Change a block; only what is sent. Appointments are in the way only in time that was not blocked
    before."""
    return await change.make(BlockAnswer.of, blocks.change, change.party, id, body, change.now)


@router.delete("/{id}", **deleting(Deleted))
async def delete(id: PathId, change: Deleting) -> Response:
    """Delete a block: its time can be booked again."""
    return await change.make(Deleted.of, blocks.remove, change.party, id, change.now)

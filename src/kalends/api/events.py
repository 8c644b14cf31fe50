"""`/v1/events`: what happened, in its order."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import Reading
from kalends.api.errors import reading
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.events import EventsAnswer
from kalends.schemas.queries import EventsQuery
from kalends.services.outbox import event_order, event_pages

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=JsonRoute)


@router.get("", name="list", **reading(EventsAnswer, errors.CursorExpired))
async def list_page(query: Annotated[EventsQuery, Query()], call: Reading) -> Response:
    """Read what happened after a cursor, in the order of commits. A reader that goes on with `next_cursor`
    misses nothing and sees nothing twice, even while events are being written."""
    if await call.db.read_one(event_order.is_waiting, call.org_id):
        await call.db.write(event_order.number, call.org_id, call.real_now, mail=call.settings.mail)
    return await call.listing(query.limit, event_pages.page, call.org_id, query)

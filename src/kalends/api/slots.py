"""`/v1/calendar/slots`: what is free, and why something is not."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import Reading
from kalends.api.errors import reading
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.queries import ExplainQuery, SlotsQuery
from kalends.schemas.slots import Explanation, SlotsAnswer
from kalends.services import slots

router = APIRouter(prefix="/v1/calendar/slots", tags=["slots"], route_class=JsonRoute)

_RESPONSES = reading(errors.NotFound, errors.InvalidTime, errors.NonexistentTime, errors.AmbiguousTime)


@router.get("", response_model=SlotsAnswer, responses=_RESPONSES)
async def search(query: Annotated[SlotsQuery, Query()], call: Reading) -> Response:
    """List every start that can be booked with `check: all`, and the calendars that could take it; the first
    5,000 or fewer, if there are more, and the `next` one."""
    found = await call.look(
        slots.search, call.org_id, call.timezone, query, call.now, calendar_id=query.calendar_id
    )
    return Response(found, media_type="application/json")


@router.get("/explain", responses=_RESPONSES)
async def explain(query: Annotated[ExplainQuery, Query()], call: Reading) -> Explanation:
    """Tell whether a start can be booked with `check: all`; if not, every rule that speaks against it."""
    return await call.look(
        slots.explain, call.org_id, call.timezone, query, call.now, calendar_id=query.calendar_id
    )

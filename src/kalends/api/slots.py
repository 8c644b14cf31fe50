"""`/v1/calendar/slots`: the times that are free, and why a time is not."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import Reading
from kalends.api.errors import TIMES, reading
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.queries import ExplainQuery, SlotsQuery
from kalends.schemas.slots import Explanation, SlotsAnswer
from kalends.services.booking import slots

router = APIRouter(prefix="/v1/calendar/slots", tags=["slots"], route_class=JsonRoute)


@router.get("", **reading(SlotsAnswer, errors.NotFound, errors.IllegalTransition, *TIMES))
async def search(query: Annotated[SlotsQuery, Query()], call: Reading) -> Response:
    """List every start that can be booked with `check: all`, and the calendars that could take it. If there
    are too many, the answer has the first 5,000 or fewer, and the `next` start."""
    found = await call.look(slots.search, call.org_id, call.timezone, query, call.now)
    return Response(found, media_type="application/json")


@router.get("/explain", **reading(Explanation, errors.NotFound, errors.IllegalTransition, *TIMES))
async def explain(query: Annotated[ExplainQuery, Query()], call: Reading) -> Explanation:
    """Tell whether a start can be booked with `check: all`, and if not, every rule that forbids it."""
    return await call.look(slots.explain, call.org_id, call.timezone, query, call.now)

"""`/v1/calendar/days`: how much is free on each day."""

from typing import Annotated

from fastapi import APIRouter, Query

from kalends.api.calls import Reading
from kalends.api.errors import TIMES, reading
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.days import DaysAnswer
from kalends.schemas.queries import DaysQuery
from kalends.services.booking import days

router = APIRouter(prefix="/v1/calendar/days", tags=["days"], route_class=JsonRoute)


@router.get("", **reading(DaysAnswer, errors.NotFound, errors.IllegalTransition, *TIMES))
async def search(query: Annotated[DaysQuery, Query()], call: Reading) -> DaysAnswer:
    """Count the starts that can be booked on each day, and tell the first. The days are those of the
    `timezone` asked for."""
    return await call.look(days.search, call.org_id, call.timezone, query, call.now)

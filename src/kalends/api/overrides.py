"""`/v1/calendar/overrides` and `/v1/calendar/schedules/{schedule_id}/overrides`: days that differ.

The first are those of the organization's default schedule, the second those of a named one. The handlers are
the same.
"""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, Writing
from kalends.api.errors import deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.fields import Day
from kalends.schemas.hours import (
    HolidaysCreate,
    OverrideAnswer,
    OverrideChange,
    OverrideCreate,
    OverridesAnswer,
)
from kalends.schemas.wire import Deleted
from kalends.services.setup import overrides


async def _schedule(request: Request) -> str | None:
    return request.path_params.get("schedule_id")


async def _documented(schedule_id: PathId) -> None:
    """Document the parameter that `_schedule` reads."""


Schedule = Annotated[str | None, Depends(_schedule)]
From = Annotated[Day | None, Query(alias="from", description="The first day.")]
To = Annotated[Day | None, Query(alias="to", description="The last day, included.")]


async def list_range(
    schedule: Schedule, call: Reading, first: From = None, last: To = None
) -> OverridesAnswer:
    """List the overrides that touch the days from `from` to `to`, by date."""
    days = [None if day is None else date.fromisoformat(day) for day in (first, last)]
    return OverridesAnswer.of(
        await call.db.read(overrides.all_of, call.org_id, schedule, first=days[0], last=days[1])
    )


async def create(schedule: Schedule, body: OverrideCreate, change: Writing) -> Response:
    """Add days that differ: other hours, or none."""
    return await change.make(OverrideAnswer.of, overrides.create, change.party, schedule, body, change.now)


async def add_holidays(schedule: Schedule, body: HolidaysCreate, change: Writing) -> Response:
    """Close the public holidays of a year. Sent again, it changes nothing. Each can be deleted like any
    override."""
    return await change.make(
        OverridesAnswer.of, overrides.add_holidays, change.party, schedule, body, change.now
    )


async def get(schedule: Schedule, id: PathId, call: Reading) -> OverrideAnswer:
    """Show one override."""
    return OverrideAnswer.of(await call.db.read(overrides.get, call.org_id, schedule, id))


async def change_one(schedule: Schedule, id: PathId, body: OverrideChange, change: Writing) -> Response:
    """Change an override; only what is sent."""
    return await change.make(
        OverrideAnswer.of, overrides.change, change.party, schedule, id, body, change.now
    )


async def delete(schedule: Schedule, id: PathId, change: Deleting) -> Response:
    """Delete an override."""
    return await change.make(Deleted.of, overrides.remove, change.party, schedule, id, change.now)


def _router(prefix: str, tag: str, *, named: bool) -> APIRouter:
    router = APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=JsonRoute,
        dependencies=[Depends(_documented)] if named else [],
    )
    one, many, missing = OverrideAnswer, OverridesAnswer, errors.NotFound
    router.get("", name="list", **reading(many, missing))(list_range)
    router.post("", **writing(one, missing))(create)
    router.post("/holidays", **writing(many, missing))(add_holidays)
    router.get("/{id}", **reading(one, missing))(get)
    router.patch("/{id}", **writing(one, missing))(change_one)
    router.delete("/{id}", **deleting(Deleted))(delete)
    return router


router = APIRouter()
router.include_router(_router("/v1/calendar/overrides", "overrides", named=False))
router.include_router(
    _router("/v1/calendar/schedules/{schedule_id}/overrides", "schedule_overrides", named=True)
)

"""The free times of a day, from which staff can choose."""

import json
from collections.abc import Collection
from datetime import date
from typing import Any

from pydantic import ValidationError

from kalends.core.errors import InvalidTime, NotFound
from kalends.schemas.fields import as_moment
from kalends.schemas.queries import SlotsQuery
from kalends.services.booking import slots
from kalends.web.grids import Time
from kalends.web.readers import Reader
from kalends.web.staff_visits import EnteredCall
from kalends.words import dates

MOST_TIMES = 96
"""So many free times of a day are shown at most."""


async def free_times(
    call: EnteredCall,
    reader: Reader,
    type_id: str,
    day: date,
    *,
    calendar_ids: Collection[str] = (),
    moving: str | None = None,
    minutes: str = "",
) -> list[Time]:
    """Return the free times of a day, by every rule of the type: those of some calendars at once, or those
    within its own for an appointment that is moving. `minutes` is how long it is to last, as typed,
    if not as long as usual. If that is no length, a calendar is no longer there, or the day has no end, there
    are none."""
    asked = {"appointment_type_id": type_id, "from": day.isoformat(), "to": day.isoformat()}
    more = {
        "calendar_id": next(iter(calendar_ids), None),
        "moving": moving,
        "duration_minutes": minutes.strip(),
    }
    try:
        query = SlotsQuery.model_validate(asked | {name: said for name, said in more.items() if said})
        found = await call.look(slots.search, call.org_id, call.timezone, query, call.now)
    except (ValidationError, NotFound, InvalidTime):
        return []
    free = [each["start_time"] for each in json.loads(found)["slots"] if _has(each, calendar_ids)]
    return [
        Time(each, reader.time(dates.local(as_moment(each), call.timezone))) for each in free[:MOST_TIMES]
    ]


def _has(slot: dict[str, Any], calendar_ids: Collection[str]) -> bool:
    return {id_ for each in slot["choices"] for id_ in each["calendar_ids"]} >= {*calendar_ids}

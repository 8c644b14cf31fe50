"""What a day that is open in a browser asks time and again: whether anything has changed since."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from kalends.core.errors import CursorExpired
from kalends.schemas.events import Event
from kalends.schemas.fields import as_moment
from kalends.schemas.queries import EventsQuery
from kalends.services.outbox import event_order, event_pages
from kalends.web.forms import validated
from kalends.web.staff_visits import Entered, EnteredCall
from kalends.words import dates

_SEEN = tuple(
    f"{kind}.*"
    for kind in (
        *("appointment", "appointment_type", "availability", "schedule", "override", "calendar", "source"),
        *("block", "organization"),
    )
)
"""The events of what a day shows."""
_MOST = 100
_TIMES = ("start_time", "end_time")

router = APIRouter(prefix="/staff/changes", include_in_schema=False)


@router.get("")
async def since(call: Entered) -> Response:
    """Tell which days have changed after a cursor (`after`), and the next one; `days` is null if it may be
    any. If nothing has, there is nothing to say (204)."""
    sent = {name: text for name, text in call.request.query_params.items() if name == "after"}
    query = validated(EventsQuery, sent | {"types": ",".join(_SEEN), "limit": _MOST})
    if await call.db.read_one(event_order.is_waiting, call.org_id):
        await call.db.write(event_order.number, call.org_id, call.real_now, mail=call.settings.mail)
    try:
        page = await call.db.read(event_pages.page, call.org_id, query)
    except CursorExpired:
        page = None
    if page is None or query.after is None:
        return _told(await call.db.read_one(event_pages.newest, call.org_id), None)
    if not page.events:
        return Response(status_code=204)
    days = [_days(each, call) for each in page.events]
    known = {day for each in days if each is not None for day in each}
    return _told(page.next_cursor, None if None in days or len(days) == _MOST else sorted(known))


def _told(after: str, days: list[str] | None) -> Response:
    return JSONResponse({"after": after, "days": days})


def _days(event: Event, call: EnteredCall) -> set[str] | None:
    """Return the days on which an event is seen, before it and after; None if that may be any."""
    now = event.data.get("appointment")
    if now is None:
        return None
    before = now | event.data.get("previous", {})
    return _covered(now, call.timezone) | _covered(before, call.timezone)


def _covered(fields: Mapping[str, Any], zone: str) -> set[str]:
    first, last = (dates.local(as_moment(fields[each]), zone).date() for each in _TIMES)
    return {(first + timedelta(days=each)).isoformat() for each in range((last - first).days + 1)}

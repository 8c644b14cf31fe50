"""Lists of appointments, page by page."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Select, literal, tuple_

from kalends.core.contacts import folded
from kalends.core.errors import Malformed
from kalends.core.hours import begin_of, end_of, moment, seconds, shifted
from kalends.core.lifecycle import MAX_DURATION_MINUTES
from kalends.db.aside import aside
from kalends.db.columns import UtcDateTime
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments
from kalends.schemas.appointments import AppointmentsAnswer
from kalends.schemas.queries import AppointmentsQuery, Cursor
from kalends.services.booking.appointments import SHOWN, shown, status_at, takes_time_of
from kalends.services.booking.clients import key_of, mentioning

_EVER = datetime.max.replace(tzinfo=UTC)
_LONGEST = timedelta(minutes=MAX_DURATION_MINUTES)


def page(tx: Tx, org_id: str, timezone: str, query: AppointmentsQuery, now: datetime) -> AppointmentsAnswer:
    """Return a page of the organization's appointments, by start time, or by last change if `updated_since`
    is asked for. `timezone` is the zone of bare dates. Pages stay right while rows are inserted: each begins
    after the last row of the page before, not after a number of rows. `overlapping` adds what began before
    `from` and ends after it.

    Raises Malformed for a cursor of another order, InvalidTime for bounds beyond the calendar.
    """
    by: Literal["start_time", "updated_at"] = "start_time" if query.updated_since is None else "updated_at"
    low, high = _bounds(query, timezone)
    statement = _filtered(org_id, query, now)
    if query.overlapping and (begin := low.get("start_time")) is not None:
        statement = statement.where(appointments.c.end_time > begin)
        if begin < high.get("start_time", _EVER):
            low["start_time"] = _reach(begin)
    key = (appointments.c[by], appointments.c.id)
    if (last := query.cursor) is not None:
        if (last.by, last.order) != (by, query.order):
            raise Malformed("cursor belongs to a list in another order.")
        at = moment(last.at)
        place = tuple_(literal(at, UtcDateTime()), literal(last.id))
        statement = statement.where(tuple_(*key) > place if query.order == "asc" else tuple_(*key) < place)
        # The bound behind the cursor says nothing new. If it is asked for all the same, SQLite enters the
        # index at the bound instead of the cursor, and every page reads all pages before it.
        if query.order == "asc" and by in low and low[by] <= at:
            del low[by]
        if query.order == "desc" and by in high and at < high[by]:
            del high[by]
    statement = statement.where(
        *(appointments.c[name] >= bound for name, bound in low.items()),
        *(appointments.c[name] < bound for name, bound in high.items()),
    )
    ordered = [column.asc() if query.order == "asc" else column.desc() for column in key]
    rows = tx.execute(statement.order_by(*ordered).limit(query.limit + 1))
    return aside(tx, lambda: _page(rows.all(), by, query, now))


def _page(
    rows: Sequence[AnyRow], by: Literal["start_time", "updated_at"], query: AppointmentsQuery, now: datetime
) -> AppointmentsAnswer:
    following = None
    if len(rows) > query.limit:
        end = rows[query.limit - 1]
        at = seconds(end._mapping[by])
        following = str(Cursor(by=by, order=query.order, at=at, id=end.id))
    return AppointmentsAnswer.model_construct(
        appointments=[shown(row, now) for row in rows[: query.limit]], next_cursor=following
    )


def _reach(begin: datetime) -> datetime:
    """Return the earliest start of an appointment that may end after `begin`. None is longer, so the index is
    read over a bounded range."""
    return shifted(begin, -_LONGEST)


def _bounds(query: AppointmentsQuery, timezone: str) -> tuple[dict[str, datetime], dict[str, datetime]]:
    """Return the lowest value of each column that is bounded so, and the value that each must stay below."""
    low, high = {}, {}
    if query.from_ is not None:
        low["start_time"] = begin_of(query.from_, timezone)
    if query.to is not None:
        high["start_time"] = end_of(query.to, timezone)
    if query.updated_since is not None:
        low["updated_at"] = begin_of(query.updated_since, timezone)
    return low, high


def _filtered(org_id: str, query: AppointmentsQuery, now: datetime) -> Select[*tuple[Any, ...]]:
    statement: Select[*tuple[Any, ...]] = SHOWN.where(appointments.c.org_id == org_id)
    if query.status is not None:
        statement = statement.where(status_at(now).in_(query.status))
    if query.appointment_type_id is not None:
        statement = statement.where(appointments.c.appointment_type_id == query.appointment_type_id)
    if query.calendar_id is not None:
        statement = statement.where(takes_time_of(query.calendar_id))
    if query.client_email is not None:
        statement = statement.where(appointments.c.client_email_folded == folded(query.client_email))
    if query.same_client_as is not None:
        mine = appointments.c.client_key == key_of(org_id, query.same_client_as)
        statement = statement.where(mine)
    return statement.where(*mentioning(query.q or ""))

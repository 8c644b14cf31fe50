"""Reading opening hours: schedules with their weekly windows and the days that differ."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import or_, select

from kalends.core.hours import DAY, HOUR, MINUTE, Override, Schedule, day_named, day_number
from kalends.core.intervals import Intervals
from kalends.core.lifecycle import MAX_BUSY
from kalends.db.database import Tx
from kalends.db.tables import overrides, windows

_SLACK = int(MAX_BUSY.total_seconds())


def schedules(
    tx: Tx, org_id: str, wanted: Mapping[str, str], start: int, end: int, *, of_type: str | None = None
) -> Mapping[str, Schedule]:
    """Return schedules by id, `wanted` with their zones (IANA names), and with the overrides that can touch
    `[start, end)` and the longest appointment after it, in seconds since 1970. Windows for one type only,
    which are hours of the organization's default schedule, count if it is `of_type`, or if no type is
    named."""
    theirs = or_(windows.c.appointment_type_id.is_(None), windows.c.appointment_type_id == of_type)
    weekly: dict[str, list[list[tuple[int, int]]]] = {id_: [[] for _ in range(7)] for id_ in wanted}
    found = select(windows.c.schedule_id, windows.c.day_of_week, windows.c.start_time, windows.c.end_time)
    for window in tx.execute(
        found.where(
            windows.c.org_id == org_id,
            windows.c.schedule_id.in_(wanted),
            windows.c.is_active,
            *(() if of_type is None else (theirs,)),
        )
    ):
        weekly[window.schedule_id][window.day_of_week].append(_hours(window.start_time, window.end_time))
    changed: dict[str, list[Override]] = {id_: [] for id_ in wanted}
    first, last = (start // DAY - 7), (end + _SLACK) // DAY + 5
    for row in tx.execute(
        select(overrides.c.schedule_id, overrides.c.start_date, overrides.c.end_date, overrides.c.windows)
        .where(
            overrides.c.org_id == org_id,
            overrides.c.schedule_id.in_(wanted),
            overrides.c.start_date <= day_named(last).isoformat(),
            overrides.c.end_date >= day_named(first).isoformat(),
        )
        # Of overrides of one day the last one counts: by hand after holidays, and new ones after old ones.
        .order_by(overrides.c.holiday.is_(None), overrides.c.created_at, overrides.c.id)
    ):
        changed[row.schedule_id].append(
            Override(
                day_number(date.fromisoformat(row.start_date)),
                day_number(date.fromisoformat(row.end_date)),
                Intervals(_hours(each["start_time"], each["end_time"]) for each in row.windows),
            )
        )
    return {
        id_: Schedule(zone, [Intervals(day) for day in weekly[id_]], changed[id_])
        for id_, zone in wanted.items()
    }


def _hours(start: str, end: str) -> tuple[int, int]:
    return _of_day(start), _of_day(end)


def _of_day(clock_time: str) -> int:
    """Return HH:MM:SS as seconds after midnight."""
    hour, minute, second = map(int, clock_time.split(":"))
    return hour * HOUR + minute * MINUTE + second

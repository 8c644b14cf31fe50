"""Practices of every kind, drawn at random around a moment at which clocks change, and built through the API:
their hours, their calendars, a type, and what is booked and held there already."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from hypothesis import strategies as st

from kalends.app import create_app
from kalends.core.hours import Override, Schedule, day_number, moment, stamp, zone_names
from kalends.core.intervals import Intervals
from kalends.settings import Settings
from tests.core.slow import DAY, HOUR, MINUTE, a_clock
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import Desk
from tests.support.organizations import make_org

AGO = timedelta(minutes=10)
"""How long before the present a plan is carried out."""

Body = dict[str, Any]


@dataclass(frozen=True)
class Hours:
    """Of a schedule: bodies of windows and overrides. The zone is the organization's where it is None."""

    zone: str | None
    windows: list[Body]
    overrides: list[Body]


@dataclass(frozen=True)
class CalendarPlan:
    """`schedule` is a place among the plan's named schedules, if it has any."""

    schedule: int | None
    serves: bool
    is_active: bool


@dataclass(frozen=True)
class Booking:
    """Of the practice's type or of another; on a calendar, by its place, or on any. `status` is what becomes
    of it."""

    of_another_type: bool
    calendar: int | None
    start: str
    check: str
    status: str | None


@dataclass(frozen=True)
class Holding:
    """Made ten minutes before the present, so the shorter ones have lapsed."""

    calendar: int | None
    start: str
    ttl_seconds: int


@dataclass(frozen=True)
class Plan:
    """A practice, the present, and a range of time to ask for."""

    zone: str
    week_start: int
    now: datetime
    start: datetime
    end: datetime
    kind: Body
    follows: int | None
    own: Hours
    schedules: list[Hours]
    calendars: list[CalendarPlan]
    bookings: list[Booking]
    holds: list[Holding]


def followed(plan: Plan) -> Schedule:
    """The hours that the plan's type follows."""
    chosen = [] if plan.follows is None else plan.schedules[plan.follows % max(1, len(plan.schedules)) :][:1]
    hours = chosen[0] if chosen else plan.own
    weekly: list[list[tuple[int, int]]] = [[] for _ in range(7)]
    for window in hours.windows:
        if window.get("is_active", True) and window.get("for", "this") == "this":
            weekly[window["day_of_week"]].append(_edges_of(window))
    return Schedule(
        hours.zone or plan.zone,
        [Intervals(day) for day in weekly],
        [
            Override(
                _day_of(override, "start_date"),
                _day_of(override, "end_date"),
                Intervals(_edges_of(window) for window in override["windows"]),
            )
            for override in hours.overrides
        ],
    )


def _day_of(override: Body, name: str) -> int:
    return day_number(date.fromisoformat(override.get(name) or override["date"]))


def _edges_of(window: Body) -> tuple[int, int]:
    start, end = (
        sum(int(part) * unit for part, unit in zip(window[name].split(":"), (HOUR, MINUTE, 1), strict=True))
        for name in ("start_time", "end_time")
    )
    return start, end


@dataclass(frozen=True)
class PlannedDesk:
    """A plan that was carried out. `calendars` are ids, in the plan's order."""

    plan: Plan
    desk: Desk
    calendars: list[str]


def _window(edges: tuple[int, int]) -> Body:
    start, end = (f"{edge // HOUR:02}:{edge // MINUTE % 60:02}:{edge % MINUTE:02}" for edge in sorted(edges))
    return {"start_time": start, "end_time": end}


_minutes = st.one_of(
    st.sampled_from([0, 0, 30, 60, 120, 150, 180, 480, 540, 720, 780, 1_020, 1_320, 1_410, 1_440, 1_440]),
    st.integers(0, 1_440),
)
_edges = st.one_of(*[_minutes.map(lambda minutes: minutes * MINUTE)] * 4, st.integers(0, DAY))
_windows = st.lists(_edges, min_size=2, max_size=2, unique=True).map(lambda edges: (edges[0], edges[1]))
_ALL_DAY, _MORNING, _BY_DAY, _NIGHT = (0, DAY), (0, 5 * HOUR), (8 * HOUR, 18 * HOUR), (20 * HOUR, DAY)
_days = st.one_of(
    st.lists(_windows, min_size=1, max_size=3),
    st.sampled_from([[_ALL_DAY], [_MORNING, _NIGHT], [_BY_DAY], [_BY_DAY, _NIGHT], []]),
)
_weeks = st.one_of(
    _days.map(lambda day: [day] * 7),
    st.sampled_from([[[_ALL_DAY]] * 7, [[_MORNING, _NIGHT]] * 7, [[_BY_DAY]] * 7]),
    st.lists(_days, min_size=7, max_size=7),
)
_overrides = st.lists(st.tuples(st.integers(-3, 4), st.integers(0, 3), _days), max_size=2)
_extras: st.SearchStrategy[list[Body]] = st.lists(
    st.sampled_from([{}] * 8 + [{"is_active": False}, {"for": "this"}, {"for": "another"}]), min_size=21
)
_zones = st.sampled_from([None, None, *sorted(zone_names())])
_years = st.integers(1995, 2037)
_places = st.none() | st.integers(0, 2)
_calendars = st.tuples(
    *[
        st.builds(
            CalendarPlan,
            st.sampled_from([None, None, None, 0, 1]),
            st.sampled_from([True, True, True, False]),
            st.sampled_from([True] * 9 + [False]),
        )
    ]
    * 3
)
_counts = st.sampled_from([1, 2, 2, 3])
_kinds = st.fixed_dictionaries(
    {
        "durationMinutes": st.sampled_from([10, 15, 20, 30, 45, 60, 60, 90, 120, 240, 1_440, 4_320]),
        "slotIntervalMinutes": st.sampled_from([None, None, None, 7, 15, 20, 30, 60, 90, 1_440]),
        "bufferBeforeMinutes": st.sampled_from([0, 0, 5, 15, 60]),
        "bufferAfterMinutes": st.sampled_from([0, 0, 10, 30, 1_440]),
        "minNoticeHours": st.sampled_from([0, 0, 0, 0, 1, 24]),
        "maxDaysAhead": st.sampled_from([None, None, None, 1, 2, 4, 60]),
        "maxPerDay": st.sampled_from([None, None, None, 1, 2, 3]),
        "maxPerWeek": st.sampled_from([None, None, None, 2, 4]),
        "maxPerMonth": st.sampled_from([None, None, None, 3, 6]),
        "requiresConfirmation": st.booleans(),
        "confirmWithinHours": st.sampled_from([None, 1, 1]),
        "isActive": st.sampled_from([True] * 30 + [False]),
    }
)
_around = st.one_of(st.integers(-24, 192).map(lambda quarters: quarters * 15), st.integers(-720, 4_320))
"""In minutes."""
_bookings = st.lists(
    st.tuples(
        st.booleans(),
        _places,
        _around,
        st.sampled_from(["conflicts", "conflicts", "none"]),
        st.sampled_from([None, None, None, None, "cancelled", "completed", "no_show"]),
    ),
    min_size=1,
    max_size=6,
)
_holds = st.lists(st.tuples(_places, _around, st.sampled_from([599, 600, 601, 900, 900])), max_size=2)
_leads = st.one_of(st.sampled_from([0, 60, 1_440]), st.integers(0, 2_880))
_odd_seconds = st.sampled_from([0, 0, 0, 1, 59])
_starts = st.integers(-360, 1_440)
_named_schedules = st.integers(0, 2)
_fractions = st.sampled_from([1, 1, 2, 4, 8])


def _hours(draw: st.DrawFn, zone: str | None, near: datetime) -> Hours:
    """Its overrides are around an instant."""
    week = [
        _window(each) | {"day_of_week": day} for day, windows in enumerate(draw(_weeks)) for each in windows
    ]
    overrides = []
    for first, more, windows in draw(_overrides):
        start, end = ((near.date() + timedelta(days=by)).isoformat() for by in (first, first + more))
        dates = {"start_date": start, "end_date": end} if more else {"date": start}
        overrides.append({**dates, "windows": [_window(each) for each in windows]})
    return Hours(zone, week, overrides)


@st.composite
def plans(draw: st.DrawFn, *, longest: int = 8 * DAY) -> Plan:
    """The range that is asked for is up to so many seconds long."""
    zone, changes_at = a_clock(draw, _years)
    near = moment(changes_at)
    now = near - timedelta(minutes=draw(_leads), seconds=draw(_odd_seconds))
    start = now + timedelta(minutes=draw(_starts), seconds=draw(_odd_seconds))

    def at(minutes: int) -> str:
        return stamp(start.replace(minute=0, second=0) + timedelta(minutes=minutes))

    schedules = [_hours(draw, draw(_zones), near) for _ in range(draw(_named_schedules))]
    own = _hours(draw, None, near)
    own = replace(
        own, windows=[window | more for window, more in zip(own.windows, draw(_extras), strict=False)]
    )
    first, *others = draw(_calendars)[: draw(_counts)]
    return Plan(
        zone=zone,
        week_start=draw(st.integers(0, 6)),
        now=now,
        start=start,
        end=start + timedelta(seconds=longest // draw(_fractions) + draw(_odd_seconds)),
        kind=draw(_kinds),
        follows=draw(_places),
        own=own,
        schedules=schedules,
        calendars=[replace(first, serves=True), *others],
        bookings=[
            Booking(other, where, at(by), check, then) for other, where, by, check, then in draw(_bookings)
        ],
        holds=[Holding(where, at(by), ttl) for where, by, ttl in draw(_holds)],
    )


@contextlib.contextmanager
def application(url: str) -> Iterator[tuple[asyncio.Runner, FastAPI, StoppedClock]]:
    """An application on the database at `url`, and the loop in which it runs."""
    clock = StoppedClock()
    many = 10_000_000
    config = Settings(
        database_url=url, worker=False, public_requests_per_hour=many, public_holds_per_address=many
    )
    app = create_app(config, clock=clock)
    lifespan = app.router.lifespan_context(app)
    with asyncio.Runner() as runner:
        runner.run(lifespan.__aenter__())
        try:
            yield runner, app, clock
        finally:
            runner.run(lifespan.__aexit__(None, None, None))


async def carried_out(app: FastAPI, clock: StoppedClock, plan: Plan) -> PlannedDesk:
    """Carry a plan out, in a new organization. The clock then stands at the plan's present."""
    clock.at = plan.now - AGO
    org = await make_org(app.state.context.database, clock.now(), timezone=plan.zone)
    desk = Desk(app, org)
    await desk.set_organization(week_start=plan.week_start)
    schedules = [await _schedule(desk, hours) for hours in plan.schedules]
    calendars = [
        await _calendar(desk, _named(schedules, planned.schedule), is_first=number == 0)
        for number, planned in enumerate(plan.calendars)
    ]
    another_type = await desk.make(
        "appointment-types",
        "appointmentType",
        name="Review",
        durationMinutes=30,
        bufferAfterMinutes=10,
        calendarIds=calendars,
    )
    await _own_hours(desk, plan.own, str(another_type["id"]))
    both = list(zip(calendars, plan.calendars, strict=True))
    serving = [id_ for id_, planned in both if planned.serves]
    followed = _named(schedules, plan.follows)
    await desk.set_type(**plan.kind | {"isActive": True, "calendarIds": serving, "scheduleId": followed})
    for booking in plan.bookings:
        await _book(desk, booking, calendars, str(another_type["id"]))
    for hold in plan.holds:
        where = {"calendar_id": _named(calendars, hold.calendar)}
        _may_be_taken(await desk.hold(hold.start, ttl_seconds=hold.ttl_seconds, **where))
    for id_, planned in both:
        await desk.set_calendar(id_, is_active=planned.is_active)
    await desk.set_type(isActive=plan.kind["isActive"])
    clock.at = plan.now
    return PlannedDesk(plan, desk, calendars)


async def _schedule(desk: Desk, hours: Hours) -> str:
    fields = {"name": "Hours", "timezone": hours.zone, "windows": hours.windows}
    id_ = str((await desk.make("schedules", "schedule", **fields))["id"])
    for override in hours.overrides:
        await desk.make(f"schedules/{id_}/overrides", "override", **override)
    return id_


async def _calendar(desk: Desk, schedule: str | None, *, is_first: bool) -> str:
    if not is_first:
        return await desk.room(schedule_id=schedule)
    await desk.set_calendar(desk.org.calendar_id, schedule_id=schedule)
    return desk.org.calendar_id


async def _own_hours(desk: Desk, hours: Hours, another_type: str) -> None:
    whose = {"this": desk.org.type_id, "another": another_type, None: None}
    fields = [window | {"appointment_type_id": whose[window.get("for")]} for window in hours.windows]
    await desk.open(*fields)
    for override in hours.overrides:
        await desk.make("overrides", "override", **override)


async def _book(desk: Desk, booking: Booking, calendars: Sequence[str], another_type: str) -> None:
    fields: Body = {"calendar_id": _named(calendars, booking.calendar), "check": booking.check}
    if booking.of_another_type:
        fields["appointment_type_id"] = another_type
    response = await desk.book(booking.start, **fields)
    if _may_be_taken(response) and booking.status is not None:
        await desk.changed(answered(response, "appointment"), status=booking.status)


def _may_be_taken(response: httpx.Response) -> bool:
    """Whether the time was free; assert that nothing else stood against it."""
    if response.status_code == 200:
        return True
    refused(response, 409, "slot_taken")
    return False


def _named(ids: Sequence[str], place: int | None) -> str | None:
    """The id at a place, counted around; none where there are none."""
    return None if place is None or not ids else ids[place % len(ids)]

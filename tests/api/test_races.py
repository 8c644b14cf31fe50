"""Every two calls that touch the same things, made truly at once: whichever the database lets go first, each
is answered as documented, none by a 5xx, and what was answered is so."""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from kalends.app import create_app
from kalends.core.hours import stamp
from kalends.db.database import Tx
from kalends.db.tables import (
    appointment_types,
    appointments,
    calendars,
    events,
    idempotency_keys,
    organizations,
    overrides,
    receivers,
    schedules,
    type_calendars,
    windows,
)
from kalends.settings import Settings
from tests.api.operations import OPERATIONS
from tests.support.books import check_blocks, check_histories, check_times
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both, pytest.mark.slow]

AT_ONCE, MANY_AT_ONCE = 3, 7
"""So many of each of the two calls of a pair are made at once; the second in the long version."""
SAMPLE = 8
"""So many pairs are raced in the everyday version."""
REQUESTS = int(os.environ.get("KALENDS_TEST_RACE_REQUESTS", "20000"))
"""So many requests the long version makes on each database."""
SEED = 20240120
CAL, LINKS = "/v1/calendar", "/v1/public/appointments"
HOOK = {"url": "https://93.184.215.14/in", "events": ["*"]}
MONDAY = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}


def day(clock_time: str) -> str:
    """An instant of the Monday that lies ahead."""
    return f"2024-01-22T{clock_time}:00Z"


@dataclass
class Premises:
    """A small organization, and the ids of what is in it."""

    app: FastAPI
    org: Org
    ids: dict[str, str] = field(default_factory=dict)

    def wish(self, start: str, **fields: Any) -> dict[str, Any]:
        """A booking of the type `main`, unless another is named."""
        return self.org.wish(start_time=day(start), appointment_type_id=self.ids["main"]) | fields

    async def furnish(self) -> None:
        async with client_of(self.app, self.org.key) as staff:

            async def make(path: str, thing: str, /, **body: Any) -> dict[str, Any]:
                response = await staff.post(path, json=body)
                assert response.is_success, response.text
                made: dict[str, Any] = response.json()[thing]
                return made

            async def make_id(of: str, path: str, thing: str, /, **body: Any) -> None:
                self.ids[of] = str((await make(path, thing, **body))["id"])

            self.ids["slug"] = self.org.slug
            hours = [MONDAY | {"day_of_week": each} for each in range(7)]
            put = await staff.put(f"{CAL}/availability", json={"schedules": hours})
            self.ids["window"] = put.json()["schedules"][0]["id"]
            for room in ("a", "b"):
                await make_id(f"room {room}", f"{CAL}/calendars", "calendar", name=room)
            rooms = [self.ids["room a"], self.ids["room b"]]
            await make_id("schedule", f"{CAL}/schedules", "schedule", name="Hours", windows=[MONDAY])
            types = f"{CAL}/appointment-types"
            await make_id(
                "main", types, "appointmentType", name="Main", durationMinutes=30, calendarIds=rooms
            )
            await make_id("spare", types, "appointmentType", name="Spare", durationMinutes=30, maxPerDay=3)
            await make_id(
                "asked", types, "appointmentType", name="Asked", durationMinutes=30, requiresConfirmation=True
            )
            own = await make(
                f"{CAL}/schedules/{self.ids['schedule']}/overrides", "override", date="2024-03-01"
            )
            self.ids["override"] = own["id"]
            book = f"{CAL}/appointments"
            here = {"appointment_type_id": self.org.type_id}
            for name, start in (("booked", "11:00"), ("cancelled", "12:00")):
                await make_id(name, book, "appointment", **self.wish(start, **here))
            await staff.patch(f"{book}/{self.ids['cancelled']}", json={"status": "cancelled"})
            link = await staff.post(f"{book}/{self.ids['booked']}/manage-link")
            self.ids["token"] = link.json()["manage_token"]
            public = f"/v1/public/{self.ids['slug']}"
            asked = self.wish("16:00", appointment_type_id=self.ids["asked"])
            await make_id("request", f"{public}/appointments", "appointment", **asked)
            held = {**here, "start_time": day("15:00"), "ttl_seconds": 600}
            await make_id("hold", f"{CAL}/holds", "hold", **held)
            early = {"start_time": day("08:00"), "end_time": day("09:00"), "calendar_id": self.ids["room a"]}
            await make_id("block", f"{CAL}/blocks", "block", **early)
            await make_id("key", "/v1/keys", "key", name="Another")
            await make_id("feed", f"{CAL}/feeds", "feed", calendar_id=self.ids["room b"])
            hook = await make("/v1/webhooks", "data", **HOOK)
            self.ids["webhook"] = hook["id"]
            test = await make(f"/v1/webhooks/{hook['id']}/test", "data")
            self.ids["delivery"] = test["id"]


class Call(NamedTuple):
    """One request: of a method to a path, with ids of the house in it in braces."""

    method: str
    path: str
    body: Callable[[Premises, int], Any] = lambda _house, _number: None
    event: str | None = None
    public: bool = False
    key: Callable[[int], str] | None = None


def _type(name: str, *, rooms: str = "", hours: bool = False) -> Callable[[Premises, int], Any]:
    def body(house: Premises, number: int) -> Any:
        named = {"calendarIds": [house.ids[f"room {each}"] for each in rooms]} if rooms else {}
        scheduled = {"scheduleId": house.ids["schedule"]} if hours else {}
        return {"name": f"{name} {number}", "durationMinutes": 30, **named, **scheduled}

    return body


TYPE, CALENDAR, SCHEDULE = f"{CAL}/appointment-types", f"{CAL}/calendars", f"{CAL}/schedules"
BOOK, HOLDS, BLOCKS = f"{CAL}/appointments", f"{CAL}/holds", f"{CAL}/blocks"
TEN_TO_ELEVEN = {"start_time": day("10:00"), "end_time": day("11:00")}
CALLS: dict[str, Call] = {
    "book": Call("POST", BOOK, lambda h, _: h.wish("09:00")),
    "book by every rule": Call("POST", BOOK, lambda h, _: h.wish("09:00", check="all")),
    "book in a room": Call("POST", BOOK, lambda h, _: h.wish("10:00", calendar_id=h.ids["room a"])),
    "book a spare type": Call(
        "POST", BOOK, lambda h, n: h.wish(f"13:{n % 2}0", appointment_type_id=h.ids["spare"])
    ),
    "book a spare type by every rule": Call(
        "POST",
        BOOK,
        lambda h, n: h.wish(f"1{3 + n % 3}:00", appointment_type_id=h.ids["spare"], check="all"),
    ),
    "book once": Call("POST", BOOK, lambda h, _: h.wish("14:00"), key=lambda _: "once"),
    "book for oneself": Call(
        "POST", "/v1/public/{slug}/appointments", lambda h, _: h.wish("09:00"), public=True
    ),
    "hold": Call(
        "POST",
        HOLDS,
        lambda h, _: {"appointment_type_id": h.ids["spare"], "start_time": day("13:00"), "ttl_seconds": 60},
    ),
    "hold in a room": Call(
        "POST",
        HOLDS,
        lambda h, _: {
            "appointment_type_id": h.ids["main"],
            "calendar_id": h.ids["room b"],
            "start_time": day("10:00"),
            "ttl_seconds": 60,
        },
    ),
    "hold another time": Call(
        "POST",
        HOLDS,
        lambda h, n: {
            "appointment_type_id": h.org.type_id,
            "start_time": day(f"15:{n % 2}5"),
            "replaces": h.ids["hold"],
        },
    ),
    "redeem": Call(
        "POST", BOOK, lambda h, _: h.wish("15:00", appointment_type_id=h.org.type_id, hold_id=h.ids["hold"])
    ),
    "release": Call("DELETE", HOLDS + "/{hold}"),
    "move": Call("PATCH", BOOK + "/{booked}", lambda _, n: {"start_time": day(f"1{n % 2 + 3}:30")}),
    "cancel": Call("PATCH", BOOK + "/{booked}", lambda _h, _n: {"status": "cancelled"}),
    "complete": Call("PATCH", BOOK + "/{booked}", lambda _h, _n: {"status": "completed"}),
    "write to another": Call("PATCH", BOOK + "/{booked}", lambda _, n: {"client_email": f"{n}@example.com"}),
    "book again": Call("PATCH", BOOK + "/{cancelled}", lambda _h, _n: {"status": "confirmed"}),
    "confirm": Call("PATCH", BOOK + "/{request}", lambda _h, _n: {"status": "confirmed"}),
    "decline": Call("PATCH", BOOK + "/{request}", lambda _h, _n: {"status": "cancelled"}),
    "cancel by link": Call("POST", LINKS + "/{token}/cancel", lambda _h, _n: {}, public=True),
    "move by link": Call(
        "POST",
        LINKS + "/{token}/reschedule",
        lambda _, n: {"start_time": day(f"1{n % 2 + 4}:00")},
        public=True,
    ),
    "look by link": Call("GET", LINKS + "/{token}", public=True),
    "renew the link": Call("POST", BOOK + "/{booked}/manage-link"),
    "delete a room": Call("DELETE", CALENDAR + "/{room a}", event="calendar.deleted"),
    "delete the other room": Call("DELETE", CALENDAR + "/{room b}", event="calendar.deleted"),
    "name a room": Call("PATCH", CALENDAR + "/{room a}", lambda _, n: {"name": f"{n}"}, "calendar.updated"),
    "close a room": Call(
        "PATCH", CALENDAR + "/{room a}", lambda _, n: {"is_active": n % 2 == 0}, "calendar.updated"
    ),
    "add a room": Call(
        "POST", CALENDAR, lambda h, _: {"name": "New", "schedule_id": h.ids["schedule"]}, "calendar.created"
    ),
    "give a room hours": Call(
        "PATCH", CALENDAR + "/{room b}", lambda h, _: {"schedule_id": h.ids["schedule"]}, "calendar.updated"
    ),
    "delete hours": Call("DELETE", SCHEDULE + "/{schedule}", event="schedule.deleted"),
    "change hours": Call(
        "PATCH", SCHEDULE + "/{schedule}", lambda _h, _n: {"windows": [MONDAY]}, "schedule.updated"
    ),
    "add a type": Call("POST", TYPE, _type("New", rooms="ab", hours=True), "appointment_type.created"),
    "give a type a room": Call("PUT", TYPE + "/{main}", _type("Main", rooms="a"), "appointment_type.updated"),
    "give a type the other room": Call(
        "PUT", TYPE + "/{main}", _type("Main", rooms="b"), "appointment_type.updated"
    ),
    "give a type hours": Call(
        "PUT", TYPE + "/{spare}", _type("Spare", hours=True), "appointment_type.updated"
    ),
    "delete a type": Call("DELETE", TYPE + "/{spare}", event="appointment_type.deleted"),
    "open for a type": Call(
        "POST",
        f"{CAL}/availability",
        lambda h, _: MONDAY | {"appointment_type_id": h.ids["spare"]},
        "availability.created",
    ),
    "replace the hours": Call(
        "PUT",
        f"{CAL}/availability",
        lambda h, n: {
            "schedules": [MONDAY | {"id": h.ids["window"]}, *([MONDAY | {"day_of_week": 2}] * (n % 3))]
        },
        "availability.replaced",
    ),
    "close a day of the week": Call("DELETE", f"{CAL}/availability/{{window}}", event="availability.deleted"),
    "close a day": Call(
        "POST", SCHEDULE + "/{schedule}/overrides", lambda _h, _n: {"date": "2024-02-01"}, "override.created"
    ),
    "change a day": Call(
        "PATCH",
        SCHEDULE + "/{schedule}/overrides/{override}",
        lambda _, n: {"reason": f"{n}"},
        "override.updated",
    ),
    "open a day again": Call(
        "DELETE", SCHEDULE + "/{schedule}/overrides/{override}", event="override.deleted"
    ),
    "add holidays": Call(
        "POST",
        SCHEDULE + "/{schedule}/overrides/holidays",
        lambda _h, _n: {"country": "DE", "year": 2024},
        "override.holidays_added",
    ),
    "block a room": Call(
        "POST", BLOCKS, lambda h, _: TEN_TO_ELEVEN | {"calendar_id": h.ids["room a"]}, "block.created"
    ),
    "block all": Call("POST", BLOCKS, lambda _h, _n: TEN_TO_ELEVEN | {"all": True}, "block.created"),
    "block a room every week": Call(
        "PATCH", BLOCKS + "/{block}", lambda _, n: {"rule": {"count": n + 1}}, "block.updated"
    ),
    "block more of a room": Call(
        "PATCH", BLOCKS + "/{block}", lambda _h, _n: {"end_time": day("10:00")}, "block.updated"
    ),
    "open a room": Call("DELETE", BLOCKS + "/{block}", event="block.deleted"),
    "take a slug": Call("PATCH", "/v1/organization", lambda h, _: {"slug": f"s-{h.ids['room a'][-12:]}"}),
    "add a key": Call("POST", "/v1/keys", lambda _, n: {"name": f"{n}"}),
    "revoke a key": Call("DELETE", "/v1/keys/{key}"),
    "add a feed": Call("POST", f"{CAL}/feeds", lambda h, _: {"calendar_id": h.ids["room a"]}),
    "delete a feed": Call("DELETE", f"{CAL}/feeds/{{feed}}"),
    "add a webhook": Call("POST", "/v1/webhooks", lambda _h, _n: HOOK | {"url": "https://93.184.215.14/new"}),
    "change a webhook": Call(
        "PATCH", "/v1/webhooks/{webhook}", lambda _, n: {"url": "https://93.184.215.14/new", "name": f"{n}"}
    ),
    "delete a webhook": Call("DELETE", "/v1/webhooks/{webhook}"),
    "rotate a secret": Call("POST", "/v1/webhooks/{webhook}/rotate-secret"),
    "test a webhook": Call("POST", "/v1/webhooks/{webhook}/test"),
    "deliver again": Call("POST", "/v1/webhooks/{webhook}/deliveries/{delivery}/replay"),
    "read events": Call("GET", "/v1/events"),
    "list appointments": Call("GET", BOOK),
}
PAIRS = list(combinations_with_replacement(CALLS, 2))
_DOCUMENTED = [
    (method, re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), set(operation["responses"]))
    for method, path, operation in OPERATIONS
]


@pytest.fixture
async def app(url: str) -> AsyncIterator[FastAPI]:
    settings = Settings(database_url=url, worker=False, public_requests_per_hour=10_000_000)
    app = create_app(settings, clock=StoppedClock())
    async with app.router.lifespan_context(app):
        yield app


async def test_any_two_calls_at_once_are_answered_as_documented(
    app: FastAPI, subtests: pytest.Subtests
) -> None:
    for pair in random.Random(SEED).sample(PAIRS, SAMPLE):
        with subtests.test(" / ".join(pair)):
            await race(app, pair)


FAMOUS = [
    ("book a spare type", "delete a type"),
    ("book a spare type by every rule", "delete a type"),
    ("hold", "delete a type"),
    ("take a slug", "take a slug"),
    ("give a type a room", "delete a room"),
    ("give a type the other room", "give a type a room"),
    ("delete a room", "delete the other room"),
    ("add a type", "delete hours"),
    ("give a room hours", "delete hours"),
    ("add a room", "delete hours"),
    ("close a day", "delete hours"),
    ("add holidays", "delete hours"),
    ("delete a room", "name a room"),
    ("delete a room", "book in a room"),
    ("delete the other room", "hold in a room"),
    ("delete a room", "add a type"),
    ("open for a type", "delete a type"),
    ("replace the hours", "replace the hours"),
    ("block a room", "book in a room"),
    ("block all", "book in a room"),
    ("block all", "hold in a room"),
    ("block all", "add a room"),
    ("block all", "delete a room"),
    ("block more of a room", "book"),
    ("block a room every week", "open a room"),
    ("block more of a room", "delete a room"),
    ("redeem", "redeem"),
    ("redeem", "release"),
    ("hold another time", "hold another time"),
    ("hold another time", "redeem"),
    ("book once", "book once"),
    ("cancel by link", "move by link"),
    ("delete a webhook", "deliver again"),
    ("delete a webhook", "delete a webhook"),
    ("add a webhook", "change a webhook"),
]
"""Where one looks at what the other changes."""


async def test_calls_that_look_at_what_another_changes_see_it(
    app: FastAPI, subtests: pytest.Subtests
) -> None:
    for pair in FAMOUS:
        with subtests.test(" / ".join(pair)):
            await race(app, pair)


@pytest.mark.torture
async def test_all_pairs_of_calls_again_and_again(app: FastAPI) -> None:
    chance = random.Random(SEED)
    statuses: Counter[int] = Counter()
    while statuses.total() < REQUESTS:
        pairs = chance.sample(PAIRS, len(PAIRS))
        for pair in pairs:
            statuses += await race(app, pair, MANY_AT_ONCE)
            if statuses.total() >= REQUESTS:
                break
    print(dict(statuses))


async def race(app: FastAPI, pair: tuple[str, str], at_once: int = AT_ONCE) -> Counter[int]:
    """Make the calls of a pair several times at once in a new organization; how often each status was
    answered."""
    house, other = [
        Premises(app, await make_org(app.state.context.database, StoppedClock().now())) for _ in range(2)
    ]
    await house.furnish()
    calls = [(name, number) for number in range(at_once) for name in pair]
    async with client_of(app, house.org.key) as staff, client_of(app, other.org.key) as rival:
        told = await house_db(app).read(_told, house.org.id)
        async with client_of(app, None) as client:
            responses = await asyncio.gather(
                *(
                    _ask(
                        house,
                        client if CALLS[name].public else rival if _rivals(name, number) else staff,
                        name,
                        number,
                    )
                    for name, number in calls
                )
            )
    answers = list(zip(calls, responses, strict=True))
    for (name, _), response in answers:
        _check_status(name, response)
    await house_db(app).read(_check_house, house, answers, told)
    return Counter(response.status_code for response in responses)


def house_db(app: FastAPI) -> Any:
    return app.state.context.database


def _rivals(name: str, number: int) -> bool:
    """Whether another organization makes the call: it wants the same slug."""
    return name == "take a slug" and number % 2 == 1


async def _ask(house: Premises, client: httpx.AsyncClient, name: str, number: int) -> httpx.Response:
    call = CALLS[name]
    headers = None if call.key is None else {"Idempotency-Key": call.key(number)}
    return await client.request(
        call.method, call.path.format(**house.ids), json=call.body(house, number), headers=headers
    )


def _check_status(name: str, response: httpx.Response) -> None:
    path = response.request.url.path
    method = response.request.method
    documented = set[str]().union(
        *(known for verb, form, known in _DOCUMENTED if verb == method and form.fullmatch(path))
    )
    assert response.status_code < 500, f"{name}: {response.status_code} {response.text}"
    assert str(response.status_code) in documented, f"{name}: {response.status_code} {response.text}"
    assert response.status_code not in (400, 401, 422), f"{name}: {response.status_code} {response.text}"


Answers = list[tuple[tuple[str, int], httpx.Response]]


def _told(tx: Tx, org_id: str) -> Counter[str]:
    rows = tx.execute(
        select(events.c.type, func.count().label("times"))
        .where(events.c.org_id == org_id)
        .group_by(events.c.type)
    )
    return Counter({row.type: row.times for row in rows})


def _check_house(tx: Tx, house: Premises, answers: Answers, before: Counter[str]) -> None:
    """Assert that what is stored is what was answered, and fits together."""
    org = house.org.id
    done = Counter(
        name
        for (name, _), response in answers
        if response.is_success and "idempotent-replayed" not in response.headers
    )
    check_times(tx, org)
    check_histories(tx, org)
    # Exactly one event per change.
    expected: Counter[str] = Counter()
    for name, times in done.items():
        if (event := CALLS[name].event) is not None:
            expected[event] += times
    told = _told(tx, org) - before
    deleted = {
        row.id for row in tx.execute(select(calendars).where(calendars.c.org_id == org)) if row.deleted_at
    }
    along = {"block.deleted"} if deleted else set()  # a calendar takes its own blocks along
    for event in {call.event for call in CALLS.values() if call.event}:
        right = told[event] == expected[event] or (event in along and told[event] > expected[event])
        assert right, f"{event}: told {told[event]}, answered {expected[event]}"

    gone = {house.ids[room] for call, room in _ROOMS.items() if done[call]}
    assert gone == deleted, "a calendar is deleted if that was answered, and only then"
    booked_there = select(appointments.c.id, appointments.c.calendar_id).where(
        appointments.c.org_id == org,
        appointments.c.calendar_id.in_(deleted),
        appointments.c.status != "cancelled",
    )
    assert not tx.execute(booked_there).all(), "something is booked in a calendar that was deleted"
    check_blocks(tx, org)
    if done["block a room"] or done["block all"]:
        assert not done["book in a room"], "one asked for time that the other had"
    if done["block all"]:
        assert not done["hold in a room"], "one asked for time that the other had"
    serving = tx.execute(select(type_calendars).where(type_calendars.c.org_id == org)).all()
    assert not {row.calendar_id for row in serving} & deleted, "a deleted calendar serves a type"
    kinds = set(tx.execute(select(appointment_types.c.id).where(appointment_types.c.org_id == org)).scalars())
    assert {row.appointment_type_id for row in serving} == kinds, "a type is served by no calendar"
    assert (house.ids["spare"] not in kinds) == bool(done["delete a type"])
    plans = set(tx.execute(select(schedules.c.id).where(schedules.c.org_id == org)).scalars())
    assert (house.ids["schedule"] not in plans) == bool(done["delete hours"])

    hours = Counter(
        tx.execute(
            select(windows.c.day_of_week).where(
                windows.c.org_id == org,
                windows.c.schedule_id != house.ids["schedule"],
                windows.c.appointment_type_id.is_(None),
            )
        ).scalars()
    )
    if done["replace the hours"] and not done["close a day of the week"]:
        assert hours[1] == 1, "two sets of hours are one"
        assert hours[2] <= 2
    holidays = tx.execute(
        select(overrides.c.start_date).where(overrides.c.org_id == org, overrides.c.holiday.is_not(None))
    )
    assert len(days := holidays.scalars().all()) == len(set(days))

    assert done["redeem"] + done["release"] <= 1, "a hold was given away twice"
    once = {
        response.json()["appointment"]["id"]
        for (name, _), response in answers
        if name == "book once" and response.is_success
    }
    keys = select(func.count()).select_from(idempotency_keys).where(idempotency_keys.c.org_id == org)
    assert len(once) == tx.execute(keys).scalar_one() <= 1
    urls = tx.execute(
        select(receivers.c.url).where(receivers.c.org_id == org, receivers.c.kind == "webhook")
    ).scalars()
    assert max(Counter(urls).values(), default=1) == 1, "two webhooks of one URL"
    slug = f"s-{house.ids['room a'][-12:]}"
    owners = tx.execute(select(organizations.c.id).where(organizations.c.slug == slug)).scalars().all()
    assert len(owners) == min(1, done["take a slug"])
    capped = select(appointments.c.start_time).where(
        appointments.c.org_id == org,
        appointments.c.appointment_type_id == house.ids["spare"],
        appointments.c.status != "cancelled",
        ~appointments.c.is_hold,
    )
    if done["book a spare type by every rule"] and not done["book a spare type"]:
        assert len(starts := tx.execute(capped).scalars().all()) <= 3, [*map(stamp, starts)]


_ROOMS = {"delete a room": "room a", "delete the other room": "room b"}


def test_every_call_is_one_of_the_documented() -> None:
    for call in CALLS.values():
        path = re.sub(r"\{[^}]*\}", "x", call.path)
        assert any(verb == call.method and form.fullmatch(path) for verb, form, _ in _DOCUMENTED), call
    for pair in FAMOUS:
        assert set(pair) <= CALLS.keys()

"""What is sent but can't be set: accepted as it is, refused if it is to be something else, never silently
lost."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import open_desk
from tests.support.organizations import Org, make_org, stored

pytestmark = pytest.mark.anyio

BASE = "/v1/calendar"
MONDAY = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}
QUESTIONS: list[dict[str, Any]] = [
    {"id": "topic", "type": "text", "label": "Topic?", "required": True},
    {"id": "kind", "type": "select", "label": "Which?", "options": ["Red", "Blue"]},
]

Thing = tuple[str, str, dict[str, Any], str]
"""The method and path that change a thing, the thing as it is shown, and the path of the thing itself."""


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    response = await client.post(path, json=body)
    assert response.status_code in (200, 201), response.text
    made: dict[str, Any] = response.json()
    return made


async def an_appointment(client: httpx.AsyncClient, org: Org) -> dict[str, Any]:
    kind = {"id": org.type_id, "bookingQuestions": QUESTIONS}
    answered(await client.put(f"{BASE}/appointment-types", json=kind), "appointmentType")
    wish = org.wish(client_timezone="Europe/Berlin", answers={"topic": "Tax", "kind": "Blue"})
    return answered(await client.post(f"{BASE}/appointments", json=wish), "appointment")


async def by_id(client: httpx.AsyncClient, org: Org) -> Thing:
    made = await an_appointment(client, org)
    path = f"{BASE}/appointments/{made['id']}"
    return "PATCH", path, made, path


async def by_body(client: httpx.AsyncClient, org: Org) -> Thing:
    made = await an_appointment(client, org)
    return "PATCH", f"{BASE}/appointments", made, f"{BASE}/appointments/{made['id']}"


async def row_of_the_list(client: httpx.AsyncClient, org: Org) -> Thing:
    made = await an_appointment(client, org)
    [row] = (await client.get(f"{BASE}/appointments")).json()["appointments"]
    path = f"{BASE}/appointments/{made['id']}"
    return "PATCH", path, row, path


async def a_type(client: httpx.AsyncClient, org: Org) -> Thing:
    schedule = (await post(client, f"{BASE}/schedules", name="Evenings"))["schedule"]["id"]
    body = {"name": "Review", "durationMinutes": 30, "scheduleId": schedule, "bookingQuestions": QUESTIONS}
    made = (await post(client, f"{BASE}/appointment-types", **body))["appointmentType"]
    path = f"{BASE}/appointment-types/{made['id']}"
    return "PUT", path, answered(await client.get(path), "appointmentType"), path


async def a_type_by_body(client: httpx.AsyncClient, org: Org) -> Thing:
    _, path, made, _ = await a_type(client, org)
    return "PUT", f"{BASE}/appointment-types", made, path


async def a_calendar(client: httpx.AsyncClient, org: Org) -> Thing:
    made = (await post(client, f"{BASE}/calendars", name="Room", color="#fff"))["calendar"]
    path = f"{BASE}/calendars/{made['id']}"
    return "PATCH", path, made, path


async def a_schedule(client: httpx.AsyncClient, org: Org) -> Thing:
    windows = [MONDAY, MONDAY | {"day_of_week": 0, "end_time": "24:00:00"}]
    made = (await post(client, f"{BASE}/schedules", name="Hours", timezone="Asia/Tokyo", windows=windows))[
        "schedule"
    ]
    path = f"{BASE}/schedules/{made['id']}"
    return "PATCH", path, made, path


async def an_override(client: httpx.AsyncClient, org: Org) -> Thing:
    windows = [{"start_time": "09:00", "end_time": "12:00"}]
    made = (await post(client, f"{BASE}/overrides", date="2024-12-24", windows=windows, reason="Eve"))[
        "override"
    ]
    path = f"{BASE}/overrides/{made['id']}"
    return "PATCH", path, made, path


async def a_named_schedules_override(client: httpx.AsyncClient, org: Org) -> Thing:
    _, schedule, _, _ = await a_schedule(client, org)
    made = (await post(client, f"{schedule}/overrides", start_date="2024-12-24", end_date="2024-12-26"))[
        "override"
    ]
    path = f"{schedule}/overrides/{made['id']}"
    return "PATCH", path, made, path


async def the_organization(client: httpx.AsyncClient, org: Org) -> Thing:
    path = "/v1/organization"
    return "PATCH", path, answered(await client.get(path), "organization"), path


async def a_webhook(client: httpx.AsyncClient, org: Org) -> Thing:
    made = (await post(client, "/v1/webhooks", url="https://93.184.216.34/in", events=["appointment.*"]))[
        "data"
    ]
    path = f"/v1/webhooks/{made['id']}"
    return "PATCH", path, made, path


async def a_block(client: httpx.AsyncClient, org: Org) -> Thing:
    times = {"start_time": "2024-01-25T12:00:00Z", "end_time": "2024-01-25T13:00:00Z"}
    whose = {"calendar_id": org.calendar_id, "rule": {"count": 4}, "reason": "Lunch"}
    made = (await post(client, f"{BASE}/blocks", **times, **whose))["block"]
    path = f"{BASE}/blocks/{made['id']}"
    return "PATCH", path, made, path


async def a_block_of_the_list(client: httpx.AsyncClient, org: Org) -> Thing:
    """The list shows only the instances in the range asked for."""
    method, path, made, own = await a_block(client, org)
    span = {"from": "2024-02-01", "to": "2024-02-08"}
    [row] = (await client.get(f"{BASE}/blocks", params=span)).json()["blocks"]
    assert row["instances"] == made["instances"][1:3]
    return method, path, row, own


Make = Callable[[httpx.AsyncClient, Org], Awaitable[Thing]]
THINGS: list[Make] = [
    *(by_id, by_body, row_of_the_list, a_type, a_type_by_body, a_calendar, a_schedule, an_override),
    *(a_named_schedules_override, the_organization, a_webhook, a_block, a_block_of_the_list),
]
things = pytest.mark.parametrize("make", THINGS, ids=lambda make: make.__name__)


async def shown(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    [thing] = [each for each in (await client.get(path)).json().values() if isinstance(each, dict)]
    return thing


@things
async def test_whatever_is_shown_may_be_sent_back_whole(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock, make: Make
) -> None:
    method, path, made, own = await make(client, org)
    before = await shown(client, own)
    clock.forward(minutes=1)
    response = await client.request(method, path, json=made)
    assert response.status_code == 200, response.text
    after = await shown(client, own)
    stamps = {name: after[name] for name in after if name.lower().replace("_", "") == "updatedat"}
    assert after == before | stamps


@things
async def test_whatever_is_shown_may_be_sent_back_with_another_name(
    client: httpx.AsyncClient, org: Org, make: Make
) -> None:
    method, path, made, own = await make(client, org)
    name = next(each for each in ("client_name", "name", "reason") if each in made)
    response = await client.request(method, path, json=made | {name: "Other"})
    assert response.status_code == 200, response.text
    assert (await shown(client, own))[name] == "Other"


@things
async def test_what_was_kept_may_be_sent_back_after_a_change_of_ones_own(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock, make: Make
) -> None:
    """A page that reads once and saves twice: the stamps it has are earlier ones by then."""
    method, path, made, own = await make(client, org)
    name = next(each for each in ("client_name", "name", "reason") if each in made)
    for value in ("One", "Two"):
        clock.forward(minutes=1)
        response = await client.request(method, path, json=made | {name: value})
        assert response.status_code == 200, response.text
    assert (await shown(client, own))[name] == "Two"


async def test_an_end_that_follows_from_the_new_start_may_be_sent_with_it(
    client: httpx.AsyncClient, org: Org
) -> None:
    """As calendar widgets do when something is dragged."""
    method, path, _, own = await by_id(client, org)
    moved = {"start_time": "2024-01-26T10:00:00Z", "end_time": "2024-01-26T11:00:00Z"}
    response = await client.request(method, path, json=moved)
    assert response.status_code == 200, response.text
    assert (await shown(client, own))["end_time"] == moved["end_time"]


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else {"id": "another"}


MOVING = {"disabled_reason", "failing_since", "former_slugs"}
"""What changes by itself: whatever is sent of it says nothing."""


@things
async def test_another_value_is_set_or_refused_by_name(
    client: httpx.AsyncClient, org: Org, make: Make
) -> None:
    method, path, made, own = await make(client, org)
    named = {"id": made["id"]} if path != own else {}
    refusals = 0
    for name in made.keys() - named.keys():
        other = another(made[name])
        response = await client.request(method, path, json=named | {name: other})
        if response.status_code == 200:
            assert (await shown(client, own))[name] == (made[name] if name in MOVING else other)
            continue
        told = response.json()
        error = told["error"]["message"] if "success" in told else told["error"]
        assert (response.status_code, error[: len(name)]) == (400, name)
        if "can't be set here" in error:
            assert "These can be set: " in error
            refusals += 1
    assert refusals >= 4


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "apt_other"),
        ("org_id", "org_other"),
        ("source", "booking_page"),
        ("version", 7),
        ("version", True),
        ("confirmed_at", None),
        ("overlap_allowed", 0),
        ("updated_at", "2024-01-20T12:00:01Z"),
        ("appointment_type", {"duration_minutes": 90}),
        ("appointment_type", None),
        ("hold_id", "hold_1"),
        ("appointment", {"client_name": "Other"}),
    ],
)
async def test_an_appointments_patch_says_what_it_cannot_do(
    client: httpx.AsyncClient, db: Database, org: Org, field: str, value: Any
) -> None:
    _, path, made, _ = await by_id(client, org)
    answer = refused(
        await client.patch(path, json={field: value, "client_name": "Other"}), 400, "invalid_request"
    )
    assert answer["error"].startswith(f"{field} can't be set here")
    assert answer["details"]["fields"][0]["field"] == field
    assert "start_time" in answer["error"]
    assert answered(await client.get(path), "appointment") == made


async def test_every_name_that_cannot_be_set_is_told_at_once(client: httpx.AsyncClient, org: Org) -> None:
    _, path, _, _ = await by_id(client, org)
    answer = refused(await client.patch(path, json={"org_id": None, "source": "x"}), 400, "invalid_request")
    assert [each["field"] for each in answer["details"]["fields"]] == ["org_id", "source"]


@pytest.mark.parametrize(
    "same",
    [
        {"end_time": "2024-01-25T16:00:00+01:00"},
        {"end_time": "2024-01-25T15:00:00"},
        {"end_time": "2024-01-25T15:00:00.000Z", "appointment_type": {"duration_minutes": 60.0}},
        {"appointment_type": {}, "hold_id": None, "duration_minutes": None},
        {"utm": "x", "crm_reference": {"id": 5}, "": None, "x" * 1_000: 1},
    ],
)
async def test_what_says_the_same_in_other_words_is_accepted(
    client: httpx.AsyncClient, org: Org, same: dict[str, Any]
) -> None:
    _, path, made, _ = await by_id(client, org)
    assert answered(await client.patch(path, json=same), "appointment") == made


async def test_an_appointment_sent_back_keeps_the_duration_it_was_booked_with(
    client: httpx.AsyncClient, org: Org
) -> None:
    _, path, made, _ = await by_id(client, org)
    kind = {"id": org.type_id, "durationMinutes": 90}
    answered(await client.put(f"{BASE}/appointment-types", json=kind), "appointmentType")
    seen = answered(await client.get(path), "appointment")
    assert (seen["end_time"], seen["appointment_type"]["duration_minutes"]) == (made["end_time"], 90)
    assert answered(await client.patch(path, json=seen), "appointment") == seen
    changed = answered(await client.patch(path, json=seen | {"client_name": "Other"}), "appointment")
    assert changed["end_time"] == made["end_time"]


@pytest.mark.parametrize("statuses", [["completed", "no_show"], ["no_show"], ["cancelled", "confirmed"]])
async def test_an_appointment_of_any_status_may_be_sent_back(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock, statuses: list[str]
) -> None:
    _, path, seen, _ = await by_id(client, org)
    for status in statuses:
        clock.forward(minutes=1)
        reason = {"cancellation_reason": "Ill"} if status == "cancelled" else {}
        changed = answered(await client.patch(path, json=seen | {"status": status} | reason), "appointment")
        assert changed["status"] == status
        seen = answered(await client.patch(path, json=changed), "appointment")
        assert seen == changed


@pytest.mark.parametrize("minutes", [0, 119, 120, 1_000])
async def test_a_request_may_be_sent_back_before_and_after_it_has_lapsed(
    app: FastAPI, clock: StoppedClock, minutes: int
) -> None:
    page = await open_desk(app, requiresConfirmation=True, confirmWithinHours=2)
    made = (await page.booked_by_client())["appointment"]
    clock.forward(minutes=minutes)
    seen = await page.get(made["id"])
    assert seen["status"] == ("pending" if minutes < 120 else "cancelled")
    path = f"{BASE}/appointments/{made['id']}"
    again = answered(await page.staff.patch(path, json=seen), "appointment")
    assert again == seen | {"updated_at": again["updated_at"]}


async def test_an_appointment_whose_calendar_is_out_of_service_may_be_sent_back(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock
) -> None:
    room = (await post(client, f"{BASE}/calendars", name="Room"))["calendar"]["id"]
    made = (await post(client, f"{BASE}/appointments", **org.wish(calendar_id=room)))["appointment"]
    clock.forward(days=30)
    assert (await client.delete(f"{BASE}/calendars/{room}")).status_code == 200
    path = f"{BASE}/appointments/{made['id']}"
    assert answered(await client.patch(path, json=made), "appointment") == made
    other = answered(await client.patch(path, json=made | {"client_name": "Other"}), "appointment")
    assert other["client_name"] == "Other"


async def test_a_webhooks_secret_is_rotated_not_set(client: httpx.AsyncClient, org: Org) -> None:
    _, path, made, _ = await a_webhook(client, org)
    for secret in ("whsec_" + "A" * 32, None):
        response = await client.patch(path, json={"secret": secret})
        assert response.status_code == 400
        assert "rotate-secret" in response.json()["error"]["message"]
    assert (await client.patch(path, json={"secret": made["secret"]})).status_code == 200


async def test_rows_of_the_availability_go_on_with_their_ids(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock
) -> None:
    path = f"{BASE}/availability"
    week = [MONDAY | {"day_of_week": day} for day in range(1, 6)]
    rows: Any = answered(await client.put(path, json={"schedules": week}), "schedules")
    clock.forward(hours=1)
    assert (await client.put(path, json={"schedules": rows})).json() == {"schedules": rows}
    later = rows[0] | {"end_time": "18:00:00"}
    kept: Any = answered(await client.put(path, json={"schedules": [later, *rows[2:], MONDAY]}), "schedules")
    assert [each for each in kept if each["id"] in {row["id"] for row in rows}] == [later, *rows[2:]]
    # The list of before is still good, though one of its rows has gone.
    again: Any = answered(await client.put(path, json={"schedules": rows}), "schedules")
    assert [each["day_of_week"] for each in again] == [1, 2, 3, 4, 5]
    twice: Any = answered(await client.put(path, json={"schedules": [again[0], again[0]]}), "schedules")
    assert len({each["id"] for each in twice}) == 2
    for field, value in (("org_id", "org_other"), ("created_at", "2020-01-01T00:00:00Z")):
        response = await client.put(path, json={"schedules": [again[1], twice[0] | {field: value}]})
        answer = refused(response, 400, "invalid_request")
        assert answer["error"].startswith(f"schedules.1.{field} can't be set here")
        assert (await client.get(path)).json() == {"schedules": twice}


async def test_a_row_of_another_organizations_availability_is_a_new_one(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock
) -> None:
    theirs: Any = answered(
        await client.put(f"{BASE}/availability", json={"schedules": [MONDAY]}), "schedules"
    )
    stranger = await make_org(db, clock.now())
    async with client_of(app, stranger.key) as other:
        response = await other.put(f"{BASE}/availability", json={"schedules": theirs})
        [made] = response.json()["schedules"]
        assert (made["org_id"], made["id"] != theirs[0]["id"]) == (stranger.id, True)
    assert (await client.get(f"{BASE}/availability")).json() == {"schedules": theirs}


CASINGS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("POST", "appointments", {}, "clientEmail", "client_email"),
    ("POST", "appointments", {}, "CalendarId", "calendar_id"),
    ("POST", "appointments", {}, "endTime", "end_time"),
    ("POST", "appointments", {}, "Status", "status"),
    ("POST", "appointment-types", {"name": "x", "durationMinutes": 5}, "calendar_ids", "calendarIds"),
    ("POST", "appointment-types", {"name": "x", "durationMinutes": 5}, "is_active", "isActive"),
    ("POST", "availability", MONDAY, "isActive", "is_active"),
    ("PUT", "availability", {"schedules": []}, "Schedules", "schedules"),
    ("POST", "schedules", {"name": "x"}, "timeZone", "timezone"),
    ("POST", "overrides", {"date": "2024-12-24"}, "Windows", "windows"),
    ("POST", "overrides/holidays", {"country": "DE", "year": 2024}, "subDivision", "subdivision"),
    ("POST", "calendars", {"name": "x"}, "isActive", "is_active"),
    ("POST", "holds", {"start_time": "2024-01-25T14:00:00Z"}, "ttlSeconds", "ttl_seconds"),
    ("POST", "feeds", {}, "calendarId", "calendar_id"),
    ("POST", "/v1/keys", {}, "expiresInDays", "expires_in_days"),
    ("PATCH", "/v1/organization", {}, "weekStart", "week_start"),
    ("PATCH", "/v1/organization", {}, "Plan", "plan"),
    ("POST", "/v1/webhooks", {"url": "https://93.184.216.34/", "events": ["*"]}, "Secret", "secret"),
]


@on_sqlite
@pytest.mark.parametrize(("method", "path", "body", "sent", "meant"), CASINGS)
async def test_another_casing_of_a_known_name_is_refused(
    client: httpx.AsyncClient,
    db: Database,
    org: Org,
    method: str,
    path: str,
    body: dict[str, Any],
    sent: str,
    meant: str,
) -> None:
    if path == "appointments":
        body = org.wish()
    if path == "holds":
        body = body | {"appointment_type_id": org.type_id}
    path = path if path.startswith("/") else f"{BASE}/{path}"
    response = await client.request(method, path, json=body | {sent: None})
    assert response.status_code == 400, response.text
    told = response.json()
    error = told["error"]["message"] if path == "/v1/webhooks" else told["error"]
    assert error == f"{sent} is not known here; did you mean {meant}?"
    assert await stored(db, org) == 0


@on_sqlite
@things
async def test_another_casing_is_refused_of_whatever_is_shown(
    client: httpx.AsyncClient, org: Org, make: Make
) -> None:
    method, path, made, own = await make(client, org)
    before = await shown(client, own)
    named = {"id": made["id"]} if path != own else {}
    for name in made.keys() - named.keys():
        response = await client.request(method, path, json=named | {name.upper(): made[name]})
        assert response.status_code == 400, name
        assert f"{name.upper()} is not known here; did you mean {name}?" in response.text
    assert await shown(client, own) == before


async def test_another_casing_is_refused_within_lists(client: httpx.AsyncClient, org: Org) -> None:
    rows = {"schedules": [MONDAY, MONDAY | {"appointmentTypeId": org.type_id}]}
    answer = refused(await client.put(f"{BASE}/availability", json=rows), 400, "invalid_request")
    assert answer["details"]["fields"][0]["field"] == "schedules.1.appointmentTypeId"
    kind = {"bookingQuestions": [{**QUESTIONS[0], "Options": ["x"]}]}
    path = f"{BASE}/appointment-types/{org.type_id}"
    answer = refused(await client.put(path, json=kind), 400, "invalid_request")
    assert answer["error"] == "bookingQuestions.0.Options is not known here; did you mean options?"


async def test_what_is_missing_is_said_first_with_what_was_sent_for_it(
    client: httpx.AsyncClient, org: Org
) -> None:
    wish = {"appointmentTypeId": org.type_id, "startTime": "2024-01-25T14:00:00Z", "clientName": "Jane Doe"}
    answer = refused(await client.post(f"{BASE}/appointments", json=wish), 400, "missing_fields")
    assert answer["error"] == "appointment_type_id, start_time, and client_name are required"
    meant = "is not known here; did you mean client_name?"
    assert {"field": "clientName", "reason": meant, "code": "unknown"} in answer["details"]["fields"]


@on_sqlite
@pytest.mark.parametrize(
    ("path", "body", "extra"),
    [
        ("appointments", {}, {"end_time": "2030-01-01T00:00:00Z", "status": "cancelled", "id": "x"}),
        ("appointments", {}, {"utm": 1, "crm_reference": "x", "duration_minutes": 5}),
        ("appointment-types", {"name": "x", "durationMinutes": 5}, {"id": "x", "sortOrder": 9, "utm": 1}),
        ("availability", MONDAY, {"id": "x", "org_id": "x", "created_at": None, "utm": 1}),
        ("/v1/webhooks", {"url": "https://93.184.216.34/", "events": ["*"]}, {"active": False, "id": "x"}),
    ],
)
async def test_creates_of_the_contract_ignore_what_they_do_not_take(
    client: httpx.AsyncClient, org: Org, path: str, body: dict[str, Any], extra: dict[str, Any]
) -> None:
    body = org.wish() if path == "appointments" else body
    path = path if path.startswith("/") else f"{BASE}/{path}"
    made = await post(client, path, **body, **extra)
    assert {"cancelled", "2030-01-01T00:00:00Z", False}.isdisjoint(
        value for thing in made.values() if isinstance(thing, dict) for value in map(str, thing.values())
    )


OURS: list[tuple[str, dict[str, Any], str, Any]] = [
    ("calendars", {"name": "x"}, "is_default", True),
    ("calendars", {"name": "x"}, "id", "cal_mine"),
    ("schedules", {"name": "x"}, "org_id", "org_other"),
    ("overrides", {"date": "2024-12-24"}, "holiday", "DE"),
    ("overrides", {"date": "2024-12-24"}, "schedule_id", "sched_other"),
    ("holds", {"start_time": "2024-01-25T14:00:00Z"}, "expires_at", "2030-01-01T00:00:00Z"),
    ("holds", {"start_time": "2024-01-25T14:00:00Z"}, "end_time", "2024-01-25T18:00:00Z"),
    ("feeds", {}, "url", "https://example.com"),
    ("/v1/keys", {}, "expires_at", "2030-01-01T00:00:00Z"),
    ("/v1/keys", {}, "secret", "vst_mine"),
]


@on_sqlite
@pytest.mark.parametrize(("path", "body", "field", "value"), OURS)
async def test_creates_of_ours_refuse_what_they_do_not_take(
    client: httpx.AsyncClient, org: Org, path: str, body: dict[str, Any], field: str, value: Any
) -> None:
    if path == "holds":
        body = body | {"appointment_type_id": org.type_id}
    path = path if path.startswith("/") else f"{BASE}/{path}"
    answer = refused(await client.post(path, json=body | {field: value}), 400, "invalid_request")
    assert answer["error"].startswith(f"{field} can't be set here")
    assert "These can be set: " in answer["error"]
    await post(client, path, **body, utm="x", crm_reference=None)

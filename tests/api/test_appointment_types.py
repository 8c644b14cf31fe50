from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

PATH = "/v1/calendar/appointment-types"
QUESTION = {"id": "q1", "type": "text", "label": "Which year?", "required": True}


async def test_create_fills_in_the_documented_defaults(client: httpx.AsyncClient, org: Org) -> None:
    made = answered(
        await client.post(PATH, json={"name": "Review", "durationMinutes": 30}), "appointmentType"
    )
    assert made.pop("id").startswith("type_")
    assert made == {
        "orgId": org.id,
        "name": "Review",
        "durationMinutes": 30,
        "description": None,
        "color": "#3b82f6",
        "bufferBeforeMinutes": 0,
        "bufferAfterMinutes": 0,
        "maxPerDay": None,
        "maxPerWeek": None,
        "maxPerMonth": None,
        "maxOpenPerClient": 3,
        "minNoticeHours": 24,
        "maxDaysAhead": 60,
        "requiresConfirmation": False,
        "confirmWithinHours": None,
        "slotIntervalMinutes": None,
        "reminderHours": 24,
        "bookingQuestions": [],
        "calendarIds": [org.calendar_id],
        "requirements": [
            {"name": "calendar", "calendarIds": [org.calendar_id], "count": 1}
            | {"offsetMinutes": None, "durationMinutes": None}
        ],
        "scheduleId": None,
        "scheduleName": None,
        "slug": "review",
        "location": None,
        "price": None,
        "visibility": "public",
        "contact": "either",
        "confirmationText": None,
        "redirectUrl": None,
        "texts": {},
        "clientsChoose": False,
        "isActive": True,
        "sortOrder": 1,
        "createdAt": "2024-01-20T12:00:00Z",
        "updatedAt": "2024-01-20T12:00:00Z",
    }


async def test_create_keeps_every_field(client: httpx.AsyncClient) -> None:
    sent = {
        "name": "Review",
        "durationMinutes": 10_080,
        "description": "All of it",
        "color": "#FFF",
        "bufferBeforeMinutes": 1_440,
        "bufferAfterMinutes": 1_440,
        "maxPerDay": 1,
        "maxPerWeek": 2,
        "maxPerMonth": 3,
        "minNoticeHours": 0.0,
        "maxDaysAhead": None,
        "requiresConfirmation": True,
        "confirmWithinHours": 48,
        "bookingQuestions": [
            QUESTION | {"options": None},
            {"id": "q2", "type": "select", "label": "How?", "required": False, "options": ["A", "B"]},
        ],
        "isActive": False,
    }
    made = answered(await client.post(PATH, json=sent), "appointmentType")
    assert {field: made[field] for field in sent} == sent


async def test_list_shows_the_organizations_own_in_order(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock
) -> None:
    for name in ("B", "A", "C"):
        await client.post(PATH, json={"name": name, "durationMinutes": 5, "isActive": name != "A"})
    listed = (await client.get(PATH)).json()
    assert listed.keys() == {"appointmentTypes"}
    assert [(kind["name"], kind["sortOrder"]) for kind in listed["appointmentTypes"]] == [
        ("Tax Consultation", 0),
        ("B", 1),
        ("A", 2),
        ("C", 3),
    ]
    stranger = await make_org(db, clock.now())
    async with client_of(app, stranger.key) as theirs:
        assert [kind["id"] for kind in (await theirs.get(PATH)).json()["appointmentTypes"]] == [
            stranger.type_id
        ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "Only a name"},
        {"durationMinutes": 5},
        {"name": " ", "durationMinutes": 5},
        {"name": "x", "durationMinutes": None},
    ],
)
async def test_create_says_what_is_required(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = refused(await client.post(PATH, json=body), 400, "missing_fields")
    assert answer["error"] == "name and durationMinutes are required"


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("durationMinutes", 0),
        ("durationMinutes", 10_081),
        ("durationMinutes", "60"),
        ("durationMinutes", True),
        ("durationMinutes", 1.5),
        ("durationMinutes", 10**400),
        ("bufferBeforeMinutes", -1),
        ("bufferAfterMinutes", 1_441),
        ("maxPerDay", 0),
        ("maxPerMonth", 2**31),
        ("minNoticeHours", -1),
        ("maxDaysAhead", -1),
        ("confirmWithinHours", 0),
        ("requiresConfirmation", "yes"),
        ("isActive", 1),
        ("color", "blue"),
        ("color", "#12345"),
        ("color", "#12345g"),
        ("name", "x" * 256),
        ("name", "a\x00b"),
        ("name", ["x"]),
        ("description", "x" * 10_001),
        ("bookingQuestions", {}),
        ("bookingQuestions", [QUESTION, QUESTION]),
        ("bookingQuestions", [QUESTION | {"type": "date"}]),
        ("bookingQuestions", [QUESTION | {"type": "select"}]),
        ("bookingQuestions", [QUESTION | {"label": ""}]),
        ("bookingQuestions", [{"id": "q1"}]),
        ("bookingQuestions", [QUESTION | {"id": str(i)} for i in range(101)]),
    ],
)
async def test_create_refuses_bad_values(client: httpx.AsyncClient, field: str, value: Any) -> None:
    body = {"name": "Review", "durationMinutes": 30, field: value}
    answer = refused(await client.post(PATH, json=body), 400, "invalid_request")
    assert answer["details"]["fields"]
    assert len((await client.get(PATH)).json()["appointmentTypes"]) == 1


async def test_create_with_an_unknown_schedule_is_404(client: httpx.AsyncClient) -> None:
    body = {"name": "Review", "durationMinutes": 30, "scheduleId": "sched_unknown"}
    answer = refused(await client.post(PATH, json=body), 404, "not_found")
    assert answer["details"] == {"field": "scheduleId"}


async def test_a_type_says_where_it_is_what_it_costs_and_in_which_words(client: httpx.AsyncClient) -> None:
    looks = {
        "slug": "review-2024",
        "location": {"kind": "address", "value": "Main St 4\nSpringfield"},
        "price": {"amount": 80.5, "currency": "EUR"},
        "visibility": "link",
        "contact": "phone",
        "confirmationText": "Please bring your papers.",
        "redirectUrl": "https://clinic.example/thanks",
        "clientsChoose": True,
        "texts": {
            "de": {
                "name": "Prüfung",
                "description": None,
                "confirmationText": "Bitte bringen Sie alles mit.",
                "questions": {"q1": {"label": "Wie alt?", "options": None}},
            }
        },
    }
    sent = {"name": "Review", "durationMinutes": 30} | looks
    made = answered(await client.post(PATH, json=sent), "appointmentType")
    assert {name: made[name] for name in looks} == looks
    path = f"{PATH}/{made['id']}"
    same = answered(await client.put(path, json=made), "appointmentType")
    assert {**same, "updatedAt": made["updatedAt"]} == made
    none = dict.fromkeys(("location", "price", "confirmationText", "redirectUrl")) | {"texts": {}}
    assert answered(await client.put(path, json=none), "appointmentType").items() >= none.items()


async def test_slugs_are_made_from_names_each_once(client: httpx.AsyncClient) -> None:
    async def add(name: str, **more: str) -> str:
        body = {"name": name, "durationMinutes": 30} | more
        slug = answered(await client.post(PATH, json=body), "appointmentType")["slug"]
        return str(slug)

    assert [await add("Über uns!"), await add("uber uns"), await add("Консультация"), await add("Hold")] == [
        "uber-uns",
        "uber-uns-2",
        "booking",
        "hold-2",
    ]
    assert await add("Other", slug="own-words") == "own-words"
    body = {"name": "Other", "durationMinutes": 30}
    for taken in ("own-words", "hold", "logo"):
        refused(await client.post(PATH, json=body | {"slug": taken}), 409, "already_exists")


@pytest.mark.parametrize(
    "wrong",
    [
        {"slug": "Not A Slug"},
        {"location": {"kind": "mars"}},
        {"location": {"kind": "link"}},
        {"location": {"kind": "link", "value": "javascript:alert(1)"}},
        {"location": {"kind": "client_address", "value": "Main St"}},
        {"location": {"kind": "phone", "value": 7}},
        {"location": {"kind": "phone", "value": "call us\nDESCRIPTION:x"}},
        {"price": {"amount": -1, "currency": "EUR"}},
        {"price": {"amount": 1.2345, "currency": "EUR"}},
        {"price": {"amount": 1, "currency": "euro"}},
        {"price": {"amount": 1}},
        {"visibility": "secret"},
        {"contact": "fax"},
        {"redirectUrl": "javascript:alert(1)"},
        {"redirectUrl": "https://user:password@clinic.example"},
        {"texts": {"not a tag": {}}},
        {"texts": {"de": {"color": "red"}}},
        {"texts": {"de": {"name": ""}}},
        {"clientsChoose": None},
    ],
)
@on_sqlite
async def test_bad_looks_change_nothing(client: httpx.AsyncClient, org: Org, wrong: dict[str, Any]) -> None:
    path = f"{PATH}/{org.type_id}"
    before = answered(await client.get(path), "appointmentType")
    refused(await client.put(path, json=wrong), 400, "invalid_request")
    assert answered(await client.get(path), "appointmentType") == before

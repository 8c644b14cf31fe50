"""Blocks as the API makes, shows, changes and deletes them."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import occupations
from tests.support.answers import all_answered, answered, refused
from tests.support.clients import client_of
from tests.support.desk import BASE, THURSDAY, Desk, at, book_jane
from tests.support.organizations import Org, make_org

pytestmark = [pytest.mark.anyio, pytest.mark.both]

BLOCKS = f"{BASE}/blocks"
NOON = {"start_time": at("12:00"), "end_time": at("13:00")}
EVERY_THURSDAY = {"rule": {"until": "2024-02-08"}}


async def block(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    whose = {} if "calendar_id" in fields else {"all": True}
    return answered(await client.post(BLOCKS, json=NOON | whose | fields), "block")


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All pages of the list."""
    found, cursor = [], None
    while True:
        asked = query | ({"cursor": cursor} if cursor else {})
        response = await client.get(BLOCKS, params=asked)
        assert response.status_code == 200, response.text
        page = response.json()
        found += page["blocks"]
        if (cursor := page["next_cursor"]) is None:
            return found


def starts(block: dict[str, Any]) -> list[str]:
    return [each["start_time"] for each in block["instances"]]


async def test_a_block_is_shown_as_it_was_made(client: httpx.AsyncClient, org: Org) -> None:
    made = await block(client, calendar_id=org.calendar_id, reason="  Lunch ")
    assert made.pop("id").startswith("blk_")
    assert made == {
        "org_id": org.id,
        "calendar_id": org.calendar_id,
        "all": False,
        **NOON,
        "timezone": "UTC",
        "rule": None,
        "reason": "Lunch",
        "instances": [NOON],
        "created_by": {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"},
        "created_at": "2024-01-20T12:00:00Z",
        "updated_at": "2024-01-20T12:00:00Z",
    }


async def test_a_rule_is_shown_whole(client: httpx.AsyncClient) -> None:
    made = await block(client, **EVERY_THURSDAY)
    assert made["all"] is True
    assert made["calendar_id"] is None
    assert made["rule"] == {
        "days_of_week": [4],
        "interval_weeks": 1,
        "until": "2024-02-08",
        "count": None,
        "except_dates": [],
    }
    assert starts(made) == [at("12:00", day) for day in ("2024-01-25", "2024-02-01", "2024-02-08")]
    assert answered(await client.get(f"{BLOCKS}/{made['id']}"), "block") == made
    rule = {"days_of_week": [5, 4, 4], "interval_weeks": 2.0, "count": 4, "except_dates": ["2024-01-26"]}
    again = await block(client, rule=rule)
    assert again["rule"]["days_of_week"] == [4, 5]
    assert starts(again) == [at("12:00", day) for day in ("2024-01-25", "2024-02-08", "2024-02-09")]


async def test_times_without_an_offset_are_the_organizations(app: FastAPI) -> None:
    context = app.state.context
    org = await make_org(context.database, context.clock.now(), timezone="Europe/Berlin")
    async with client_of(app, org.key) as client:
        wish = {"start_time": "2024-03-28T14:00:00", "end_time": "2024-03-28T15:00:00"}
        made = await block(client, **wish, rule={"count": 2})
        assert made["timezone"] == "Europe/Berlin"
        assert starts(made) == ["2024-03-28T13:00:00Z", "2024-04-04T12:00:00Z"]
        skipped = NOON | {"all": True, "end_time": "2024-03-31T02:30:00"}
        refused(await client.post(BLOCKS, json=skipped), 400, "nonexistent_time")
        # Another zone moves no block, until its times are set again.
        answered(await client.patch("/v1/organization", json={"timezone": "UTC"}), "organization")
        path = f"{BLOCKS}/{made['id']}"
        named = answered(await client.patch(path, json={"reason": "Lunch"}), "block")
        assert (named["timezone"], starts(named)) == ("Europe/Berlin", starts(made))
        moved = answered(await client.patch(path, json={"end_time": "2024-03-28T15:00:00Z"}), "block")
        assert (moved["timezone"], starts(moved)[1]) == ("UTC", "2024-04-04T13:00:00Z")


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"end_time": at("12:00")}, "end_time", "window"),
        ({"end_time": "2026-01-26T12:00:00Z"}, "end_time", "invalid"),
        ({"calendar_id": "cal_any"}, "The body", "invalid"),
        ({"all": False}, "The body", "invalid"),
        ({"all": "yes"}, "all", "type"),
        ({"reason": "x" * 10_001}, "reason", "too_long"),
        ({"rule": {}}, "rule", "invalid"),
        ({"rule": {"until": "2024-02-01", "count": 2}}, "rule", "invalid"),
        ({"rule": {"count": 0}}, "rule.count", "too_small"),
        ({"rule": {"count": 733}}, "rule.count", "too_large"),
        ({"rule": {"count": 106}}, "rule.count", "invalid"),
        ({"rule": {"until": "2026-01-26"}}, "rule.until", "invalid"),
        ({"rule": {"until": "2024-01-24"}}, "rule.until", "invalid"),
        ({"rule": {"until": "tomorrow"}}, "rule.until", "date"),
        ({"rule": {"count": 2, "interval_weeks": 0}}, "rule.interval_weeks", "too_small"),
        ({"rule": {"count": 2, "days_of_week": []}}, "rule.days_of_week", "too_short"),
        ({"rule": {"count": 2, "days_of_week": [7]}}, "rule.days_of_week.0", "too_large"),
        ({"rule": {"count": 2, "days_of_week": [5]}}, "rule.days_of_week", "invalid"),
        ({"rule": {"count": 1, "except_dates": [THURSDAY]}}, "rule.except_dates", "invalid"),
        ({"rule": {"count": 2, "daysOfWeek": [4]}}, "rule.daysOfWeek", "unknown"),
        ({"timezone": "UTC"}, "timezone", "read_only"),
        ({"instances": []}, "instances", "read_only"),
    ],
)
async def test_what_can_be_no_block(
    client: httpx.AsyncClient, wrong: dict[str, Any], field: str, code: str
) -> None:
    answer = refused(await client.post(BLOCKS, json=NOON | {"all": True} | wrong), 400, "invalid_request")
    assert [(each["field"], each["code"]) for each in answer["details"]["fields"]] == [(field, code)]
    assert await listed(client) == []


async def test_what_is_missing_and_what_is_unknown(client: httpx.AsyncClient, other_org: Org) -> None:
    answer = refused(await client.post(BLOCKS, json={"all": True}), 400, "missing_fields")
    assert answer["error"] == "start_time and end_time are required"
    for calendar in ("cal_unknown", other_org.calendar_id):
        wish = NOON | {"calendar_id": calendar}
        assert refused(await client.post(BLOCKS, json=wish), 404, "not_found")["details"] == {
            "field": "calendar_id"
        }
    refused(await client.get(f"{BLOCKS}/blk_unknown"), 404, "not_found")
    refused(await client.patch(f"{BLOCKS}/blk_unknown", json={}), 404, "not_found")
    refused(await client.delete(f"{BLOCKS}/blk_unknown"), 404, "not_found")


async def test_only_what_is_sent_changes(client: httpx.AsyncClient, org: Org) -> None:
    made = await block(client, reason="Lunch", **EVERY_THURSDAY)
    path = f"{BLOCKS}/{made['id']}"
    for sent, changed in (
        ({"end_time": at("14:00")}, {"end_time": at("14:00")}),
        ({"reason": " "}, {"reason": None}),
        ({"calendar_id": org.calendar_id}, {"calendar_id": org.calendar_id, "all": False}),
        ({"all": True}, {"calendar_id": None, "all": True}),
        ({"rule": None}, {"rule": None}),
    ):
        found = answered(await client.patch(path, json=sent), "block")
        assert found | changed == found
        made = made | changed
        assert {**found, "instances": []} == {**made, "instances": []}
    assert found["instances"] == [{"start_time": at("12:00"), "end_time": at("14:00")}]
    # What was read may be sent back whole.
    assert answered(await client.patch(path, json=found), "block") == found
    for wrong in (
        {"all": False},
        {"start_time": at("15:00")},
        {"org_id": "org_x"},
        {"timezone": "Asia/Tokyo"},
    ):
        refused(await client.patch(path, json=wrong), 400, "invalid_request")
    answered(await client.patch(path, json={"calendar_id": org.calendar_id}), "block")
    refused(await client.patch(path, json={"calendar_id": None}), 400, "invalid_request")


async def test_instances_follow_and_are_not_set(client: httpx.AsyncClient) -> None:
    made = await block(client, **EVERY_THURSDAY)
    path = f"{BLOCKS}/{made['id']}"
    first, second, third = made["instances"]
    moved = {"end_time": at("13:30")}
    after = [each | {"end_time": each["end_time"].replace("13:00", "13:30")} for each in made["instances"]]
    other = {"start_time": at("15:00"), "end_time": at("16:00")}
    wrongs: list[Any] = [
        [],
        [other],
        [first, other],
        [second, first],
        [*made["instances"], third],
        "none",
        {},
    ]
    for wrong in wrongs:
        answer = refused(await client.patch(path, json={"instances": wrong}), 400, "invalid_request")
        [field] = answer["details"]["fields"]
        assert (field["field"], field["code"]) == ("instances", "read_only")
        assert "they follow from the times and the rule" in answer["error"]
    assert answered(await client.get(path), "block") == made
    # As they are, or as a list shows some of them; as they were, or as they will be.
    for right in (made["instances"], [second], [first, third]):
        answered(await client.patch(path, json={"instances": right}), "block")
    changed = answered(await client.patch(path, json=moved | {"instances": made["instances"]}), "block")
    assert changed["instances"] == after
    await client.patch(path, json={"end_time": at("13:00")})
    changed = answered(await client.patch(path, json=moved | {"instances": after}), "block")
    assert changed["instances"] == after


async def test_the_list_has_what_takes_time_in_a_range(client: httpx.AsyncClient, org: Org) -> None:
    room = answered(await client.post(f"{BASE}/calendars", json={"name": "Room"}), "calendar")["id"]
    days = {"start_time": at("00:00", "2024-01-28"), "end_time": at("00:00", "2024-02-29")}
    long = await block(client, calendar_id=room, **days)
    lunch = await block(client, **EVERY_THURSDAY)
    mine = await block(client, calendar_id=org.calendar_id)
    everything = [each["id"] for each in sorted((lunch, mine, long), key=lambda each: each["start_time"])]
    for limit in (1, 2, 50):
        assert [each["id"] for each in await listed(client, limit=limit)] == everything
    for query, expected in (
        ({"from": "2024-01-25", "to": "2024-01-25"}, [lunch, mine]),
        ({"from": "2024-01-26", "to": "2024-01-27"}, []),
        ({"from": "2024-02-01", "to": "2024-02-01"}, [lunch, long]),
        ({"from": at("13:00"), "to": at("23:00")}, []),
        ({"from": at("12:59"), "to": at("13:00")}, [lunch, mine]),
        ({"from": at("11:00"), "to": at("12:00")}, []),
        ({"from": "2024-02-20"}, [long]),
        ({"to": "2024-01-24"}, []),
        ({"from": "2024-02-02", "to": "2024-02-02"}, [long]),  # a day in its middle
        ({"calendar_id": org.calendar_id}, [lunch, mine]),
        ({"calendar_id": room, "from": "2024-02-08"}, [lunch, long]),
        ({"calendar_id": "cal_unknown", "from": "2024-02-09"}, []),
    ):
        found = [each["id"] for each in await listed(client, **query)]
        assert found == [each["id"] for each in expected], query
    [shown, _] = await listed(client, **{"from": "2024-02-01", "to": "2024-02-01"})
    assert starts(shown) == [at("12:00", "2024-02-01")]
    for day in ("2024-01-26", "2024-01-27"):
        await book_jane(client, org, at("10:00", day))
    other = await client.get(f"{BASE}/appointments", params={"order": "desc", "limit": 1})
    refused(await client.get(BLOCKS, params={"cursor": other.json()["next_cursor"]}), 400, "invalid_request")
    refused(await client.get(BLOCKS, params={"from": "soon"}), 400, "invalid_time")
    for wrong in ({"limit": 101}, {"cursor": "x"}, {"status": "confirmed"}):
        refused(await client.get(BLOCKS, params=wrong), 400, "invalid_request")


async def test_to_force_needs_no_more_than_to_write(app: FastAPI) -> None:
    context = app.state.context
    org = await make_org(context.database, context.clock.now(), scopes=("write",))
    async with client_of(app, org.key) as client:
        await book_jane(client, org, at("12:00"))
        made = await block(client, force=True)
        refused(await client.delete(f"{BLOCKS}/{made['id']}"), 403, "scope_missing")


async def test_every_change_is_an_event_without_its_instances(client: httpx.AsyncClient) -> None:
    made = await block(client, **EVERY_THURSDAY)
    path = f"{BLOCKS}/{made['id']}"
    changed = answered(await client.patch(path, json={"reason": "Lunch"}), "block")
    assert (await client.delete(path)).json() == {"id": made["id"], "deleted": True}
    told = (await client.get("/v1/events", params={"types": "block.*"})).json()["events"]
    assert [each["type"] for each in told] == ["block.created", "block.updated", "block.deleted"]
    for event, block_ in zip(told, (made, changed), strict=False):
        expected = {name: value for name, value in block_.items() if name != "instances"}
        assert event["data"] == {"block": expected}
    assert told[2]["data"] == {"id": made["id"], "deleted": True}


async def test_a_block_is_made_once_and_rehearsed(client: httpx.AsyncClient) -> None:
    wish = NOON | {"all": True}
    rehearsed = answered(await client.post(f"{BLOCKS}?dry_run=true", json=wish), "block")
    assert await listed(client) == []
    key = {"Idempotency-Key": "lunch"}
    made = answered(await client.post(BLOCKS, json=wish, headers=key), "block")
    assert answered(await client.post(BLOCKS, json=wish, headers=key), "block") == made
    assert await listed(client) == [made]
    assert {**rehearsed, "id": made["id"]} == made


async def test_clients_never_read_a_reason(page: Desk) -> None:
    await page.make("blocks", "block", **NOON, all=True, reason="Surgery of Jane Doe")
    for asked in (
        await page.client.get(page.path),
        await page.post("appointments", start_time=at("12:00")),
        await page.post("holds", start_time=at("12:00")),
        await page.client.get(
            f"{page.path}/slots/explain",
            params={"appointment_type_id": page.org.type_id, "start_time": at("12:00")},
        ),
    ):
        assert "Surgery" not in asked.text
        assert "block" not in asked.text


async def test_other_organizations_see_and_change_nothing(
    app: FastAPI, client: httpx.AsyncClient, other_org: Org
) -> None:
    made = await block(client)
    async with client_of(app, other_org.key) as stranger:
        assert await listed(stranger) == []
        path = f"{BLOCKS}/{made['id']}"
        refused(await stranger.get(path), 404, "not_found")
        refused(await stranger.patch(path, json={"reason": "x"}), 404, "not_found")
        refused(await stranger.delete(path), 404, "not_found")
    assert all_answered(await client.get(f"{BASE}/calendars"), "calendars")
    assert await listed(client) == [made]


async def test_a_deleted_calendar_takes_its_own_blocks_along(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    made = answered(await client.post(f"{BASE}/calendars", json={"name": "Room"}), "calendar")
    room = made["id"]
    own = [await block(client, calendar_id=room), await block(client, calendar_id=room, **EVERY_THURSDAY)]
    another = await block(client, calendar_id=org.calendar_id)
    everybody = await block(client, **EVERY_THURSDAY)
    assert (await client.delete(f"{BASE}/calendars/{room}")).status_code == 200
    assert await listed(client) == [another, everybody]
    assert await listed(client, calendar_id=room) == []
    for each in own:
        refused(await client.get(f"{BLOCKS}/{each['id']}"), 404, "not_found")

    def taken(tx: Tx) -> set[tuple[str, str]]:
        kept = select(occupations.c.holder_id, occupations.c.calendar_id).where(
            occupations.c.org_id == org.id, occupations.c.kind == "block"
        )
        return {(row.holder_id, row.calendar_id) for row in tx.execute(kept)}

    assert await db.read(taken) == {(each["id"], org.calendar_id) for each in (another, everybody)}
    told = (await client.get("/v1/events")).json()["events"][-3:]
    assert [(each["type"], each["data"]["id"]) for each in told] == [
        *(("block.deleted", each["id"]) for each in own),
        ("calendar.deleted", room),
    ]
    # What stays can be changed, and does not take the deleted calendar's time again.
    changed = await client.patch(f"{BLOCKS}/{everybody['id']}", json={"end_time": at("14:00")})
    answered(changed, "block")
    assert room not in {calendar_id for _, calendar_id in await db.read(taken)}

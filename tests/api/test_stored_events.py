"""What is stored of everything that happens: every byte of every event, as readers and webhooks get it."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from kalends.core.sources import SourceTrouble
from kalends.db.database import Tx
from kalends.db.tables import events
from tests.support.desk import APPOINTMENTS
from tests.support.elsewhere import Elsewhere, busy
from tests.support.letters import BASE
from tests.support.organizations import JANE
from tests.support.practice import Opening, Practice
from tests.support.readable import readably

pytestmark = pytest.mark.anyio

SNAPSHOT = Path(__file__).with_name("stored_events.txt")
CALENDAR = "/v1/calendar"
LINKS = "/v1/public/appointments"
HOOKS = "/v1/webhooks"
ELSEWHERE = "https://93.184.215.14"
"""Where webhooks go that nobody delivers."""
MONDAY = {"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}


@pytest.mark.slow
async def test_every_kind_of_change_stores_the_same_bytes(opening: Opening) -> None:
    """If a change is meant: `make snapshots`, and read the difference."""
    async with opening() as p:
        await hours(p)
        await types_and_calendars(p)
        await blocks(p)
        await booked_by_staff(p)
        await booked_by_clients(p)
        await keys_feeds_and_webhooks(p)
        await what_is_no_change(p)
        await ask(
            p, "PATCH", "/v1/organization", name="Praxis Müller", timezone="Europe/Berlin", language="de"
        )
        await calendars_elsewhere(p)
        text = await stored(p)
    if os.environ.get("KALENDS_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(text)
    assert SNAPSHOT.read_text() == text


async def ask(p: Practice, method: str, path: str, /, **body: Any) -> Any:
    """Ask as staff do. Returns the answer; of one with a single thing in it, the thing."""
    response = await p.desk.staff.request(method, path, json=body or None)
    assert response.status_code in (200, 201), response.text
    answer = response.json()
    things = [each for each in answer.values() if isinstance(each, dict)]
    return things[0] if len(things) == 1 else answer


async def by_link(p: Practice, what: str, **body: Any) -> None:
    response = await p.desk.client.post(f"{LINKS}/{p.token}/{what}", json=body)
    assert response.status_code == 200, response.text


async def hours(p: Practice) -> None:
    window = await ask(p, "POST", f"{CALENDAR}/availability", **MONDAY)
    await ask(p, "DELETE", f"{CALENDAR}/availability/{window['id']}")
    schedule = await ask(p, "POST", f"{CALENDAR}/schedules", name="Evenings", windows=[MONDAY])
    own = f"{CALENDAR}/schedules/{schedule['id']}"
    await ask(p, "PATCH", own, name="Evenings ☾", timezone="Asia/Tokyo")
    await ask(p, "PATCH", own, windows=[])
    for path in (f"{CALENDAR}/overrides", f"{own}/overrides"):
        override = await ask(p, "POST", path, date="2024-12-24", reason="Zoë's day")
        await ask(
            p, "PATCH", f"{path}/{override['id']}", windows=[{"start_time": "10:00", "end_time": "12:00"}]
        )
        await ask(p, "DELETE", f"{path}/{override['id']}")
        await ask(p, "POST", f"{path}/holidays", country="DE", subdivision="BY", year=2024)
    await ask(p, "DELETE", own)
    every = [MONDAY | {"day_of_week": day, "start_time": "00:00", "end_time": "24:00"} for day in range(7)]
    await ask(p, "PUT", f"{CALENDAR}/availability", schedules=every)


async def types_and_calendars(p: Practice) -> None:
    room = await ask(p, "POST", f"{CALENDAR}/calendars", name="Room", color="#10b981")
    await ask(p, "PATCH", f"{CALENDAR}/calendars/{room['id']}", name="Room 2, is_active unchanged")
    wish = {"name": "Short", "durationMinutes": 15, "calendarIds": [room["id"]], "maxPerDay": 3}
    short = await ask(p, "POST", f"{CALENDAR}/appointment-types", **wish)
    await ask(p, "PUT", f"{CALENDAR}/appointment-types", id=short["id"], color="#000000")
    await ask(p, "PUT", f"{CALENDAR}/appointment-types/{short['id']}", isActive=False, reminderHours=24)
    await ask(p, "DELETE", f"{CALENDAR}/appointment-types/{short['id']}")
    await ask(p, "DELETE", f"{CALENDAR}/calendars/{room['id']}")


async def blocks(p: Practice) -> None:
    lunch = {"start_time": "2024-02-01T12:00:00", "end_time": "2024-02-01T13:00:00", "reason": "Mittag"}
    block = await ask(p, "POST", f"{CALENDAR}/blocks", all=True, rule={"count": 3}, **lunch)
    own = f"{CALENDAR}/blocks/{block['id']}"
    await ask(p, "PATCH", own, calendar_id=p.desk.org.calendar_id, rule=None)
    await ask(p, "DELETE", own)


async def booked_by_staff(p: Practice) -> None:
    await p.book(client_notes="“First” visit", internal_notes="Called")
    p.clock.forward(minutes=1)
    await p.change(client_notes=None, client_timezone="Asia/Tokyo")
    await p.change(start_time="2024-01-26T09:00:00Z")
    await p.change(status="cancelled", cancellation_reason="Snow")
    await p.change(status="confirmed")
    wish = {"appointment_type_id": p.desk.org.type_id, "start_time": "2024-01-26T15:00:00Z"}
    hold = await ask(p, "POST", f"{CALENDAR}/holds", **wish)
    await p.book(start_time="2024-01-26T15:00:00Z", hold_id=hold["id"], manage_link=False)
    await p.book(start_time="2024-01-19T15:00:00Z")
    await p.change(status="completed")
    await p.book(start_time="2024-01-18T15:00:00Z")
    await p.change(status="no_show")


async def booked_by_clients(p: Practice) -> None:
    await p.desk.set_type(requiresConfirmation=True, confirmWithinHours=1)
    await p.ask(start_time="2024-01-23T10:00:00Z", client_language="fr")
    await by_link(p, "confirm")
    await p.ask(start_time="2024-01-23T12:00:00Z")
    await p.change(status="confirmed")
    await p.move("2024-01-23T14:00:00Z")
    await by_link(p, "cancel", reason="Too late")
    await p.ask(start_time="2024-01-23T16:00:00Z")
    p.clock.forward(hours=2)
    await p.mails()  # the worker writes down that it has lapsed
    await p.desk.set_type(requiresConfirmation=False)
    await p.desk.set_organization(clients_confirm_by_mail=True)
    wish = JANE | {"appointment_type_id": p.desk.org.type_id, "start_time": "2024-01-24T10:00:00Z"}
    response = await p.desk.client.post(f"/v1/public/{p.desk.org.slug}/appointments", json=wish)
    assert response.status_code == 200, response.text
    mail = (await p.mails())[-1]
    [p.token] = re.findall(rf"{BASE}/manage/(\S+)\n", mail.part("text/plain"))
    await by_link(p, "confirm")


async def keys_feeds_and_webhooks(p: Practice) -> None:
    hook = await ask(p, "POST", HOOKS, url=f"{ELSEWHERE}/hook?secret=1", events=["*"], name="Books")
    await ask(p, "PATCH", f"{HOOKS}/{hook['id']}", active=False, events=["appointment.*", "key.revoked"])
    await ask(p, "PATCH", f"{HOOKS}/{hook['id']}", active=True)
    await ask(p, "POST", f"{HOOKS}/{hook['id']}/rotate-secret")
    await ask(p, "POST", f"{HOOKS}/{hook['id']}/test")
    await ask(p, "DELETE", f"{HOOKS}/{hook['id']}")
    feed = (await ask(p, "POST", f"{CALENDAR}/feeds", calendar_id=p.desk.org.calendar_id))["id"]
    await ask(p, "DELETE", f"{CALENDAR}/feeds/{feed}")
    alone = (await ask(p, "POST", "/v1/keys", name="Web", scopes=["read"], expires_in_days=90))["id"]
    await ask(p, "DELETE", f"/v1/keys/{alone}")
    made = await p.desk.staff.post("/v1/keys", json={"name": "Makes", "scopes": ["admin"]})
    p.desk.staff.headers["Authorization"] = f"Bearer {made.json()['secret']}"
    await ask(p, "POST", "/v1/keys", name="Made", scopes=["read"])
    await ask(p, "POST", f"{CALENDAR}/feeds", calendar_id=None)
    await ask(p, "POST", HOOKS, url=f"{ELSEWHERE}/made", events=["calendar.*"])
    p.desk.staff.headers["Authorization"] = f"Bearer {p.desk.org.key}"
    await ask(p, "DELETE", f"/v1/keys/{made.json()['key']['id']}?with=made")


async def what_is_no_change(p: Practice) -> None:
    """What is rehearsed, replayed or refused, or changes nothing, stores nothing."""
    await ask(p, "POST", f"{CALENDAR}/calendars?dry_run=true", name="Rehearsed")
    for _ in range(2):
        once = {"Idempotency-Key": "1"}
        answer = await p.desk.staff.post(f"{CALENDAR}/calendars", json={"name": "Once"}, headers=once)
        assert answer.status_code == 200, answer.text
    assert answer.headers["Idempotent-Replayed"] == "true"
    refused = await p.desk.staff.post(
        f"{CALENDAR}/calendars", json={"name": "X", "schedule_id": "sched_none"}
    )
    assert refused.status_code == 404, refused.text
    await ask(p, "PATCH", f"{APPOINTMENTS}/{p.id}", client_name=JANE["client_name"])


async def calendars_elsewhere(p: Practice) -> None:
    elsewhere = Elsewhere(busy(("2024-02-01T10:30:00Z", "2024-02-01T12:00:00Z")))
    p.worker.scout = elsewhere.scout(p.db, p.clock)
    await p.book(start_time="2024-02-01T10:00:00Z")
    path = f"{CALENDAR}/calendars/{p.desk.org.calendar_id}/sources"
    wish = {"kind": "caldav", "url": f"{ELSEWHERE}/weber/work", "username": "weber", "password": "secret"}
    source = await ask(p, "POST", path, **wish)
    await p.read_sources()
    elsewhere.said = SourceTrouble("The server answers 401: check the username and the password.")
    for _ in range(2):
        p.clock.forward(hours=1)
        await p.read_sources()
    p.clock.forward(hours=1)
    elsewhere.said = busy()
    await p.read_sources()
    await ask(p, "POST", f"{path}/{source['id']}/refresh")
    await ask(p, "DELETE", f"{path}/{source['id']}")


async def stored(p: Practice) -> str:
    """Every event of the organization, with what is random named by its order."""

    def lines(tx: Tx) -> list[str]:
        mine = select(events).where(events.c.org_id == p.desk.org.id).order_by(events.c.id)
        return [
            f"{row.type} {row.subject_id} {row.subject_version} {row.occurred_at:%FT%TZ}\n{row.payload}\n"
            for row in tx.execute(mine)
        ]

    found = [each.replace(p.desk.org.slug, "praxis") for each in await p.db.read(lines)]
    return "\n".join(readably(found))

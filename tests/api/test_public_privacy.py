"""What clients ask without a key tells them nothing of others, and no key is looked at."""

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import metadata
from kalends.telemetry import configure
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS, LINKS, Desk, open_desk

pytestmark = pytest.mark.anyio


async def test_keys_are_not_looked_at(app: FastAPI, page: Desk) -> None:
    """Neither good nor bad ones: what is public is the same for everybody."""
    other = await open_desk(app)
    good = other.staff.headers["authorization"]
    for keys in (["Bearer vst_wrong"], ["nonsense"], [good], [good, good]):
        headers = [("Authorization", key) for key in keys]
        response = await page.client.get(page.path, headers=headers)
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit"] == "1000"
        held = await page.client.post(f"{page.path}/holds", json=page.wish(), headers=headers)
        gone = await page.client.delete(f"{page.path}/holds/{answered(held, 'hold')['id']}", headers=headers)
        assert gone.status_code == 200


async def everything_stored(db: Database) -> str:
    """Every value in every table, as text."""

    def read(tx: Tx) -> str:
        tables = metadata.tables.values()
        return "\n".join(str(tuple(row)) for table in tables for row in tx.execute(select(table)))

    return await db.read(read)


async def test_the_secret_of_a_link_is_nowhere_but_in_its_answer(
    page: Desk, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    key = {"Idempotency-Key": "once"}
    answers = [await page.post("appointments", key) for _ in range(2)]
    manage = f"{APPOINTMENTS}/{answers[0].json()['appointment']['id']}/manage-link"
    answers += [await page.staff.post(manage) for _ in range(2)]
    answers += [await page.staff.post(manage, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200] * 6
    tokens = [answer.json()["manage_token"] for answer in answers]
    assert len(set(tokens)) == 6
    link = f"{LINKS}/{tokens[-1]}"
    answered(await page.client.get(link), "appointment")
    to = {"start_time": "2024-01-26T14:00:00Z"}
    for _ in range(2):
        answered(await page.client.post(f"{link}/reschedule", json=to, headers=key), "appointment")
    refused(await page.client.post(f"{link}/reschedule", json={}), 400, "missing_fields")
    other = {"Idempotency-Key": "another"}
    answered(await page.client.post(f"{link}/cancel", json={}, headers=other), "appointment")
    stored, logged = await everything_stored(db), capsys.readouterr().err
    assert answers[0].json()["appointment"]["id"] in stored
    assert "/v1/public/appointments/{token}/cancel" in logged
    for token in tokens:
        assert token not in stored
        assert token not in logged


async def test_clients_learn_nothing_of_others(app: FastAPI, db: Database, clock: StoppedClock) -> None:
    """Whatever they ask, and whatever is refused: no other client, no note, no calendar, no name of ours."""
    secrets = {
        "client_name": "Zaphod Secret",
        "client_email": "zaphod@secret.example",
        "client_phone": "+49 555 0815",
        "client_notes": "secret wish",
        "internal_notes": "secret opinion",
    }
    page = await open_desk(app, maxPerDay=2, requiresConfirmation=True, slotIntervalMinutes=30)
    schedule = await page.staff.post("/v1/calendar/schedules", json={"name": "Secret shifts"})
    hours = answered(schedule, "schedule")["id"]
    rooms = [await page.room(name) for name in ("Secret A", "Secret B")]
    closed = await page.room("Secret C", schedule_id=hours)
    gone = await page.room("Secret D")
    await page.staff.delete(f"/v1/calendar/calendars/{gone}")
    day_off = {"date": "2024-01-30", "reason": "Secret holiday"}
    answered(await page.staff.post("/v1/calendar/overrides", json=day_off), "override")
    await page.set_type(calendarIds=[*rooms, closed])
    single = (await page.add_type(calendarIds=[rooms[0]]))["id"]
    off = (await page.add_type(calendarIds=[closed], isActive=False))["id"]
    days = [f"2024-01-{day}T14:00:00Z" for day in (25, 26, 29)]
    for day in days[:2]:
        for room in rooms:
            await page.booked(day, calendar_id=room, **secrets)
    answered(await page.staff.post("/v1/calendar/holds", json=page.wish(start_time=days[2])), "hold")
    known = await everything_stored(db)

    answers = [await page.client.get(page.path)]
    for kind in (page.org.type_id, single, off, "type_unknown"):
        for start in (*days, "2024-01-25T14:30:00Z", "2024-01-25T14:20:00Z", "2024-01-30T09:00:00Z"):
            wish = {"appointment_type_id": kind, "start_time": start}
            answers += [
                await page.client.get(f"{page.path}/slots/explain", params=wish),
                await page.post("holds", **wish),
            ]
        span = {"appointment_type_id": kind, "from": "2024-01-25", "to": "2024-01-31"}
        answers += [await page.client.get(f"{page.path}/{each}", params=span) for each in ("slots", "days")]
    for bad in ({"answers": {"x": 1}}, {"client_email": "x"}, {"start_time": "x"}, {"hold_id": "x"}):
        answers.append(await page.post("appointments", **bad))
    booked = await page.post("appointments", start_time="2024-01-31T14:00:00Z")
    link = f"{LINKS}/{booked.json()['manage_token']}"
    await page.staff.patch(
        f"{APPOINTMENTS}/{booked.json()['appointment']['id']}",
        json={"internal_notes": "secret opinion", "status": "confirmed"},
    )
    span = {"from": "2024-01-25", "to": "2024-01-31"}
    answers += [
        *[await page.client.get(f"{link}/{each}", params=span) for each in ("slots", "days")],
        *[await page.client.get(f"{link}/slots/explain", params={"start_time": day}) for day in days],
        booked,
        await page.post("appointments"),
        await page.client.get(link),
        await page.client.post(f"{link}/reschedule", json={"start_time": days[0]}),
        await page.client.post(f"{link}/reschedule", json={"start_time": "2024-01-31T15:00:00Z"}),
        await page.client.post(f"{link}/cancel", json={}),
        await page.client.post(f"{link}/reschedule", json={"start_time": days[0]}),
        await page.client.get(f"{LINKS}/unknown"),
        await page.client.delete(f"{page.path}/holds/unknown"),
    ]
    clock.forward(days=11)
    answers.append(await page.client.post(f"{link}/reschedule", json={"start_time": days[0]}))

    def ids(tx: Tx) -> set[str]:
        """Whatever of the organization has an id, but for its types."""
        tables = [table for name, table in metadata.tables.items() if name != "appointment_types"]
        return {
            id_
            for table in tables
            if "id" in table.c
            for id_ in tx.execute(
                select(table.c.id).where(table.c.get("org_id", table.c.id) == page.org.id)
            ).scalars()
        }

    theirs = await db.read(ids)
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 400, 404, 409}
    own = {answer.json()["hold"]["id"] for answer in answers if "hold" in answer.json()}
    own.add(booked.json()["appointment"]["id"])
    told = "\n".join(str(answer.headers) + answer.text for answer in answers)
    for secret in ("Zaphod", "zaphod", "555 0815", "secret", "Secret", "Reception", "vst_"):
        assert secret in known
        assert secret not in told
    assert {id_.partition("_")[0] for id_ in theirs} >= {"org", "cal", "sched", "apt", "hold", "key", "ovr"}
    assert own < theirs
    for id_ in theirs - own:
        assert id_ not in told

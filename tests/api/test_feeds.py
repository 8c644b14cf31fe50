"""Calendar feeds, and the files of clients: what calendar programs read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import vobject
from fastapi import FastAPI
from icalendar import Calendar, Event
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import feeds, idempotency_keys, manage_links
from kalends.delivery import calendar_files
from kalends.ids import digest
from kalends.services.booking import lapses
from kalends.services.leaving import feeds as feeds_of
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.components import value
from tests.support.desk import book_jane, by_api, week
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

APPOINTMENTS, FEEDS = "/v1/calendar/appointments", "/v1/calendar/feeds"


async def book(client: httpx.AsyncClient, org: Org, **fields: Any) -> str:
    return str((await book_jane(client, org, **fields))["id"])


async def subscribe(client: httpx.AsyncClient, **fields: Any) -> str:
    """The path of a new feed."""
    response = await client.post(FEEDS, json=fields)
    assert response.status_code == 200, response.text
    return str(httpx.URL(response.json()["url"]).path)


async def events_of(client: httpx.AsyncClient, path: str) -> dict[str, Event]:
    """The events of a file by appointment; another library must read the same ones."""
    response = await client.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    events = Calendar.from_ical(response.content).events
    other = vobject.readOne(response.text)
    assert [str(event["UID"]) for event in events] == [
        event.uid.value for event in other.contents.get("vevent", [])
    ]
    found = {str(event["UID"]).removesuffix("@kalends"): event for event in events}
    assert len(found) == len(events)
    return found


async def link_to(client: httpx.AsyncClient, appointment: str) -> str:
    """The path of a client's link to an appointment."""
    response = await client.post(f"{APPOINTMENTS}/{appointment}/manage-link")
    assert response.status_code == 200, response.text
    return by_api(str(httpx.URL(response.json()["manage_url"]).path))


async def test_feeds_are_made_listed_and_deleted(client: httpx.AsyncClient, org: Org) -> None:
    assert (await client.get(FEEDS)).json() == {"feeds": []}
    first = (await client.post(FEEDS, json={})).json()
    second = (await client.post(FEEDS, json={"calendar_id": org.calendar_id})).json()
    assert first["feed"] == {
        "id": first["feed"]["id"],
        "org_id": org.id,
        "calendar_id": None,
        "kind": "appointments",
        "created_by": {"kind": "api_key", "id": org.caller.key_id, "name": "Test key"},
        "created_at": "2024-01-20T12:00:00Z",
    }
    assert first["url"].startswith("http://kalends.test/v1/public/feeds/")
    assert first["url"].endswith(".ics")
    assert second["feed"]["calendar_id"] == org.calendar_id
    assert (await client.get(FEEDS)).json() == {"feeds": [first["feed"], second["feed"]]}

    deleted = await client.delete(f"{FEEDS}/{first['feed']['id']}")
    assert deleted.json() == {"deleted": True, "id": first["feed"]["id"]}
    refused(await client.get(httpx.URL(first["url"]).path), 404, "not_found")
    refused(await client.delete(f"{FEEDS}/{first['feed']['id']}"), 404, "not_found")
    assert (await client.get(FEEDS)).json() == {"feeds": [second["feed"]]}
    assert (await client.get(httpx.URL(second["url"]).path)).status_code == 200


async def test_a_feed_is_read_without_a_key_by_whoever_knows_its_address(
    app: FastAPI, client: httpx.AsyncClient, org: Org
) -> None:
    booked = await book(client, org)
    path = await subscribe(client)
    async with client_of(app, None) as anybody:
        assert set(await events_of(anybody, path)) == {booked}
        refused(await anybody.get(path.replace("feeds/", "feeds/x")), 404, "not_found")
        refused(await anybody.get(FEEDS), 401, "unauthorized")


async def test_the_token_is_stored_as_a_digest_only(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    headers = {"Idempotency-Key": "one"}
    made = (await client.post(FEEDS, json={}, headers=headers)).json()
    token = made["url"].rpartition("/")[2].removesuffix(".ics")
    again = await client.post(FEEDS, json={}, headers=headers)
    assert again.json() == made | {"url": None}
    assert again.headers["idempotent-replayed"] == "true"

    def stored(tx: Tx) -> tuple[list[bytes], str]:
        kept = tx.execute(select(idempotency_keys).where(idempotency_keys.c.org_id == org.id)).all()
        rows = tx.execute(select(feeds).where(feeds.c.org_id == org.id)).all()
        return [row.digest for row in rows], repr([*kept, *rows])

    digests, everything = await db.read(stored)
    assert digests == [digest(token)]
    assert token not in everything
    assert len(token) >= 32


async def test_of_one_calendar_or_of_all(client: httpx.AsyncClient, org: Org) -> None:
    response = await client.post("/v1/calendar/calendars", json={"name": "Second"})
    second = response.json()["calendar"]["id"]
    here, there = await book(client, org), await book(client, org, calendar_id=second)
    assert set(await events_of(client, await subscribe(client))) == {here, there}
    assert set(await events_of(client, await subscribe(client, calendar_id=org.calendar_id))) == {here}
    assert set(await events_of(client, await subscribe(client, calendar_id=second))) == {there}


async def named(client: httpx.AsyncClient, path: str) -> tuple[str, list[str]]:
    """The name of a feed to programs old and new, and the titles of its events by their start."""
    response = await client.get(path)
    calendar = Calendar.from_ical(response.content)
    twin = vobject.readOne(response.text)
    assert twin.x_wr_calname.value == twin.contents["name"][0].value
    events = sorted(calendar.events, key=lambda event: event.decoded("DTSTART"))
    return twin.x_wr_calname.value, [str(event["SUMMARY"]) for event in events]


async def test_feeds_tell_whose_they_are(client: httpx.AsyncClient, org: Org) -> None:
    await client.patch("/v1/organization", json={"name": "Clinic"})
    mine = f"/v1/calendar/calendars/{org.calendar_id}"
    await client.patch(mine, json={"name": "Dr. Weber"})
    everybodys, webers = await subscribe(client), await subscribe(client, calendar_id=org.calendar_id)
    await book(client, org)
    jane = "Tax Consultation: Jane Doe"
    assert await named(client, everybodys) == ("Clinic", [jane])  # there is nobody else
    assert await named(client, webers) == ("Clinic – Dr. Weber", [jane])

    made = await client.post("/v1/calendar/calendars", json={"name": "Room\r\nEND:VEVENT; 2"})
    second = made.json()["calendar"]["id"]
    seconds = await subscribe(client, calendar_id=second)
    joe = await book(
        client, org, calendar_id=second, client_name="Joe", start_time="2024-01-26T14:00:00Z", check="none"
    )
    room = "Room END:VEVENT; 2"
    both = [f"{jane} – Dr. Weber", f"Tax Consultation: Joe – {room}"]
    assert await named(client, everybodys) == ("Clinic", both)
    assert await named(client, webers) == ("Clinic – Dr. Weber", [jane])
    assert await named(client, seconds) == (f"Clinic – {room}", ["Tax Consultation: Joe"])

    tags = [(await client.get(path)).headers["etag"] for path in (everybodys, webers, seconds)]
    await client.patch(mine, json={"name": "Dr. Wéber"})
    assert await named(client, webers) == ("Clinic – Dr. Wéber", [jane])
    changed = [
        (await client.get(path, headers={"If-None-Match": tag})).status_code
        for path, tag in zip((everybodys, webers, seconds), tags, strict=True)
    ]
    assert changed == [200, 200, 304]

    # A calendar that is deleted leaves what was in it.
    await client.patch(f"{APPOINTMENTS}/{joe}", json={"status": "cancelled"})
    assert (await client.delete(f"/v1/calendar/calendars/{second}")).status_code == 200
    assert await named(client, everybodys) == ("Clinic", [f"{jane} – Dr. Wéber", both[1]])
    assert await named(client, seconds) == (f"Clinic – {room}", ["Tax Consultation: Joe"])


async def test_feeds_say_how_often_to_read_them_and_what_leaves_time_free(
    client: httpx.AsyncClient, org: Org
) -> None:
    kept = await book(client, org)
    gone = await book(client, org, start_time="2024-01-26T14:00:00Z")
    reason = {"status": "cancelled", "cancellation_reason": "Ill;\nsorry"}
    await client.patch(f"{APPOINTMENTS}/{gone}", json=reason)
    path = await subscribe(client)
    lines = (await client.get(path)).text.splitlines()
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT15M" in lines
    assert "X-PUBLISHED-TTL:PT15M" in lines
    events = await events_of(client, path)
    assert (events[gone]["STATUS"], events[gone]["TRANSP"]) == ("CANCELLED", "TRANSPARENT")
    assert events[gone]["COMMENT"] == "Ill;\nsorry"
    assert not events[kept].keys() & {"TRANSP", "COMMENT"}


async def test_calendars_of_others_and_none_are_refused(
    app: FastAPI, client: httpx.AsyncClient, db: Database, clock: StoppedClock
) -> None:
    other = await make_org(db, clock.now())
    for calendar_id in (other.calendar_id, "cal_none"):
        body = refused(await client.post(FEEDS, json={"calendar_id": calendar_id}), 404, "not_found")
        assert body["details"]["field"] == "calendar_id"
    assert (await client.get(FEEDS)).json() == {"feeds": []}
    async with client_of(app, other.key) as theirs:
        mine = (await client.post(FEEDS, json={})).json()["feed"]
        refused(await theirs.delete(f"{FEEDS}/{mine['id']}"), 404, "not_found")
        assert (await theirs.get(FEEDS)).json() == {"feeds": []}
        booked = await book(theirs, other)
        assert set(await events_of(client, await subscribe(theirs))) == {booked}
    assert await events_of(client, await subscribe(client)) == {}


async def test_the_last_30_and_the_next_365_days(
    client: httpx.AsyncClient, org: Org, clock: StoppedClock
) -> None:
    clock.at = datetime(2023, 12, 1, tzinfo=UTC)
    times = {
        "2023-12-20T23:59:59Z": False,
        "2023-12-21T00:00:00Z": True,
        "2025-01-19T23:59:59Z": True,
        "2025-01-20T00:00:00Z": False,
    }
    ids = {start: await book(client, org, start_time=start, check="none") for start in times}
    clock.at = datetime(2024, 1, 20, 12, tzinfo=UTC)
    path = await subscribe(client)
    expected = {ids[start] for start, within in times.items() if within}
    assert set(await events_of(client, path)) == expected
    # The days are whole ones, so a program that asks again the same day finds nothing new.
    content = (await client.get(path)).content
    for at in (datetime(2024, 1, 20, 0, 0, tzinfo=UTC), datetime(2024, 1, 20, 23, 59, 59, tzinfo=UTC)):
        clock.at = at
        assert (await client.get(path)).content == content


async def test_every_status_as_calendar_programs_know_it(
    client: httpx.AsyncClient, app: FastAPI, db: Database, clock: StoppedClock
) -> None:
    org = await make_org(db, clock.now(), requiresConfirmation=True, confirmWithinHours=12)
    async with client_of(app, org.key) as staff, client_of(app, None) as anybody:
        hours = [{"day_of_week": day, "start_time": "00:00", "end_time": "24:00"} for day in range(7)]
        await staff.put("/v1/calendar/availability", json={"schedules": hours})
        slug = answered(await staff.get("/v1/organization"), "organization")["slug"]
        expected = {}
        for day, (status, shown) in enumerate(
            {
                "confirmed": "CONFIRMED",
                "completed": "CONFIRMED",
                "no_show": "CONFIRMED",
                "cancelled": "CANCELLED",
            }.items()
        ):
            id_ = await book(staff, org, start_time=f"2024-02-0{day + 1}T14:00:00Z")
            await staff.patch(f"{APPOINTMENTS}/{id_}", json={"status": status})
            expected[id_] = (shown, 0 if status == "confirmed" else 1)
        wish = org.wish(start_time="2024-02-10T14:00:00Z")
        pending = (await anybody.post(f"/v1/public/{slug}/appointments", json=wish)).json()
        expected[pending["appointment"]["id"]] = ("TENTATIVE", 0)
        wish = {"appointment_type_id": org.type_id, "start_time": "2024-02-11T14:00:00Z"}
        assert (await staff.post("/v1/calendar/holds", json=wish)).status_code == 200

        path = await subscribe(staff)

        async def told() -> dict[str, tuple[str, int]]:
            found = await events_of(anybody, path)
            return {
                id_: (str(event["STATUS"]), int(value(event, "SEQUENCE"))) for id_, event in found.items()
            }

        assert await told() == expected
        # What has lapsed is cancelled from that moment, whether or not it was written down.
        clock.forward(hours=12)
        expected[pending["appointment"]["id"]] = ("CANCELLED", 1)
        assert await told() == expected
        await db.write(lapses.sweep, clock.now())
        assert await told() == expected


async def test_what_staff_see_of_an_appointment(client: httpx.AsyncClient, org: Org) -> None:
    await client.patch("/v1/organization", json={"timezone": "Europe/Berlin", "name": "Clinic, Inc."})
    id_ = await book(
        client,
        org,
        start_time="2024-07-25T14:00:00Z",
        client_name="Ünal; Åsa, \\ Dr.",
        client_notes="first line\nsecond, line; " + "中文" * 40,
        internal_notes="difficult patient",
    )
    path = await subscribe(client)
    response = await client.get(path)
    calendar = Calendar.from_ical(response.content)
    [event] = calendar.events
    assert event["SUMMARY"] == "Tax Consultation: Ünal; Åsa, \\ Dr."
    assert event["DESCRIPTION"] == ("+1234567890\njane@example.com\nfirst line\nsecond, line; " + "中文" * 40)
    assert event["UID"] == f"{id_}@kalends"
    assert event.decoded("DTSTART").isoformat() == "2024-07-25T16:00:00+02:00"
    assert event.decoded("DTEND").isoformat() == "2024-07-25T17:00:00+02:00"
    assert event.decoded("DTSTAMP") == datetime(2024, 1, 20, 12, tzinfo=UTC)
    assert [zone["TZID"] for zone in calendar.walk("VTIMEZONE")] == ["Europe/Berlin"]
    assert "METHOD" not in calendar
    assert "difficult" not in response.text
    twin = vobject.readOne(response.text)
    assert twin.x_wr_calname.value == "Clinic, Inc."
    assert twin.vevent.summary.value == event["SUMMARY"]
    assert twin.vevent.description.value == event["DESCRIPTION"]
    lines = response.content.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()  # no character is cut in two
    assert b"SUMMARY:Tax Consultation: \xc3\x9cnal\\; \xc3\x85sa\\, \\\\ Dr." in lines


async def test_a_name_with_lines_leaves_the_feed_whole(client: httpx.AsyncClient, org: Org) -> None:
    await client.patch("/v1/organization", json={"name": "Clinic\r\nATTENDEE:eve"})
    name = "Jane\r\nEND:VEVENT\nBEGIN:VEVENT\u2028UID:eve\x85X\x0bY"
    ids = {await book(client, org, client_name=name), await book(client, org, start_time="2024-01-26T14:00Z")}
    assert set(await events_of(client, await subscribe(client))) == ids
    link = await link_to(client, min(ids))
    assert set(await events_of(client, f"{link}.ics")) == {min(ids)}


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient, org: Org) -> None:
    id_ = await book(client, org)
    for path in (await subscribe(client), f"{await link_to(client, id_)}.ics"):
        first = await client.get(path)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "private, no-cache"
        second = await client.get(path)
        assert (second.content, second.headers["etag"]) == (first.content, tag)
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            unchanged = await client.get(path, headers={"If-None-Match": known})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"] == (f"W/{tag}" if known.startswith("W/") else tag)
        assert (await client.get(path, headers={"If-None-Match": '"other"'})).content == first.content
        await client.patch(f"{APPOINTMENTS}/{id_}", json={"client_name": f"Jane {tag}"})
        if "feeds" in path:
            changed = await client.get(path, headers={"If-None-Match": tag})
            assert changed.status_code == 200
            assert changed.headers["etag"] != tag
            assert changed.content != first.content


async def test_a_long_feed_is_whole_and_written_once(
    app: FastAPI, client: httpx.AsyncClient, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several parts: a part has 20 appointments here."""
    monkeypatch.setattr(feeds_of, "_SLICE", 20)
    starts = [datetime(2024, 1, 25, tzinfo=UTC) + timedelta(hours=each // 3) for each in range(41)]
    ids = [await book(client, org, start_time=at.isoformat(), check="none") for at in starts]
    path = await subscribe(client)
    assert list(await events_of(client, path)) == sorted(ids, key=lambda id_: (starts[ids.index(id_)], id_))
    first = await client.get(path)
    part, parts = calendar_files.Feed.part, []

    def counted(feed: calendar_files.Feed, appointments: Any) -> bytes:
        parts.append(len(some := list(appointments)))
        return part(feed, some)

    monkeypatch.setattr(calendar_files.Feed, "part", counted)
    assert (await client.get(path, headers={"If-None-Match": first.headers["etag"]})).status_code == 304
    assert (await client.get(path)).content == first.content
    assert parts == []
    await client.patch(f"{APPOINTMENTS}/{ids[7]}", json={"client_name": "Somebody else"})
    assert len(await events_of(client, path)) == 41
    assert parts == [20, 20, 1]


@pytest.mark.parametrize(
    "change",
    ["organization", "timezone", "type", "calendar", "moved", "moved away", "cancelled", "lapsed"],
)
async def test_whatever_changes_what_is_shown_changes_the_tag(
    app: FastAPI, client: httpx.AsyncClient, org: Org, clock: StoppedClock, change: str
) -> None:
    await client.put(f"/v1/calendar/appointment-types/{org.type_id}", json={"requiresConfirmation": True})
    await client.put("/v1/calendar/availability", json={"schedules": week("00:00-24:00")})
    id_ = await book(client, org)
    await client.post("/v1/calendar/calendars", json={"name": "Other"})  # so that calendars are told apart
    slug = (await client.get("/v1/organization")).json()["organization"]["slug"]
    async with client_of(app, None) as anybody:
        asked = org.wish(start_time="2024-01-26T09:00:00Z")
        assert (await anybody.post(f"/v1/public/{slug}/appointments", json=asked)).status_code == 200
    path = await subscribe(client)
    first = await client.get(path)
    assert first.status_code == 200

    async def patch(what: str, **fields: Any) -> None:
        response = await client.patch(what, json=fields)
        assert response.status_code == 200, response.text

    match change:  # all within the same second, as a clock that stands has it
        case "organization":
            await patch("/v1/organization", name="Other")
        case "timezone":
            await patch("/v1/organization", timezone="Asia/Kathmandu")
        case "type":
            response = await client.put(f"/v1/calendar/appointment-types/{org.type_id}", json={"name": "B"})
            assert response.status_code == 200
        case "calendar":
            await patch(f"/v1/calendar/calendars/{org.calendar_id}", name="Changed")
        case "moved":
            await patch(f"{APPOINTMENTS}/{id_}", start_time="2024-01-27T09:00:00Z")
        case "moved away":
            await patch(f"{APPOINTMENTS}/{id_}", start_time="2026-01-27T09:00:00Z")
        case "cancelled":
            await patch(f"{APPOINTMENTS}/{id_}", status="cancelled")
        case "lapsed":
            clock.at = datetime(2024, 1, 26, 9, tzinfo=UTC)
    second = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert second.content != first.content
    third = await client.get(path, headers={"If-None-Match": second.headers["etag"]})
    assert third.status_code == 304


async def test_a_client_reads_their_own_appointment_as_a_file(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org, clock: StoppedClock
) -> None:
    await client.patch("/v1/organization", json={"timezone": "America/New_York"})
    id_ = await book(client, org, internal_notes="difficult patient", client_notes="mine")
    await book(client, org, start_time="2024-01-26T14:00:00Z")
    link = await link_to(client, id_)
    async with client_of(app, None) as anybody:
        response = await anybody.get(f"{link}.ics")
        [event] = (await events_of(anybody, f"{link}.ics")).values()
        assert event["SUMMARY"] == "Tax Consultation, Test"
        assert event.decoded("DTSTART").isoformat() == "2024-01-25T09:00:00-05:00"
        assert "difficult" not in response.text
        assert "Jane" not in response.text
        await client.patch(f"{APPOINTMENTS}/{id_}", json={"status": "cancelled"})
        [event] = (await events_of(anybody, f"{link}.ics")).values()
        assert (event["STATUS"], event["SEQUENCE"]) == ("CANCELLED", 1)

        refused(await anybody.get("/v1/public/appointments/none.ics"), 404, "not_found")
        await link_to(client, id_)
        refused(await anybody.get(f"{link}.ics"), 404, "not_found")
        last = await link_to(client, id_)
        clock.at = datetime(2024, 1, 25, 15, tzinfo=UTC) + timedelta(days=30)
        refused(await anybody.get(f"{last}.ics"), 404, "not_found")

    def digests(tx: Tx) -> list[bytes]:
        return list(
            tx.execute(select(manage_links.c.digest).where(manage_links.c.org_id == org.id)).scalars()
        )

    assert await db.read(digests) == [digest(last.rpartition("/")[2])]


async def test_the_paths_secret_is_not_in_the_log(
    client: httpx.AsyncClient, org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await subscribe(client)
    await client.get(path)
    lines = capsys.readouterr().err.splitlines()
    assert json.loads(lines[-1])["route"] == "/v1/public/feeds/{token}.ics"
    assert json.loads(lines[-1])["org_id"] == org.id
    assert path.rpartition("/")[2].removesuffix(".ics") not in "".join(lines)

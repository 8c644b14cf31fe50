"""The worker keeps the busy times of calendars elsewhere: what they say is stood in for, all else is real."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from sqlalchemy import delete, select, update

from kalends.core.sources import Reading, SourceTrouble, Unchanged
from kalends.db.database import Tx
from kalends.db.tables import events, sources
from kalends.reading.fetching import Reader
from kalends.reading.sources import read
from kalends.scout import ADVICE, DEFECT, Scout
from kalends.services.booking import readings
from kalends.telemetry import configure
from tests.support.answers import answered
from tests.support.clients import client_of
from tests.support.desk import book_jane
from tests.support.elsewhere import EVERY, Elsewhere, busy
from tests.support.letters import BASE
from tests.support.organizations import make_org
from tests.support.practice import DESK, Opening
from tests.support.receiver import Got, Receiver
from tests.worker.mails import JANE, told
from tests.worker.source_desk import HALF_PAST_TWO, LUNCH, TWO, URL, SourceDesk

pytestmark = [pytest.mark.anyio, pytest.mark.both]


@pytest.fixture
async def scene(opening: Opening) -> AsyncIterator[SourceDesk]:
    async with opening(sources_allow_private=True) as p:
        scene = SourceDesk(p, Elsewhere())
        p.worker.scout = scene.elsewhere.scout(p.db, p.clock)
        yield scene
        await p.worker.scout.stop()


async def test_a_new_source_is_read_at_once_and_nothing_is_booked_over_it(
    scene: SourceDesk,
) -> None:
    scene.elsewhere.said = busy(LUNCH, TWO)
    made = await scene.add()
    assert (made["events"], made["last_success_at"], made["next_at"]) == (None, None, "2024-01-20T12:00:00Z")
    assert await scene.turn() == 1
    shown = await scene.shown()
    assert (shown["events"], shown["last_success_at"]) == (2, "2024-01-20T12:00:00Z")
    assert (shown["failing_since"], shown["error"], shown["next_at"]) == (None, None, "2024-01-20T12:05:00Z")
    assert await scene.busy() == [LUNCH, TWO]
    starts = await scene.p.desk.starts("2024-01-25", "2024-01-25")
    assert "2024-01-25T13:00:00Z" in starts
    assert not {LUNCH[0], TWO[0]} & set(starts)
    assert (await scene.p.desk.book(TWO[0])).status_code == 409
    assert (await scene.p.desk.book("2024-01-25T13:30:00Z")).status_code == 409
    assert (await scene.p.desk.book("2024-01-25T13:00:00Z")).status_code == 200


async def test_what_is_asked_is_the_address_the_window_and_the_calendars_zone(scene: SourceDesk) -> None:
    await scene.add(kind="caldav", username="weber", password="s3cret", free_timed_events=True)
    await scene.turn()
    [asked] = scene.elsewhere.asked
    address = asked.address
    assert (address.kind, address.url, address.free_timed_events) == ("caldav", URL, True)
    assert (address.username, address.password) == ("weber", "s3cret")
    assert (asked.state, asked.zone) == (None, "UTC")
    start, end = asked.window
    assert timedelta(days=1) <= scene.p.clock.at - start < timedelta(days=2)
    assert end - start == timedelta(days=400)
    schedule = await scene.p.desk.make("schedules", "schedule", name="There", timezone="Asia/Tokyo")
    await scene.p.desk.set_calendar(scene.p.desk.org.calendar_id, schedule_id=schedule["id"])
    scene.p.clock.forward(minutes=5)
    await scene.turn()
    assert scene.elsewhere.asked[-1].zone == "Asia/Tokyo"


async def test_what_was_read_replaces_what_was_read_before(scene: SourceDesk) -> None:
    await scene.add()
    await scene.say(busy(LUNCH, TWO))
    await scene.say(busy(TWO, ("2024-01-26T09:00:00Z", "2024-01-26T17:00:00Z")))
    assert await scene.busy() == [TWO, ("2024-01-26T09:00:00Z", "2024-01-26T17:00:00Z")]
    assert (await scene.p.desk.book(LUNCH[0])).status_code == 200
    await scene.say(busy())
    assert await scene.busy() == []
    assert (await scene.shown())["events"] == 0
    assert (await scene.p.desk.book(TWO[0])).status_code == 200


async def test_the_window_moves_on_once_a_day(scene: SourceDesk) -> None:
    await scene.add()
    for _ in range(48):
        await scene.turn()
        scene.p.clock.forward(hours=1)
    starts = [asked.window[0] for asked in scene.elsewhere.asked]
    assert len(starts) == 48
    assert len(set(starts)) in (2, 3)
    assert {later - former for former, later in pairwise(starts)} == {timedelta(), timedelta(days=1)}


async def test_the_state_is_given_back_and_what_is_unchanged_stays(scene: SourceDesk) -> None:
    await scene.add()
    await scene.say(busy(LUNCH, state='"1"\nmore'))
    await scene.say(Unchanged())
    assert scene.state == '"1"\nmore'
    assert await scene.busy() == [LUNCH]
    shown = await scene.shown()
    assert (shown["events"], shown["last_success_at"]) == (1, "2024-01-20T12:10:00Z")
    await scene.say(SourceTrouble("It is down."))
    await scene.say(busy(LUNCH))
    assert scene.state == '"1"\nmore'
    await scene.say(busy(LUNCH))
    assert scene.state is None, "it said none"


async def test_what_can_not_be_read_of_it_is_shown_until_it_can(scene: SourceDesk) -> None:
    await scene.add()
    assert (await scene.shown())["unreadable"] == []
    sentences = ["An event without a beginning can't be read."]
    await scene.say(Reading([], 3, None, sentences))
    assert (await scene.shown())["unreadable"] == sentences
    await scene.say(Unchanged())
    assert (await scene.shown())["unreadable"] == sentences
    await scene.say(busy())
    assert (await scene.shown())["unreadable"] == []


async def test_our_own_appointments_are_known_by_their_uids(scene: SourceDesk) -> None:
    other = await make_org(scene.p.db, scene.p.clock.now())
    mine = await scene.p.book()
    gone = await scene.p.book(start_time="2024-01-26T14:00:00Z")
    await scene.p.change(status="cancelled")
    async with client_of(scene.p.desk.app, other.key) as client:
        theirs = await book_jane(client, other)
    await scene.add()
    await scene.turn()
    is_own = scene.elsewhere.asked[-1].is_own
    assert [is_own(f"{each['id']}@kalends") for each in (mine, gone, theirs)] == [True, True, False]
    assert not any(is_own(uid) for uid in (mine["id"], "@kalends", "apt_none@kalends", ""))
    # The busy feed of the calendar itself, or of the organization, is an echo; of another calendar it is not.
    echoes = [f"{whose}-1706191200@kalends" for whose in (mine["calendar_id"], mine["org_id"], "cal_other")]
    assert [is_own(uid) for uid in echoes] == [True, True, False]


# What clashes.


async def test_what_comes_over_an_appointment_is_told_once_and_changes_nothing(scene: SourceDesk) -> None:
    await scene.p.desk.set_calendar(scene.p.desk.org.calendar_id, name="Weber <1>")
    booked = await scene.p.ask()
    await scene.p.mails()
    await scene.add()
    await scene.say(busy(LUNCH, HALF_PAST_TWO))
    [clash] = await scene.happened("calendar.clash")
    assert clash["appointment"]["id"] == booked["id"]
    assert clash["calendar"]["id"] == scene.p.desk.org.calendar_id
    assert clash["source_id"] == scene.id
    assert clash["busy"] == {"start_time": HALF_PAST_TWO[0], "end_time": HALF_PAST_TWO[1]}
    assert clash["actor"]["kind"] == "system"
    [mail] = await scene.p.mails()
    assert told([mail], DESK) == ["Busy elsewhere"]
    day, zone = "Thursday, January 25, 2024", "PM (Coordinated Universal Time, UTC)"
    assert mail.part("text/plain") == (
        "Weber <1> is busy elsewhere at the time of this appointment. The appointment stands.\n\n"
        f"What: Tax Consultation\nWhen: {day}, 2:00\u202f{zone}\n"
        f"Busy from: {day}, 2:30\u202f{zone}\nBusy until: {day}, 3:30\u202f{zone}\n"
        f"Client: Jane Doe\nE-mail: {JANE}\nPhone: +1234567890\nAppointment: {booked['id']}\n\n"
        f"See it on the pages for staff:\n{BASE}/staff/appointments/{booked['id']}\n"
    )
    html = mail.part("text/html")
    assert "Weber &lt;1&gt; is busy elsewhere" in html
    assert f"<td>Busy until</td><td>{day}, 3:30\u202f{zone}</td>" in html
    assert (await scene.p.desk.get(booked["id"]))["status"] == "confirmed"
    await scene.say(busy(LUNCH, HALF_PAST_TWO))
    await scene.say(busy(HALF_PAST_TWO))
    await scene.say(SourceTrouble("It is down."))
    await scene.say(busy(HALF_PAST_TWO))
    assert len(await scene.happened("calendar.clash")) == 1
    assert await scene.p.mails() == []
    await scene.say(busy(TWO))
    assert [each["busy"]["start_time"] for each in await scene.happened("calendar.clash")] == [
        HALF_PAST_TWO[0],
        TWO[0],
    ]


async def test_nothing_clashes_beside_an_appointment_or_with_what_is_over(
    scene: SourceDesk,
) -> None:
    await scene.p.book()
    await scene.p.book(start_time="2024-01-26T14:00:00Z")
    await scene.p.change(status="cancelled", cancellation_reason="Ill")
    await scene.p.book(start_time="2024-01-19T14:00:00Z")
    await scene.add()
    await scene.say(
        busy(
            ("2024-01-19T00:00:00Z", "2024-01-20T00:00:00Z"),
            ("2024-01-25T13:00:00Z", "2024-01-25T14:00:00Z"),
            ("2024-01-25T15:00:00Z", "2024-01-27T00:00:00Z"),
        )
    )
    assert await scene.happened("calendar.clash") == []


async def test_each_appointment_and_each_busy_time_is_told(scene: SourceDesk) -> None:
    first = await scene.p.book()
    second = await scene.p.book(start_time="2024-01-25T15:00:00Z")
    await scene.add()
    whole = ("2024-01-25T14:15:00Z", "2024-01-25T14:30:00Z"), ("2024-01-25T14:45:00Z", "2024-01-25T15:15:00Z")
    await scene.say(busy(*whole))
    clashes = await scene.happened("calendar.clash")
    assert [(each["appointment"]["id"], each["busy"]["start_time"]) for each in clashes] == [
        (first["id"], whole[0][0]),
        (first["id"], whole[1][0]),
        (second["id"], whole[1][0]),
    ]


async def test_each_calendar_of_an_appointment_may_clash(scene: SourceDesk) -> None:
    scene.calendar = await scene.p.desk.room("Blue room")
    doctor = {"name": "doctor", "calendarIds": [scene.p.desk.org.calendar_id]}
    room = {"name": "room", "calendarIds": [scene.calendar], "offsetMinutes": -30, "durationMinutes": 120}
    await scene.p.desk.set_type(requirements=[doctor, room])
    booked = await scene.p.ask()
    await scene.p.mails()
    await scene.add()
    cleaning = ("2024-01-25T13:00:00Z", "2024-01-25T13:45:00Z")
    await scene.say(busy(cleaning))
    [clash] = await scene.happened("calendar.clash")
    assert (clash["calendar"]["id"], clash["appointment"]["id"]) == (scene.calendar, booked["id"])
    [mail] = await scene.p.mails()
    assert mail.part("text/plain").startswith("Blue room is busy elsewhere")
    assert (await scene.p.desk.book("2024-01-25T12:00:00Z")).status_code == 409, (
        "the room is taken from 11:30"
    )


async def test_one_reading_makes_one_mail_however_much_clashes(scene: SourceDesk) -> None:
    made = [await scene.p.book(start_time=f"2024-01-{day}T14:00:00Z") for day in range(22, 31)]
    made += [await scene.p.book(start_time=f"2024-02-0{day}T14:00:00Z") for day in range(1, 6)]
    await scene.p.mails()
    await scene.add()
    first, *_ = whole = [(f"2024-01-{day}T00:00:00Z", f"2024-01-{day}T14:30:00Z") for day in range(22, 31)]
    whole[1:2] = [
        ("2024-01-23T14:00:00Z", "2024-01-23T14:10:00Z"),
        ("2024-01-23T14:20:00Z", "2024-01-23T14:30:00Z"),
    ]
    await scene.say(busy(*whole, ("2024-02-01T00:00:00Z", "2024-02-06T00:00:00Z")))
    assert len(await scene.happened("calendar.clash")) == len(made) + 1
    [mail] = await scene.p.mails()
    text = mail.part("text/plain")
    assert f"Appointment: {made[0]['id']}\n" in text
    assert "It is also busy during other appointments, which stand, too (13):\n- Tuesday, January 23" in text
    assert text.count("\n- ") == 9 + 1
    assert "\n- …\n\nSee it on the pages for staff:\n" in text
    assert mail.part("text/html").count("<li>") == 10
    listed = (await scene.p.desk.staff.get("/v1/mails")).json()["mails"]
    assert [each["event"] for each in listed if each["event"].startswith("calendar")] == ["calendar.clashes"]
    told_of = (await scene.p.desk.staff.get("/v1/events", params={"limit": 200})).json()["events"]
    assert {each["type"] for each in told_of if each["type"].startswith("calendar")} == {"calendar.clash"}
    again = next(each["id"] for each in listed if each["event"] == "calendar.clashes")
    answered(await scene.p.desk.staff.post(f"/v1/mails/{again}/replay"), "mail")
    assert len(await scene.p.mails()) == 1
    await scene.say(busy(first))
    await scene.say(busy(*whole))
    await scene.p.desk.changed(made[1]["id"], status="cancelled", cancellation_reason="Ill")
    [mail] = [each for each in await scene.p.mails() if each.recipients == [DESK]]
    assert f"Appointment: {made[2]['id']}\n" in mail.part("text/plain"), "the first that stands"


async def test_a_mail_of_a_clash_from_before_lists_that_one(scene: SourceDesk) -> None:
    """Mails that wait when a server is updated were made of the event of one clash."""
    booked = await scene.p.ask()
    await scene.p.mails()
    await scene.add()
    await scene.say(busy(TWO))

    def as_before(tx: Tx) -> None:
        tx.execute(delete(events).where(events.c.type == "calendar.clash"))
        [row] = tx.execute(select(events).where(events.c.type == "calendar.clashes")).all()
        payload = {name: value for name, value in json.loads(row.payload).items() if name != "told"}
        tx.execute(update(events).where(events.c.id == row.id).values(payload=json.dumps(payload)))

    await scene.p.db.write(as_before)
    [mail] = await scene.p.mails()
    assert f"Appointment: {booked['id']}\n" in mail.part("text/plain")
    assert "also busy" not in mail.part("text/plain")


async def test_the_mail_of_a_clash_is_not_sent_if_the_appointment_moves_on(scene: SourceDesk) -> None:
    await scene.p.book()
    await scene.add()
    await scene.say(busy(TWO))
    await scene.p.change(start_time="2024-01-26T14:00:00Z")
    assert told(await scene.p.mails(), DESK) == []
    await scene.p.book(start_time="2024-01-27T14:00:00Z")
    await scene.say(busy(("2024-01-27T00:00:00Z", "2024-01-28T00:00:00Z")))
    await scene.say(busy())
    assert len(await scene.happened("calendar.clash")) == 2
    assert told(await scene.p.mails(), DESK) == [], "it has gone again"


async def test_what_was_held_before_it_came_clashes_once_it_is_booked(scene: SourceDesk) -> None:
    hold = await scene.p.desk.held(TWO[0], ttl_seconds=900)
    await scene.add()
    await scene.say(busy(TWO, state="1"))
    assert await scene.happened("calendar.clash") == []
    booked = await scene.p.book(hold_id=hold["id"])
    forced = await scene.p.book(check="none")
    for said in (Unchanged(), busy(TWO), Unchanged()):
        await scene.say(said)
    [clash] = await scene.happened("calendar.clash")
    assert clash["appointment"]["id"] == booked["id"] != forced["id"], "staff know what they force"


# When it fails.


async def test_a_source_that_fails_keeps_its_times_and_says_so(
    scene: SourceDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    await scene.add()
    await scene.say(busy(TWO))
    await scene.say(SourceTrouble("The server answers 404: check the address."))
    shown = await scene.shown()
    assert shown["failing_since"] == "2024-01-20T12:10:00Z"
    assert shown["last_success_at"] == "2024-01-20T12:05:00Z"
    assert (shown["error"], shown["events"]) == ("The server answers 404: check the address.", 1)
    assert await scene.busy() == [TWO]
    assert (await scene.p.desk.book(TWO[0])).status_code == 409
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [each for each in told if each["event"] == "a source can't be read"]
    assert line["cause"] == f"The server answers 404: check the address. {ADVICE}"
    assert line["source_id"] == scene.id
    assert "private-8c1f0e44" not in str(told)
    await scene.say(busy(TWO))
    shown = await scene.shown()
    assert (shown["failing_since"], shown["error"]) == (None, None)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [each["source_id"] for each in told if each["event"] == "a source can be read again"] == [scene.id]


async def test_it_is_asked_less_and_less_often_and_told_once_after_an_hour(scene: SourceDesk) -> None:
    await scene.add()
    scene.elsewhere.said = SourceTrouble("No.")
    waits, began = [], scene.p.clock.at
    for _ in range(8):
        assert await scene.turn() == 1
        due = datetime.fromisoformat((await scene.shown())["next_at"])
        waits.append((due - scene.p.clock.at) / timedelta(minutes=1))
        scene.p.clock.at = due - timedelta(seconds=1)
        assert await scene.turn() == 0
        scene.p.clock.at = due
    assert waits == [5, 10, 20, 40, 60, 60, 60, 60]
    [failing] = await scene.happened("source.failing", "source.recovered")
    assert failing["type"] == "source.failing"
    assert failing["source"]["failing_since"] == f"{began:%FT%TZ}"
    assert failing["source"]["error"] == "No."
    assert "url" in failing["source"]
    scene.elsewhere.said = busy()
    await scene.turn()
    types = [each["type"] for each in await scene.happened("source.failing", "source.recovered")]
    assert types == ["source.failing", "source.recovered"]
    await scene.say(SourceTrouble("No."))
    await scene.say(busy())
    types = [each["type"] for each in await scene.happened("source.failing", "source.recovered")]
    assert types == ["source.failing", "source.recovered"], "a short failure is no news"


async def test_a_server_that_asks_to_be_left_alone_is(scene: SourceDesk) -> None:
    await scene.add()
    scene.elsewhere.said = SourceTrouble("Too many requests.", retry_after=7_200)
    await scene.turn()
    assert (await scene.shown())["next_at"] == "2024-01-20T14:00:00Z"


async def test_a_defect_is_logged_and_changes_no_time(
    scene: SourceDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    await scene.add()
    await scene.say(busy(TWO))
    await scene.say(ZeroDivisionError("x"))
    assert (await scene.shown())["error"] == DEFECT
    assert await scene.busy() == [TWO]
    assert "ZeroDivisionError" in capsys.readouterr().err
    await scene.say(busy())
    assert await scene.busy() == []


async def test_what_can_not_be_stored_of_an_error_is_replaced(scene: SourceDesk) -> None:
    await scene.add()
    await scene.say(SourceTrouble("It says \x00\ud800."))
    assert (await scene.shown())["error"] == "It says \ufffd?."


async def test_what_fails_is_counted_for_the_operator(opening: Opening) -> None:
    async with opening(metrics=True) as p:
        desk = SourceDesk(p, Elsewhere(busy(TWO)))
        p.worker.scout = desk.elsewhere.scout(p.db, p.clock, metrics=p.desk.app.state.context.metrics)
        await desk.add()
        assert await desk.turn() == 1
        await desk.say(Unchanged())
        assert "kalends_sources_failing 0.0\n" in (await p.desk.client.get("/metrics")).text
        await desk.say(SourceTrouble("It is down."))
        text = (await p.desk.client.get("/metrics")).text
    assert "kalends_sources_failing 1.0\n" in text
    for result in ("read", "unchanged", "failed"):
        assert f'kalends_readings_total{{result="{result}"}} 1.0\n' in text


# Who reads it.


async def test_one_worker_reads_it_and_another_takes_over_if_that_dies(scene: SourceDesk) -> None:
    await scene.add()
    go, began = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        began.set()
        await go.wait()

    scene.elsewhere.before, scene.elsewhere.said = hang, busy(LUNCH)
    await scene.p.worker.read_sources()
    await began.wait()
    scene.elsewhere.before, scene.elsewhere.said = None, busy(TWO)
    other = scene.another()
    scene.p.clock.at += readings.LENGTH - timedelta(seconds=1)
    assert await scene.turn(other) == 0
    scene.p.clock.forward(seconds=1)
    assert await scene.turn(other) == 1
    assert await scene.busy() == [TWO]
    shown = await scene.shown()
    scene.elsewhere.said = busy(LUNCH)
    go.set()
    await scene.scout.finish()
    assert await scene.busy() == [TWO], "what comes too late undoes nothing"
    assert await scene.shown() == shown


async def test_a_worker_that_is_stopped_gives_it_back(scene: SourceDesk) -> None:
    await scene.add()
    scene.elsewhere.before = asyncio.Event().wait  # type: ignore[assignment]
    running = asyncio.create_task(scene.p.worker.run())
    async with asyncio.timeout(20):
        while not scene.elsewhere.asked:
            await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    scene.elsewhere.before = None
    assert await scene.turn(scene.another()) == 1, "another goes on at once"


async def test_what_is_deleted_while_it_is_read_stays_deleted(scene: SourceDesk) -> None:
    await scene.add()
    scene.elsewhere.before, scene.elsewhere.said = scene.delete, busy(TWO)
    assert await scene.turn() == 1
    assert await scene.busy() == []
    assert (await scene.p.desk.book(TWO[0])).status_code == 200
    await scene.add()
    scene.elsewhere.before, scene.elsewhere.said = scene.delete, SourceTrouble("No.")
    assert await scene.turn() == 1
    assert await scene.turn() == 0


async def test_a_deleted_source_takes_its_times_along_and_no_others(scene: SourceDesk) -> None:
    await scene.add()
    await scene.say(busy(TWO))
    first = scene.id
    await scene.add()
    scene.elsewhere.said = busy(LUNCH, TWO)
    assert await scene.turn() == 1
    await scene.delete()
    assert await scene.busy() == [TWO]
    scene.id = first
    await scene.delete()
    assert await scene.busy() == []
    assert (await scene.p.desk.book(TWO[0])).status_code == 200


async def test_the_sources_of_a_deleted_calendar_go_with_it(scene: SourceDesk) -> None:
    room = await scene.p.desk.room()
    path = f"/v1/calendar/calendars/{room}"
    made = answered(
        await scene.p.desk.staff.post(f"{path}/sources", json={"kind": "ics", "url": URL}), "source"
    )
    scene.elsewhere.said = busy(TWO)
    assert await scene.turn() == 1
    assert await scene.busy() == [TWO]
    assert (await scene.p.desk.staff.delete(path)).status_code == 200
    assert await scene.busy() == []
    [gone] = await scene.happened("source.deleted")
    assert (gone["id"], gone["deleted"], gone["source"]["id"]) == (made["id"], True, made["id"])
    scene.p.clock.forward(hours=1)
    assert await scene.turn() == 0


# When somebody asks for it.


async def test_refresh_makes_it_due_but_not_within_ten_seconds(scene: SourceDesk) -> None:
    await scene.add()
    assert (await scene.refresh())["next_at"] == "2024-01-20T12:00:00Z"
    await scene.turn()
    assert (await scene.refresh())["next_at"] == "2024-01-20T12:00:10Z"
    assert await scene.turn() == 0
    scene.p.clock.forward(seconds=10)
    assert await scene.turn() == 1
    scene.p.clock.forward(minutes=1)
    assert (await scene.refresh())["next_at"] == "2024-01-20T12:01:10Z"
    assert (await scene.refresh())["next_at"] == "2024-01-20T12:01:10Z"
    assert await scene.turn() == 1
    assert (await scene.shown())["next_at"] == "2024-01-20T12:06:10Z"


async def test_a_refresh_while_it_is_read_is_not_lost(scene: SourceDesk) -> None:
    await scene.add()

    async def refresh() -> None:
        assert (await scene.refresh())["next_at"] == "2024-01-20T12:00:10Z"

    scene.elsewhere.before = refresh
    assert await scene.turn() == 1
    scene.elsewhere.before = None
    assert (await scene.shown())["next_at"] == "2024-01-20T12:00:10Z"
    scene.p.clock.forward(seconds=10)
    assert await scene.turn() == 1
    assert datetime.fromisoformat((await scene.shown())["next_at"]) == scene.p.clock.at + EVERY


# Whatever happens at the same time.


async def test_no_booking_lands_on_busy_time_that_was_known_when_it_was_made(scene: SourceDesk) -> None:
    await scene.add()
    starts = [f"2024-02-{day:02}T{hour:02}:00:00Z" for day in range(1, 5) for hour in (9, 11, 13, 15)]
    scene.elsewhere.said = busy(*((start, start.replace(":00:00Z", ":30:00Z")) for start in starts))
    reading = asyncio.create_task(scene.turn())
    answers = await asyncio.gather(*(scene.p.desk.book(start) for start in starts[:8]))
    assert await reading == 1
    booked = {each.json()["appointment"]["id"] for each in answers if each.status_code == 200}
    clashes = await scene.happened("calendar.clash")
    assert {each["appointment"]["id"] for each in clashes} == booked, "each of them was there before"
    for start in starts:
        assert (await scene.p.desk.book(start)).status_code == 409


async def test_many_sources_are_read_at_once_and_none_twice(scene: SourceDesk) -> None:
    for _ in range(5):
        await scene.add()
    other = scene.another()
    await asyncio.gather(scene.p.worker.read_sources(), other.read_sources())
    assert other.scout is not None
    await asyncio.gather(scene.scout.finish(), other.scout.finish())
    assert len(scene.elsewhere.asked) == 5

    def leased(tx: Tx) -> set[str | None]:
        return set(tx.execute(select(sources.c.leased_by)).scalars())

    assert await scene.p.db.read(leased) == {None}


# Read as they are read in the end.

FILE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Somebody//Else//EN
BEGIN:VEVENT
UID:1@elsewhere
DTSTAMP:20240101T000000Z
DTSTART:20240125T140000Z
DTEND:20240125T150000Z
RRULE:FREQ=DAILY;COUNT=2
SUMMARY:Dentist
END:VEVENT
BEGIN:VEVENT
UID:{own}@kalends
DTSTAMP:20240101T000000Z
DTSTART:20240125T100000Z
DTEND:20240125T110000Z
END:VEVENT
END:VCALENDAR
"""


async def test_a_real_file_is_read_from_a_real_server(scene: SourceDesk) -> None:
    own = await scene.p.book(start_time="2024-01-25T10:00:00Z")
    served = FILE.format(own=own["id"]).replace("\n", "\r\n").encode()
    reader = Reader(allow_private=True)

    def answer(got: Got) -> bytes | int:
        if got.headers.get("if-none-match") == '"1"':
            return 304
        head = f'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: {len(served)}\r\n\r\n'
        return head.encode() + served

    async with Receiver(answer) as server:
        await scene.add(url=server.url("/private/basic.ics"))
        scene.p.worker.scout = Scout(scene.p.db, scene.p.clock, partial(read, reader), every=EVERY)
        for _ in range(2):
            await scene.p.read_sources()
            scene.p.clock.forward(minutes=6)
            assert await scene.busy() == [TWO, ("2024-01-26T14:00:00Z", "2024-01-26T15:00:00Z")]
            shown = await scene.shown()
            assert (shown["error"], shown["events"], shown["unreadable"]) == (None, 3, [])
        assert len(server.got) == 2
        await server.close()
        await scene.p.read_sources()
        shown = await scene.shown()
        assert shown["failing_since"] == "2024-01-20T12:12:00Z"
        assert "basic.ics" not in shown["error"]
        assert len(await scene.busy()) == 2
    await reader.close()
    assert await scene.happened("calendar.clash") == []

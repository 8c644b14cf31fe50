"""The pages on which staff see their days and weeks."""

import re
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI

from kalends.web import staff_days, staff_lists, visits
from tests.support.clock import StoppedClock
from tests.support.desk import THURSDAY, at, week
from tests.web.clients import alert_of, times_of, words_of
from tests.web.staff import DAY, Staff, buttons_in, fields_in, lines_of, links_in, reasons_in, staff_at

pytestmark = [pytest.mark.anyio, pytest.mark.both]

HOSTILE = '"><script>alert(1)</script>{{ 7*7 }}\u202e'


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


def hours_of(text: str) -> list[str]:
    """The hours beside the columns."""
    [hours] = re.findall(r'<ol class="hours.*?</ol>', text, re.DOTALL)
    return re.findall(r"<li[^>]*>(.*?)</li>", hours)


def block(day: str = THURSDAY, start: str = "10:00", end: str = "11:00", **more: str) -> dict[str, str]:
    """The form that blocks time, as it is filled in."""
    times = {"date": day, "from": start, "to_date": day, "to": end}
    again = {"repeat": "once", "weeks": "1", "until": ""}
    return {"calendar": "", "reason": "", **times, **again, **more}


async def test_the_first_page_leads_to_today(staff: Staff) -> None:
    answer = await staff.open("/staff")
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/day/2024-01-20")
    german = await staff.open("/staff", lang="de")
    assert german.headers["location"] == "/staff/day/2024-01-20?lang=de"


async def test_a_day_has_its_calendars_side_by_side(app: FastAPI, staff: Staff) -> None:
    desk = staff.desk
    room = await desk.room("Room 1")
    booked = await desk.booked()
    await desk.set_type(requiresConfirmation=True, bufferBeforeMinutes=30)
    await desk.post("appointments", start_time=at("10:00"))
    await desk.hold(at("12:00"))
    await desk.booked(at("18:30"), calendar_id=room)
    page = await staff.see()
    assert lines_of(page) == {
        "Doe & Daughters": [
            "10:00 – 11:00 Jane Doe Tax Consultation To be confirmed",
            "12:00 – 13:00 Kept for a client Tax Consultation",
            "14:00 – 15:00 Jane Doe Tax Consultation Confirmed",
            "17:00 – 20:00 Closed",
        ],
        "Room 1": ["17:00 – 20:00 Closed", "18:30 – 19:30 Jane Doe Tax Consultation Confirmed"],
    }
    assert "<h1>Thursday, 25 January 2024</h1>" in page.text
    assert "Time zone: Coordinated Universal Time (UTC)" in words_of(page)
    assert hours_of(page.text) == [f"{hour:02}:00" for hour in range(9, 20)]
    assert f"/staff/appointments/{booked['id']}" in links_in(page, "/staff/appointments/")
    assert page.headers["cache-control"] == "no-store"


async def test_where_things_lie(staff: Staff) -> None:
    await staff.desk.booked(at("14:00"))
    await staff.desk.booked(at("14:30"), check="none")
    await staff.desk.booked(at("10:05"))
    page = (await staff.see()).text
    found = re.findall(r'<li class="line appointment ([^"]*)"', page)
    assert found == [
        "at-1h at-5m for-1h for-0m lane-0 of-1",
        "at-5h at-0m for-1h for-0m lane-0 of-2",
        "at-5h at-30m for-1h for-0m lane-1 of-2",
    ]


async def test_what_is_kept_free_lies_around_it(staff: Staff) -> None:
    """It is drawn beneath everything else, for eyes only, also outside the opening hours."""
    await staff.desk.booked(at("14:00"))
    await staff.desk.set_type(bufferBeforeMinutes=20, bufferAfterMinutes=5, minNoticeHours=0)
    await staff.desk.booked(at("09:10"), check="none")
    await staff.desk.booked(at("15:30"))
    page = await staff.see()
    [lines] = re.findall(r'<ol class="lines-of-day">(.*?)</ol>', page.text, re.DOTALL)
    found = re.findall(r'<li class="buffer ([^"]*)" aria-hidden="true"></li>', lines)
    assert found == [
        "at-0h at-50m for-0h for-20m lane-0 of-1",
        "at-2h at-10m for-0h for-5m lane-0 of-1",
        "at-7h at-10m for-0h for-20m lane-0 of-1",
        "at-8h at-30m for-0h for-5m lane-0 of-1",
    ]
    assert lines.rindex("buffer") < lines.index('class="line')
    assert len(lines_of(page)["Doe & Daughters"]) == 4


async def test_what_lasts_over_midnight_is_on_both_days_and_says_so(staff: Staff) -> None:
    await staff.desk.set_type(durationMinutes=120)
    await staff.desk.booked(at("23:00"))
    [today] = lines_of(await staff.see()).values()
    assert today[-1] == "23:00 – Fri 26 Jan, 01:00 Jane Doe Tax Consultation Confirmed"
    [tomorrow] = lines_of(await staff.see("/staff/day/2024-01-26")).values()
    assert tomorrow == [
        "Thu 25 Jan, 23:00 – 01:00 Jane Doe Tax Consultation Confirmed",
        "00:00 – 09:00 Closed",
    ]


async def test_the_present_is_marked_today_only(staff: Staff, clock: StoppedClock) -> None:
    assert "now-line at-3h at-0m" in (await staff.see("/staff/day/2024-01-20")).text
    assert "now-line" not in (await staff.see()).text
    clock.at = datetime(2024, 1, 20, 8, 59, 59, tzinfo=UTC)
    assert "now-line" not in (await staff.see("/staff/day/2024-01-20")).text


async def test_calendars_are_chosen_by_the_address(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    other = await staff.desk.room("Room 2")
    page = await staff.see(DAY, calendar=f"{room},{other}")
    assert list(lines_of(page)) == ["Room 1", "Room 2"]
    assert len(re.findall(r'name="calendar"[^>]* checked>', page.text)) == 2
    many = await staff.browser.get(f"{DAY}?calendar={room}&calendar={other}&calendar={room}")
    assert list(lines_of(many)) == ["Room 1", "Room 2"]
    # Wherever one goes from there, the choice stays.
    assert all("calendar=" in each for each in links_in(page, "/staff/day/2024-01-2"))
    assert list(lines_of(await staff.see(DAY, calendar="cal_nothing,\x00"))) == [
        "Doe & Daughters",
        "Room 1",
        "Room 2",
    ]


async def test_a_calendar_out_of_service_says_so_and_is_not_booked(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    await staff.desk.booked(calendar_id=room)
    await staff.desk.set_calendar(room, is_active=False)
    page = await staff.see()
    assert "No longer in service" in words_of(page)
    assert len(links_in(page, "/staff/new?calendar=")) == 1
    assert list(lines_of(await staff.see("/staff/day/2024-01-26"))) == ["Doe & Daughters"]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2024-03-31", ["00:00", "01:00", "03:00", "04:00"]),
        ("2024-10-27", ["00:00", "01:00", "02:00 CEST", "02:00 CET", "03:00"]),
    ],
)
async def test_days_on_which_clocks_change(app: FastAPI, day: str, hours: list[str]) -> None:
    staff = await staff_at(app, timezone="Europe/Berlin")
    await staff.desk.open(*week("00:00-24:00"))
    await staff.desk.booked(f"{day}T00:30:00Z")
    page = await staff.see(f"/staff/day/{day}")
    assert hours_of(page.text)[: len(hours)] == hours
    assert len(hours_of(page.text)) == (23 if day == "2024-03-31" else 25)
    [lines] = lines_of(page).values()
    first, last = ("01:30", "03:30") if day == "2024-03-31" else ("02:30 CEST", "02:30 CET")
    assert lines == [f"{first} – {last} Jane Doe Tax Consultation Confirmed"]


async def test_a_date_that_the_clocks_leave_out_is_empty(app: FastAPI) -> None:
    staff = await staff_at(app, timezone="Pacific/Apia")
    page = await staff.see("/staff/day/2011-12-30")
    assert lines_of(page) == {"Doe & Daughters": []}
    left_out = "The clocks left this day out. Nothing can be on it."
    assert left_out in words_of(page)
    # The days beside it are each other's.
    assert "/staff/day/2011-12-31" in links_in(await staff.see("/staff/day/2011-12-29"), "/staff/day/")
    assert "/staff/day/2011-12-29" in links_in(await staff.see("/staff/day/2011-12-31"), "/staff/day/")
    assert words_of(await staff.see("/staff/week/2011-12-30")).count(left_out) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("day/2024-02-30", 404),
        ("day/today", 404),
        ("day/20240125", 404),
        ("day/2024-W04-4", 404),
        ("week/0", 404),
        ("day/9999-12-31", 400),
        ("week/9999-12-31", 200),
        ("day/9999-12-30", 200),
        ("week/9999-12-30", 200),
        ("day/0001-01-01", 200),
        ("week/0001-01-01", 200),
    ],
)
async def test_the_ends_of_the_calendar(staff: Staff, path: str, status: int) -> None:
    answer = await staff.open(f"/staff/{path}")
    assert answer.status_code == status, words_of(answer)


@pytest.mark.parametrize(
    ("zone", "language", "paths"),
    [
        ("Europe/Berlin", "en", ("day/0001-01-02", "week/0001-01-01")),
        ("America/New_York", "pt", ("day/9999-12-30", "week/9999-12-31")),
    ],
)
async def test_pages_at_the_ends_of_the_calendar_lead_nowhere_in_vain(
    app: FastAPI, zone: str, language: str, paths: tuple[str, str]
) -> None:
    staff = await staff_at(app, timezone=zone)
    for path in paths:
        page = await staff.see(f"/staff/{path}", lang=language)
        for link in {*links_in(page, "/staff/day/"), *links_in(page, "/staff/week/")}:
            assert (await staff.open(link)).status_code == 200, (path, link)


async def test_hostile_texts_are_only_texts(staff: Staff) -> None:
    room = await staff.desk.room(HOSTILE)
    await staff.desk.booked(client_name=HOSTILE, calendar_id=room)
    blocked = block(reason=HOSTILE, calendar=room)
    await staff.do("/staff/blocks", **blocked)
    for path in (DAY, f"/staff/week/{THURSDAY}"):
        page = await staff.see(path)
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
        assert "{{ 7*7 }}" in page.text


async def test_a_week_has_each_day_once(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    await staff.desk.booked()
    wish: dict[str, Any] = {"all": True, "start_time": at("10:00"), "end_time": at("11:00")}
    await staff.desk.staff.post("/v1/calendar/blocks", json=wish | {"reason": "Lunch"})
    page = await staff.see(f"/staff/week/{THURSDAY}")
    found = lines_of(page)
    assert list(found) == [
        *("Monday, 22 January 2024", "Tuesday, 23 January 2024", "Wednesday, 24 January 2024"),
        *("Thursday, 25 January 2024", "Friday, 26 January 2024", "Saturday, 27 January 2024"),
        "Sunday, 28 January 2024",
    ]
    assert found["Thursday, 25 January 2024"] == [
        "10:00 – 11:00 Blocked Lunch",
        "14:00 – 15:00 Jane Doe Tax Consultation · Doe & Daughters Confirmed",
    ]
    assert found["Friday, 26 January 2024"] == []
    only = lines_of(await staff.see(f"/staff/week/{THURSDAY}", calendar=room))
    assert only["Thursday, 25 January 2024"] == ["10:00 – 11:00 Blocked Lunch"]


async def test_a_week_begins_as_its_reader_is_used_to(app: FastAPI, staff: Staff) -> None:
    american = {"Accept-Language": "en-US"}
    page = await staff.browser.get(f"/staff/week/{THURSDAY}", headers=american)
    assert next(iter(lines_of(page))) == "Sunday, January 21, 2024"


async def test_time_is_blocked_and_given_back(staff: Staff) -> None:
    calendar = staff.desk.org.calendar_id
    page = await staff.see()
    shown = fields_in(page, "block")
    assert shown.pop("key")
    assert shown == block(start="12:00", end="13:00")
    assert await staff.do("/staff/blocks", **block(calendar=calendar, reason="Lunch")) == DAY
    [lines] = lines_of(await staff.see()).values()
    assert lines == ["10:00 – 11:00 Blocked Lunch"]
    [path] = set(links_in(await staff.see(), "/staff/blocks/"))
    seen = words_of(await staff.see(path))
    assert "Thursday, 25 January 2024, 10:00 – 11:00" in seen
    assert "Calendar Doe & Daughters Reason Lunch" in seen
    assert await staff.do(f"{path}/remove", **fields_in(await staff.see(path), "remove")) == DAY
    assert list(lines_of(await staff.see()).values()) == [[]]
    assert (await staff.open(path)).status_code == 404
    assert await staff.do(f"{path}/remove", day=THURSDAY) == DAY  # sent again
    assert (await staff.send(f"{path}/remove", day="9")).status_code == 404


async def test_a_form_blocks_once_however_often_it_is_sent(staff: Staff) -> None:
    typed = fields_in(await staff.see(), "block")
    for _ in range(2):
        await staff.do("/staff/blocks", **typed)
    assert list(lines_of(await staff.see()).values()) == [["12:00 – 13:00 Blocked"]]
    other = await staff.send("/staff/blocks", **typed | {"to": "14:00"})
    assert other.status_code == 422
    assert alert_of(other).startswith("With this form, you have blocked time already.")
    await staff.do("/staff/blocks", **fields_in(other, "block"))
    assert len(next(iter(lines_of(await staff.see()).values()))) == 2


async def test_a_block_over_appointments_names_them_and_can_be_forced(staff: Staff) -> None:
    booked = await staff.desk.booked()
    typed = block(start="14:30", end="16:00", reason="Ill", key="k")
    answer = await staff.send("/staff/blocks", **typed)
    assert (answer.status_code, alert_of(answer)) == (409, "There are appointments in this time:")
    assert reasons_in(answer) == ["Thu 25 Jan, 14:00"]
    assert f"/staff/appointments/{booked['id']}" in links_in(answer, "/staff/appointments/")
    assert fields_in(answer, "block") == typed
    assert "Block it all the same" in buttons_in(answer)
    assert "Blocked" not in str(lines_of(await staff.see()))
    await staff.do("/staff/blocks", **typed, force="1")
    assert "14:30 – 16:00 Blocked Ill" in str(lines_of(await staff.see()))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"date": ""}, "From – Please enter a date."),
        ({"from": ""}, "From (time) – Please enter a time, such as 14:30."),
        ({"from": "10:00Z"}, "From (time) – Please enter a time, such as 14:30."),
        ({"to": "25:00"}, "Until (time) – Please enter a time, such as 14:30."),
        ({"to": "09:00"}, "Until (time) – It has to end after it begins."),
        ({"to_date": "2026-01-26"}, "Until – A block is two years long at most."),
        (
            {"to_date": "9999-12-31"},
            "Until – This day is at the end of the calendar. Please choose another one.",
        ),
        ({"reason": "x" * 20_000}, "Reason (optional) – This is too long. Please shorten it."),
    ],
)
async def test_what_is_wrong_with_a_block_is_said_and_kept(
    staff: Staff, wrong: dict[str, str], said: str
) -> None:
    typed = block(key="k") | wrong
    answer = await staff.send("/staff/blocks", **typed)
    assert (answer.status_code, alert_of(answer)) == (400, "Please check what you entered.")
    assert reasons_in(answer) == [said]
    assert fields_in(answer, "block") == typed


async def test_which_time_is_meant_that_clocks_skip_or_show_twice_is_asked(app: FastAPI) -> None:
    staff = await staff_at(app, timezone="Europe/Berlin")
    skipped = await staff.send("/staff/blocks", **block("2024-03-31", "02:30", "04:00"))
    assert skipped.status_code == 400
    assert alert_of(skipped) == "From (time) – On that day, clocks skip this time."
    assert [shown for _, shown in times_of(skipped)] == [
        "Sun 31 Mar, 01:30",
        "Sun 31 Mar, 03:30",
    ]
    twice = await staff.send("/staff/blocks", **block("2024-10-27", "02:10", "02:40"))
    assert alert_of(twice) == "From (time) – On that day, clocks show this time twice."
    [(first, _), _] = times_of(twice)
    again = await staff.send("/staff/blocks", **fields_in(twice, "block"), from_instead=first)
    assert alert_of(again) == "Until (time) – On that day, clocks show this time twice."
    assert times_of(again)[1] == ("2024-10-27T01:40:00Z", "Sun 27 Oct, 02:40 CET")
    await staff.do("/staff/blocks", **fields_in(again, "block"), to_instead="2024-10-27T01:40:00Z")
    [made] = (await staff.desk.staff.get("/v1/calendar/blocks")).json()["blocks"]
    assert (made["start_time"], made["end_time"]) == ("2024-10-27T00:10:00Z", "2024-10-27T01:40:00Z")


async def test_a_form_that_does_not_say_whose_time_blocks_nothing(staff: Staff) -> None:
    typed = {name: text for name, text in block().items() if name != "calendar"}
    assert (await staff.send("/staff/blocks", **typed)).status_code == 400
    assert "Blocked" not in str(lines_of(await staff.see()))


async def test_a_block_that_comes_again_says_how_often(staff: Staff) -> None:
    rule = {"count": 3}
    wish = {"all": True, "start_time": at("10:00"), "end_time": at("11:00"), "rule": rule}
    made = (await staff.desk.staff.post("/v1/calendar/blocks", json=wish)).json()["block"]
    page = await staff.see(f"/staff/blocks/{made['id']}")
    assert "It comes 3 times, the last time on Thursday, 8 February 2024." in words_of(page)
    assert "Made by The API key Reception" in words_of(page)
    assert buttons_in(page) == ["Give only this day back"]


@pytest.mark.parametrize("path", [DAY, DAY.replace("day", "week"), "/staff/list.csv?from=2024-01-25"])
async def test_long_pages_are_made_beside_the_event_loop(
    staff: Staff, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Others are served meanwhile: what is said of an appointment, and the page, come from threads."""
    await staff.desk.booked()
    threads: list[tuple[str, int]] = []

    def noted(place: object, name: str) -> None:
        work = getattr(place, name)

        def noting(*args: Any, **kw: Any) -> Any:
            threads.append((name, threading.get_ident()))
            return work(*args, **kw)

        monkeypatch.setattr(place, name, noting)

    noted(staff_days.DayView, "_line")
    noted(visits, "render")
    noted(staff_lists, "attached")
    await staff.see(path)
    assert threads
    assert threading.get_ident() not in {thread for _, thread in threads}


@pytest.mark.parametrize(
    ("first", "last", "asked"),
    [
        ("2024-01-18", "2024-01-19", "2024-01-19"),
        ("2025-02-01", "2025-02-02", "2025-02-01"),
        ("2024-01-19", "2024-01-21", None),  # who is ill since yesterday
    ],
)
async def test_a_block_that_may_be_a_slip_is_asked_about_once(
    staff: Staff, first: str, last: str, asked: str | None
) -> None:
    typed = block(calendar="") | {"date": first, "to_date": last, "key": "k"}
    if asked is not None:
        answer = await staff.send("/staff/blocks", **typed)
        assert answer.status_code == 409
        assert f'name="sure" value="{asked}"' in answer.text
        assert fields_in(answer, "block") == typed
        typed["sure"] = asked
        wrong = await staff.send("/staff/blocks", **typed | {"to": "x"})
        assert fields_in(wrong, "block")["sure"] == asked
    await staff.do("/staff/blocks", **typed)

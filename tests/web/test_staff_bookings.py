"""The page on which staff book for a client."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.clock import StoppedClock
from tests.support.desk import at
from tests.web.clients import QUESTIONS, alert_of, times_of, words_of
from tests.web.staff import Staff, buttons_in, entered, fields_in, free_in, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

NEW = "/staff/new"
GONE = "It was deleted meanwhile. Please choose again."


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def stored(staff: Staff) -> list[dict[str, Any]]:
    found = await staff.desk.staff.get("/v1/calendar/appointments")
    listed: list[dict[str, Any]] = found.json()["appointments"]
    return listed


async def filled(staff: Staff, **typed: str) -> dict[str, str]:
    """The form for the type, as it is filled in for ten o'clock."""
    page = await staff.see(NEW, type=staff.desk.org.type_id, start=at("10:00"))
    return fields_in(page, "booking") | {"name": "Jane Doe"} | typed


async def test_booked_by_phone(staff: Staff) -> None:
    await staff.desk.add_type()  # so that there are two
    first = await staff.see(NEW)
    assert fields_in(first, "booking")["type"] == ""
    assert "Free:" not in words_of(first)
    page = await staff.see(NEW, type=staff.desk.org.type_id, date="2024-01-25", calendar="")
    assert len(free_in(page)) == 8
    page = await staff.see(NEW, type=staff.desk.org.type_id, start=at("11:00"))
    typed = fields_in(page, "booking")
    assert (typed["date"], typed["time"], typed["start"]) == ("2024-01-25", "11:00", at("11:00"))
    assert (typed["calendar"], typed["language"]) == ("", "en")
    contact = {"name": "Jane Doe", "email": "jane@example.com", "phone": "+49 30 1"}
    notes = {"notes": "By train", "internal_notes": "VIP", "language": "de"}
    location = await staff.do(NEW, **typed | contact | notes)
    [booked] = await stored(staff)
    assert location == f"/staff/appointments/{booked['id']}"
    assert (booked["start_time"], booked["status"], booked["source"]) == (at("11:00"), "confirmed", "manual")
    assert (booked["client_name"], booked["client_email"]) == ("Jane Doe", "jane@example.com")
    assert (booked["client_phone"], booked["client_language"]) == ("+49 30 1", "de")
    assert (booked["client_notes"], booked["internal_notes"]) == ("By train", "VIP")


async def test_whatever_shows_free_times_keeps_what_was_typed_and_books_nothing(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    await staff.desk.set_type(calendarIds=[staff.desk.org.calendar_id, room])
    typed = await filled(staff, phone="+49 30 1", notes="By train", internal_notes="VIP", language="de")
    typed |= {"calendar": room, "time": "10:10"}
    for pressed in ({"show": "1"}, {"chosen": at("11:00", "2024-01-26")}):
        typed |= {"date": "2024-01-26"}
        answer = await staff.send(NEW, **typed, **pressed)
        assert answer.status_code == 200
        if "chosen" in pressed:
            typed |= {"time": "11:00", "start": at("11:00", "2024-01-26")}
            [chosen] = re.findall(r'<button[^>]*aria-pressed="true"[^>]*>([^<]*)<', answer.text)
            assert chosen == "11:00"
        assert fields_in(answer, "booking") == typed
        assert "Free: Friday, 26 January 2024 Room 1" in words_of(answer)
        assert free_in(answer)[0] == at("09:00", "2024-01-26")
    assert await stored(staff) == []
    # A day that nobody can read becomes the one whose times are shown.
    answer = await staff.send(NEW, **typed | {"date": ""}, show="1")
    assert fields_in(answer, "booking")["date"] == "2024-01-20"
    await staff.do(NEW, **typed)
    [booked] = await stored(staff)
    assert (booked["client_name"], booked["calendar_id"]) == ("Jane Doe", room)
    assert booked["start_time"] == at("11:00", "2024-01-26")


async def test_answers_are_kept_while_another_type_is_chosen(staff: Staff) -> None:
    desk = staff.desk
    await desk.set_type(bookingQuestions=QUESTIONS)
    same, other = {**QUESTIONS[0], "id": "x"}, {**QUESTIONS[1], "id": QUESTIONS[0]["id"]}
    review = (await desk.add_type(name="Other", bookingQuestions=[other, same]))["id"]
    typed = await filled(staff, **{f"q.{each['id']}": "1" for each in QUESTIONS}, type=review)
    answer = await staff.send(NEW, **typed, show="1")
    there = fields_in(answer, "booking")
    # What reads the same is the same, whatever its id; and an id alone says nothing.
    assert there["q.x"] == "1"
    answer = await staff.send(NEW, **there | {"type": desk.org.type_id, "q.x": "2"}, show="1")
    back = fields_in(answer, "booking")
    assert (back["q.t"], back["q.n"], back["q.c"]) == ("2", "1", "1")


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2024-01-19", "Friday, 19 January 2024 is in the past."),
        ("0224-01-25", "is in the past."),
        ("2025-01-25", "Saturday, 25 January 2025 is more than a year ahead."),
    ],
)
async def test_a_day_that_may_be_a_slip_is_asked_about_once(staff: Staff, day: str, said: str) -> None:
    typed = await filled(staff, date=day, notes="Kept")
    answer = await staff.send(NEW, **typed)
    assert answer.status_code == 409
    assert alert_of(answer).endswith(said)
    assert fields_in(answer, "booking") == typed
    assert f'name="sure" value="{day}"' in answer.text
    assert await stored(staff) == []
    # Whoever is sure of one day is not sure of another.
    assert (await staff.send(NEW, **typed | {"date": "2024-01-18"}, sure=day)).status_code == 409
    # Once said, it is not asked again, though something else is wrong.
    answer = await staff.send(NEW, **typed | {"name": ""}, sure=day)
    assert fields_in(answer, "booking")["sure"] == day
    await staff.do(NEW, **typed, sure=day)
    assert len(await stored(staff)) == 1


async def test_what_was_today_is_not_asked_about(staff: Staff, clock: StoppedClock) -> None:
    clock.at = datetime(2024, 1, 25, 15, tzinfo=UTC)
    await staff.do(NEW, **await filled(staff, time="09:00"))
    await staff.do(NEW, **await filled(staff, date="2025-01-25"))


async def test_enter_shows_free_times_whatever_stands_above_the_form(staff: Staff) -> None:
    await staff.desk.booked(at("10:00"))
    typed = await filled(staff)
    for page in (await staff.see(NEW), await staff.send(NEW, **typed)):
        first = re.findall(r'<button type="submit"[^>]*>', page.text.partition("<main")[2])[0]
        assert 'name="show"' in first


async def test_if_there_is_but_one_type_it_is_chosen(staff: Staff) -> None:
    assert fields_in(await staff.see(NEW), "booking")["type"] == staff.desk.org.type_id


async def test_a_time_may_be_typed_that_clients_can_not_have(staff: Staff) -> None:
    await staff.do(NEW, **await filled(staff, time="20:05"))
    [booked] = await stored(staff)
    assert booked["start_time"] == at("20:05")


async def test_a_length_is_its_own_if_one_is_given(staff: Staff) -> None:
    await staff.desk.add_type()
    typed = fields_in(await staff.see(NEW, start=at("10:00"), minutes="75"), "booking")
    typed |= {"type": staff.desk.org.type_id, "name": "Jane Doe"}
    # Free times can be shown for it first.
    typed = fields_in(await staff.send(NEW, **typed | {"show": "1"}), "booking")
    assert typed["minutes"] == "75"
    for wrong in ("0", "soon", "1.5", "٣٠", "99999"):
        answer = await staff.send(NEW, **typed | {"minutes": wrong})
        assert (answer.status_code, fields_in(answer, "booking")["minutes"]) == (400, wrong)
        [(field, _, said)] = [each.partition(" – ") for each in reasons_in(answer)]
        assert field == "Length in minutes"
        is_whole = wrong.isdecimal() and wrong.isascii()
        assert (said == "Please enter a whole number, such as 30.") is not is_whole
    await staff.do(NEW, **typed)
    [booked] = await stored(staff)
    assert booked["end_time"] == at("11:15")
    await staff.do(NEW, **typed | {"time": "12:00", "minutes": " ", "key": "another"})
    assert {each["end_time"] for each in await stored(staff)} == {at("11:15"), at("13:00")}


async def test_free_times_are_those_of_the_length(staff: Staff) -> None:
    await staff.desk.booked(at("12:00"))
    typed = fields_in(await staff.see(NEW, type=staff.desk.org.type_id, date="2024-01-25"), "booking")
    usual = free_in(await staff.send(NEW, **typed | {"show": "1"}))
    longer = free_in(await staff.send(NEW, **typed | {"minutes": "90", "show": "1"}))
    assert [each for each in usual if each not in longer] == [at("11:00"), at("16:00")]
    assert free_in(await staff.send(NEW, **typed | {"minutes": "soon", "show": "1"})) == []


async def test_a_calendar_is_kept_from_the_day_on(staff: Staff) -> None:
    room = await staff.desk.room("Room 1")
    [link] = [each for each in links_in(await staff.see(), NEW) if room in each]
    typed = fields_in(await staff.see(link), "booking")
    assert (typed["calendar"], typed["date"]) == (room, "2024-01-25")
    await staff.do(NEW, **typed | {"time": "10:00", "name": "Jane Doe"})
    [booked] = await stored(staff)
    assert booked["calendar_id"] == room


async def test_a_type_that_is_gone_meanwhile_is_chosen_again(staff: Staff) -> None:
    await staff.desk.add_type()
    typed = await filled(staff, email="jane@example.com", internal_notes="VIP")
    await staff.desk.set_type(isActive=False)
    answer = await staff.send(NEW, **typed)
    assert (answer.status_code, reasons_in(answer)) == (404, [f"What – {GONE}"])
    again = fields_in(answer, "booking")
    assert again == {name: text for name, text in typed.items() if name != "asked"} | {"type": ""}
    review = (await staff.desk.add_type(name="Other"))["id"]
    await staff.do(NEW, **again | {"type": review})
    [booked] = await stored(staff)
    assert (booked["appointment_type"]["id"], booked["internal_notes"]) == (review, "VIP")


async def test_calendars_that_do_not_serve_stand_apart(staff: Staff) -> None:
    desk = staff.desk
    red, cellar = await desk.room("Red"), await desk.room("Cellar")
    needs = [("adviser", desk.org.calendar_id), ("room", red)]
    await desk.set_type(requirements=[{"name": name, "calendarIds": [id_]} for name, id_ in needs])
    booked = await desk.booked()
    page = await staff.see(NEW)
    assert apart(page.text) == [[("Cellar", cellar)]]
    moving = await staff.see(f"/staff/appointments/{booked['id']}/move")
    assert apart(moving.text) == [[("Cellar", cellar), ("Red", red)]]  # of the adviser's


def apart(page: str) -> list[list[tuple[str, str]]]:
    """The groups of calendars that don't serve the type."""
    found = re.findall(r'<optgroup label="They don&#39;t serve this type">(.*?)</optgroup>', page, re.DOTALL)
    options = [re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)<', each) for each in found]
    return [sorted((name, id_) for id_, name in each) for each in options]


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
async def test_what_no_page_can_show_is_not_booked(app: FastAPI, day: str) -> None:
    staff = await staff_at(app, timezone="Europe/Berlin")
    booked = await staff.desk.booked()
    answers = [
        await staff.send(NEW, **await filled(staff, date=day, time="23:59")),
        await staff.send(f"/staff/appointments/{booked['id']}/move", version="1", date=day, time="23:59"),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert "This day is at the end of the calendar. Please choose another one." in words_of(answer)
    assert len(await stored(staff)) == 1


async def test_answers_are_asked_for_and_may_be_left_out(staff: Staff) -> None:
    await staff.desk.set_type(bookingQuestions=QUESTIONS)
    typed = await filled(staff)
    await staff.do(NEW, **typed | {"q.t": "12 345", "q.s": "Cheese", "q.c": "1", "q.n": "2,5"})
    await staff.do(NEW, **await filled(staff, time="12:00"))
    with_answers, without = await stored(staff)
    assert {each["id"]: each["answer"] for each in with_answers["answers"]} == {
        "t": "12 345",
        "s": "Cheese",
        "c": True,
        "n": 2.5,
    }
    assert [each for each in without["answers"] if each["answer"]] == []


async def test_a_form_books_once_however_often_it_is_sent(staff: Staff) -> None:
    typed = await filled(staff)
    answers = await asyncio.gather(*(staff.send(NEW, **typed) for _ in range(5)))
    assert {each.status_code for each in answers} == {303}
    assert len({each.headers["location"] for each in answers}) == 1
    assert len(await stored(staff)) == 1
    # With other words it is another booking, for which one has to press once more.
    answer = await staff.send(NEW, **typed | {"name": "John Doe", "time": "12:00"})
    assert answer.status_code == 422
    assert alert_of(answer).startswith("With this form, you have booked already.")
    assert len(await stored(staff)) == 1
    again = fields_in(answer, "booking")
    assert (again["name"], again["time"]) == ("John Doe", "12:00")
    await staff.do(NEW, **again)
    assert len(await stored(staff)) == 2


async def test_a_refusal_says_everything_and_offers_other_times(staff: Staff) -> None:
    other = await staff.desk.booked(at("10:00"))
    typed = await filled(staff, time="10:30", notes="Kept", name="John")
    answer = await staff.send(NEW, **typed)
    assert (answer.status_code, alert_of(answer)) == (409, "This time can't be booked.")
    assert reasons_in(answer) == ["Doe & Daughters is taken: Thu 25 Jan, 10:00 – 11:00."]
    assert f"/staff/appointments/{other['id']}" in links_in(answer, "/staff/appointments/")
    assert fields_in(answer, "booking") == typed
    offered = times_of(answer)
    assert offered[0] == (at("11:00"), "Thu 25 Jan, 11:00")
    await staff.do(NEW, **typed, instead=at("11:00"))
    assert [(each["client_name"], each["start_time"]) for each in await stored(staff)] == [
        ("Jane Doe", at("10:00")),
        ("John", at("11:00")),
    ]


async def test_only_admins_may_book_all_the_same(app: FastAPI, staff: Staff) -> None:
    await staff.desk.booked(at("10:00"))
    typed = await filled(staff)
    writer = await entered(app, staff.desk, "write")
    assert "Book all the same" not in buttons_in(await writer.send(NEW, **typed))
    assert (await writer.send(NEW, **typed, force="1")).status_code == 403
    assert "Book all the same" in buttons_in(await staff.send(NEW, **typed))
    await staff.do(NEW, **typed, force="1")
    assert [each["overlap_allowed"] for each in await stored(staff)].count(True) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "Name – Please fill this in."),
        ({"email": "jane@"}, "E-mail – This is no complete e-mail address. It looks like name@example.org."),
        ({"phone": "x"}, "Phone – This is no phone number. It has 3 to 20 digits, such as +1 234 567 890."),
        ({"q.n": "many"}, "Guests – Please enter a number, such as 3 or 2.5."),
        ({"date": ""}, "Day – Please enter a date."),
        ({"time": ""}, "Time – Please enter a time, such as 14:30."),
    ],
)
async def test_what_is_wrong_is_said_and_kept(staff: Staff, wrong: dict[str, str], said: str) -> None:
    await staff.desk.set_type(bookingQuestions=QUESTIONS)
    typed = await filled(staff, notes="Kept", **wrong)
    answer = await staff.send(NEW, **typed)
    assert (answer.status_code, alert_of(answer)) == (400, "Please check what you entered.")
    assert reasons_in(answer) == [said]
    assert fields_in(answer, "booking") == typed
    assert await stored(staff) == []


async def test_everything_that_is_wrong_is_said_at_once(staff: Staff) -> None:
    await staff.desk.set_type(bookingQuestions=QUESTIONS)
    answer = await staff.send(NEW, **await filled(staff, name="", email="x", **{"q.n": "many"}))
    assert [each.partition(" – ")[0] for each in reasons_in(answer)] == ["Name", "E-mail", "Guests"]


async def test_times_that_clocks_show_twice_are_asked_for_unless_they_were_chosen(
    app: FastAPI, clock: StoppedClock
) -> None:
    clock.at = datetime(2024, 10, 20, tzinfo=UTC)
    staff = await staff_at(app, timezone="Europe/Berlin")
    first, second = "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"
    page = await staff.see(NEW, start=second)
    typed = fields_in(page, "booking") | {"name": "Jane Doe"}
    assert (typed["date"], typed["time"]) == ("2024-10-27", "02:30")
    answer = await staff.send(NEW, **typed | {"start": ""})
    assert (answer.status_code, alert_of(answer)) == (400, "On that day, clocks show this time twice.")
    assert [sent for sent, _ in times_of(answer)] == [first, second]
    await staff.desk.open({"day_of_week": 0, "start_time": "00:00", "end_time": "06:00"})
    await staff.desk.set_type(slotIntervalMinutes=30)
    for chosen in (first, second):
        again = await staff.send(NEW, **typed, chosen=chosen)
        assert f'value="{chosen}" formaction="/staff/new#chosen" formnovalidate id="chosen"' in again.text
    await staff.do(NEW, **fields_in(again, "booking"))
    assert [each["start_time"] for each in await stored(staff)] == [second]


async def test_what_is_no_longer_there_is_said(staff: Staff) -> None:
    assert (await staff.send(NEW, type="type_nothing")).status_code == 404
    typed = await filled(staff, calendar="cal_nothing")
    answer = await staff.send(NEW, **typed)
    assert (answer.status_code, reasons_in(answer)) == (404, [f"Calendar – {GONE}"])
    assert 'id="calendar-problem"' in answer.text
    await staff.desk.set_type(isActive=False)
    assert "There is no type of appointments in service." in words_of(await staff.see(NEW))


@pytest.mark.parametrize("start", ["noon", "2024-13-01T10:00", "\x00"])
async def test_an_address_that_says_no_time_is_refused(staff: Staff, start: str) -> None:
    assert (await staff.open(NEW, start=start)).status_code == 400

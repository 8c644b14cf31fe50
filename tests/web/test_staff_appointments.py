"""The page of an appointment before its organization's staff."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.clock import StoppedClock
from tests.support.desk import at
from tests.web.clients import QUESTIONS, alert_of, main_of, words_of
from tests.web.staff import ME, Staff, buttons_in, entered, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

HOSTILE = '"><script>alert(1)</script>{{ 7*7 }}{who}'


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


def path_of(appointment: dict[str, Any]) -> str:
    return f"/staff/appointments/{appointment['id']}"


def facts_of(page: str) -> dict[str, str]:
    """What is known of an appointment, by its labels."""
    found = re.findall(r"<dt[^>]*>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", page, re.DOTALL)
    return {label: " ".join(re.sub(r"<[^>]*>", " ", value).split()) for label, value in found}


def told_in(page: str) -> list[str]:
    """The sentences of the history, the latest first."""
    [history] = re.findall(r'<ol class="told">.*?</ol>', page, re.DOTALL)
    return re.findall(r'<p class="lines"[^>]*>(.*?)</p>', history, re.DOTALL)


async def test_everything_that_is_known(staff: Staff) -> None:
    desk = staff.desk
    room = await desk.room("Room 1")
    await desk.set_type(
        bookingQuestions=QUESTIONS,
        requirements=[
            {"name": "adviser", "calendarIds": [desk.org.calendar_id]},
            {"name": "room", "calendarIds": [room]},
        ],
    )
    answers = {"t": "12 345", "c": True, "n": 3}
    booked = await desk.booked(
        answers=answers, client_notes="By train.\nLate?", client_language="de-AT", internal_notes="VIP"
    )
    page = await staff.see(path_of(booked))
    assert facts_of(page.text) == {
        "adviser": "Doe &amp; Daughters",
        "room": "Room 1",
        "Phone": "+1234567890",
        "E-mail": "jane@example.com",
        "Language": "Deutsch",
        "Tax number": "12 345",
        "Agreed": "Yes",
        "Guests": "3",
        "Notes of the client": "By train. Late?",
    }
    assert "<h1><bdi>Jane Doe</bdi></h1>" in page.text
    assert "Thursday, 25 January 2024, 14:00 – 15:00 Time zone: Coordinated" in words_of(page)
    assert links_in(page, "tel:") == ["tel:%2B1234567890"] or links_in(page, "tel:") == ["tel:+1234567890"]
    assert links_in(page, "mailto:") == ["mailto:jane@example.com"]
    assert "\nVIP</textarea>" in page.text
    assert "/staff/day/2024-01-25" in links_in(page, "/staff/day/")


async def test_hostile_texts_are_only_texts(staff: Staff) -> None:
    booked = await staff.desk.booked(
        client_name=HOSTILE, client_notes=HOSTILE, client_email="o'x&y@example.com", internal_notes=HOSTILE
    )
    await staff.do(f"{path_of(booked)}/cancel", version="1", reason=HOSTILE)
    page = await staff.see(path_of(booked))
    assert "<script>alert" not in page.text
    assert f"cancelled it: {HOSTILE}" in words_of(page)


async def test_what_becomes_of_it_follows_its_life(staff: Staff, clock: StoppedClock) -> None:
    desk = staff.desk
    await desk.set_type(requiresConfirmation=True)
    asked = (await desk.booked_by_client())["appointment"]
    path = path_of(asked)
    page = await staff.see(path)
    assert buttons_in(page) == ["Confirm", "Save"]
    assert facts_of(page.text)["To be confirmed by"] == "Thu 25 Jan, 14:00"
    assert await staff.do(f"{path}/status", version="1", status="confirmed") == path
    assert (await desk.get(asked))["status"] == "confirmed"
    assert buttons_in(await staff.see(path)) == ["Save"]  # until it begins
    clock.forward(days=6)
    assert buttons_in(await staff.see(path)) == ["Mark as completed", "Mark as not attended", "Save"]
    await staff.do(f"{path}/status", version="2", status="completed")
    assert buttons_in(await staff.see(path)) == ["Mark as not attended", "Save"]
    assert f"{path}/cancel" not in links_in(await staff.see(path), path)
    await staff.do(f"{path}/status", version="3", status="no_show")
    assert (await desk.get(asked))["status"] == "no_show"
    assert buttons_in(await staff.see(path)) == ["Mark as completed", "Save"]


async def test_what_is_pressed_twice_is_done_once(staff: Staff) -> None:
    booked = await staff.desk.booked()
    for _ in range(2):
        await staff.do(f"{path_of(booked)}/status", version="1", status="completed")
    assert (await staff.desk.get(booked))["version"] == 2


@pytest.mark.parametrize("status", ["pending", "nothing", "", "completed,cancelled"])
async def test_no_other_status_can_be_sent(staff: Staff, status: str) -> None:
    booked = await staff.desk.booked()
    answer = await staff.send(f"{path_of(booked)}/status", version="1", status=status)
    assert answer.status_code in (400, 409)
    assert (await staff.desk.get(booked))["version"] == 1


async def test_what_somebody_else_has_changed_is_shown_first(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = path_of(booked)
    await staff.desk.changed(booked, start_time=at("10:00"))
    stale = "The API key Reception changed it meanwhile. This is how it stands now; nothing else was changed."
    for below, fields in (
        ("/status", {"status": "completed"}),
        ("/notes", {"notes": "Mine"}),
        ("/cancel", {"reason": "Mine"}),
    ):
        answer = await staff.send(f"{path}{below}", version="1", **fields)
        assert (answer.status_code, alert_of(answer)) == (409, stale)
        assert "Thursday, 25 January 2024, 10:00 – 11:00" in words_of(answer)
        assert 'name="version" value="2"' in answer.text
        assert (below == "/status") or "\nMine</textarea>" in answer.text
    seen = await staff.desk.get(booked)
    assert (seen["version"], seen["status"], seen["internal_notes"]) == (2, "confirmed", None)
    # With what is shown now, it is accepted.
    await staff.do(f"{path}/notes", version="2", notes="Mine")
    assert (await staff.desk.get(booked))["internal_notes"] == "Mine"


async def test_notes_are_kept_and_taken_away(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = path_of(booked)
    assert await staff.do(f"{path}/notes", version="1", notes="First\r\nSecond") == f"{path}?saved=1"
    page = await staff.see(path, saved="1")
    assert '<p role="status">Saved</p>' in page.text
    assert "First\nSecond</textarea>" in page.text
    await staff.do(f"{path}/notes", version="2", notes="")
    assert (await staff.desk.get(booked))["internal_notes"] is None
    answer = await staff.send(f"{path}/notes", version="3", notes="x" * 20_000)
    assert (answer.status_code, reasons_in(answer)) == (400, ["This is too long. Please shorten it."])
    assert "x" * 20_000 in answer.text


async def test_it_is_cancelled_in_two_steps_and_the_cancellation_is_taken_back(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = path_of(booked)
    page = await staff.see(f"{path}/cancel")
    assert "<h1>Cancel this appointment?</h1>" in page.text
    assert (await staff.desk.get(booked))["status"] == "confirmed"
    assert await staff.do(f"{path}/cancel", version="1", reason="Ana is ill.") == path
    seen = await staff.desk.get(booked)
    assert (seen["status"], seen["cancellation_reason"]) == ("cancelled", "Ana is ill.")
    await staff.do(f"{path}/cancel", version="1", reason="Ana is ill.")  # sent again
    page = await staff.see(path)
    assert facts_of(page.text)["Reason"] == "Ana is ill."
    assert buttons_in(page) == ["Undo", "Take the cancellation back", "Save"]
    assert "This appointment is cancelled already." in words_of(await staff.see(f"{path}/cancel"))
    await staff.do(f"{path}/status", version="2", status="confirmed")
    assert (await staff.desk.get(booked))["status"] == "confirmed"


async def test_a_cancellation_is_undone_for_ten_seconds(staff: Staff, clock: StoppedClock) -> None:
    await staff.desk.set_type(requiresConfirmation=True)
    asked = (await staff.desk.booked_by_client())["appointment"]
    path = path_of(asked)
    assert "Undo" not in buttons_in(await staff.see(path))
    await staff.do(f"{path}/cancel", version="1", reason="")
    clock.forward(seconds=9)
    page = await staff.see(path)
    assert buttons_in(page) == ["Undo", "Take the cancellation back", "Save"]
    assert 'data-seconds="1"' in page.text
    assert await staff.do(f"{path}/undo", version="2") == path
    assert (await staff.desk.get(asked))["status"] == "pending"
    assert told_in((await staff.see(path)).text)[0] == f"{ME} took the cancellation back."
    # Sent again, it changes nothing; and nothing is undone that was not shown.
    assert await staff.do(f"{path}/undo", version="2") == path
    await staff.do(f"{path}/cancel", version="3", reason="")
    answer = await staff.send(f"{path}/undo", version="2")
    assert (answer.status_code, "changed it meanwhile" in alert_of(answer)) == (409, True)
    for wrong in ("", "99", "soon"):
        assert (await staff.send(f"{path}/undo", version=wrong)).status_code == 400
    clock.forward(seconds=11)
    assert "Undo" not in buttons_in(await staff.see(path))
    answer = await staff.send(f"{path}/undo", version="4")
    late = "It is too late to undo this. You can still take the cancellation back."
    assert (answer.status_code, alert_of(answer)) == (409, late)
    assert buttons_in(answer) == ["", "Take the cancellation back", "Save"]
    assert (await staff.desk.get(asked))["version"] == 4


async def test_what_was_taken_meanwhile_is_not_undone(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = path_of(booked)
    await staff.do(f"{path}/cancel", version="1", reason="")
    await staff.desk.booked()
    answer = await staff.send(f"{path}/undo", version="2")
    assert (answer.status_code, alert_of(answer)) == (409, "This time can't be booked.")
    assert reasons_in(answer) == ["Doe & Daughters is taken: Thu 25 Jan, 14:00 – 15:00."]
    assert "Undo" not in buttons_in(answer)
    # One of the next free times can be had instead.
    again = re.findall(r'form="deed-confirmed" name="instead" value="([^"]*)"', answer.text)[0]
    await staff.do(f"{path}/status", version="2", status="confirmed", instead=again)
    seen = await staff.desk.get(booked)
    assert (seen["status"], seen["start_time"]) == ("confirmed", again)


async def test_what_is_cancelled_or_over_says_so_and_what_can_be_done(staff: Staff) -> None:
    gone, done = await staff.desk.booked(), await staff.desk.booked(at("10:00"))
    await staff.do(f"{path_of(gone)}/cancel", version="1", reason="Ana is ill.")
    await staff.do(f"{path_of(done)}/status", version="1", status="completed")
    for version in ("1", "2"):
        answer = await staff.send(f"{path_of(gone)}/cancel", version=version, reason="Another")
        assert (answer.status_code, alert_of(answer)) == (409, "This appointment is cancelled already.")
        assert buttons_in(answer) == ["Take the cancellation back"]
    assert (await staff.desk.get(gone))["cancellation_reason"] == "Ana is ill."
    for below in ("cancel", "move"):
        page = await staff.see(f"{path_of(done)}/{below}")
        assert "As it stands, that is not possible with this appointment." in words_of(page)
        assert buttons_in(page) == ["Mark as not attended"]


@pytest.mark.parametrize(
    ("below", "fields"),
    [
        ("status", {"status": "completed"}),
        ("notes", {"notes": "Mine"}),
        ("cancel", {"reason": ""}),
        ("move", {"date": "2024-01-25", "time": "10:00"}),
    ],
)
async def test_a_form_says_for_which_version_it_was_made_and_has_its_fields(
    staff: Staff, below: str, fields: dict[str, str]
) -> None:
    booked = await staff.desk.booked(internal_notes="VIP")
    path = f"{path_of(booked)}/{below}"
    sent: list[dict[str, str]] = [{"version": "1"}, fields]
    sent += [fields | {"version": each} for each in ("", "abc", "-1", "99", "9" * 30)]
    for each in sent:
        answer = await staff.send(path, **each)
        assert answer.status_code == 400, each
        assert "meanwhile" not in words_of(answer)
    assert await staff.desk.get(booked) == booked
    await staff.do(path, **fields, version="1")


async def test_a_reason_is_no_longer_than_it_may_be(staff: Staff) -> None:
    booked = await staff.desk.booked()
    page = await staff.see(f"{path_of(booked)}/cancel")
    assert re.findall(r'<textarea[^>]* name="reason"[^>]* maxlength="(\d+)"', page.text) == ["10000"]
    answer = await staff.send(f"{path_of(booked)}/cancel", version="1", reason="x" * 10_001)
    assert (answer.status_code, (await staff.desk.get(booked))["version"]) == (400, 1)


async def test_a_cancellation_can_not_be_taken_back_over_another(staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = path_of(booked)
    await staff.do(f"{path}/cancel", version="1", reason="")
    other = await staff.desk.booked()
    sent = {"version": "2", "status": "confirmed"}
    answer = await staff.send(f"{path}/status", **sent)
    assert (answer.status_code, alert_of(answer)) == (409, "This time can't be booked.")
    assert reasons_in(answer) == ["Doe & Daughters is taken: Thu 25 Jan, 14:00 – 15:00."]
    assert path_of(other) in links_in(answer, "/staff/appointments/")
    assert "Do it all the same" in buttons_in(answer)
    await staff.do(f"{path}/status", **sent, force="1")
    assert (await staff.desk.get(booked))["overlap_allowed"]
    assert "It was booked over something else on purpose." in words_of(await staff.see(path))


async def test_a_request_whose_time_has_begun_can_not_be_confirmed(staff: Staff, clock: StoppedClock) -> None:
    await staff.desk.set_type(requiresConfirmation=True)
    asked = (await staff.desk.booked_by_client())["appointment"]
    clock.forward(days=6)
    page = await staff.see(path_of(asked))
    assert facts_of(page.text)["Reason"] == "Not confirmed in time"
    assert "It was not confirmed in time, so it was cancelled." in words_of(page)
    answer = await staff.send(f"{path_of(asked)}/status", version="2", status="confirmed")
    assert answer.status_code == 409
    assert alert_of(answer) == "As it stands, that is not possible with this appointment."


async def test_the_history_says_who_did_what(staff: Staff) -> None:
    desk = staff.desk
    room = await desk.room("Room 1")
    asked = (await desk.booked_by_client())["appointment"]
    await desk.changed(asked, start_time=at("10:00"), calendar_id=room)
    await desk.changed(asked, duration_minutes=30)
    await desk.changed(asked, client_name="Jane Roe", client_phone="+49 30 1", internal_notes="VIP")
    review = await desk.add_type(calendarIds=[room])
    await desk.changed(asked, appointment_type_id=review["id"])
    await desk.changed(asked, status="cancelled")
    await desk.changed(asked, status="confirmed")
    page = await staff.see(path_of(asked))
    me = "The API key Reception"
    assert told_in(page.text) == [
        f"{me} took the cancellation back.",
        f"{me} cancelled it.",
        f"{me} made it Review instead of Tax Consultation.",
        f"{me} changed: Name, Phone, Internal notes.",
        f"{me} changed its length.",
        f"{me} moved it from Thursday, 25 January 2024, 14:00 to Thursday, 25 January 2024, 10:00.",
        f"{me} gave it to Room 1 instead of Doe &amp; Daughters.",
        "The client booked it.",
    ]


async def test_people_are_called_by_their_names(app: FastAPI, staff: Staff) -> None:
    booked = await staff.desk.booked()
    path = path_of(booked)
    await staff.do(f"{path}/status", version="1", status="completed")
    other = await entered(app, staff.desk, "write")
    answer = await other.send(f"{path}/notes", version="1", notes="Mine")
    assert alert_of(answer).startswith(f"{ME} changed it meanwhile.")
    assert told_in((await other.see(path)).text)[0] == f"{ME} marked it as completed."


async def test_pages_that_forms_are_sent_to_lead_back(staff: Staff) -> None:
    booked = await staff.desk.booked()
    for below in ("status", "notes"):
        answer = await staff.open(f"{path_of(booked)}/{below}", lang="de")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path_of(booked)}?lang=de")


async def test_who_may_only_read_sees_no_buttons(app: FastAPI, staff: Staff) -> None:
    booked = await staff.desk.booked(internal_notes="VIP")
    reader = await entered(app, staff.desk, "read")
    page = await reader.see(path_of(booked))
    assert buttons_in(page) == []
    assert "Internal notes VIP" in words_of(page)
    assert "Block time" not in words_of(await reader.see("/staff/day/2024-01-25"))
    for form in (f"{path_of(booked)}/move", f"{path_of(booked)}/cancel", "/staff/new", "/staff/start/type"):
        answer = await reader.open(form)
        assert answer.status_code == 403, form
        assert "<h1>You may not do this</h1>" in answer.text
        assert "<form" not in main_of(answer)

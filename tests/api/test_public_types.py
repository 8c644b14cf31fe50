"""Which types clients may book, whom they may choose, and how they must be reached."""

from typing import Any

import pytest

from tests.support.answers import answered, refused
from tests.support.databases import on_sqlite
from tests.support.desk import START, THURSDAY, Desk, at

pytestmark = pytest.mark.anyio

DAY = {"from": THURSDAY, "to": THURSDAY}


async def people(page: Desk) -> tuple[str, str, str]:
    """Ana and Ben, who are public, and Carl, who is not; clients may choose."""
    ana, ben, carl = [await page.room(name) for name in ("Ana", "Ben", "Carl")]
    for each in (ana, ben):
        await page.set_calendar(each, is_public=True)
    await page.set_type(calendarIds=[ana, ben, carl], clientsChoose=True)
    return ana, ben, carl


async def test_a_client_books_with_whom_they_choose(page: Desk) -> None:
    ana, ben, _ = await people(page)
    for start in (at("10:00"), at("11:00"), at("12:00")):
        await page.booked(start, calendar_id=ana)
    free = {"ana": await page.ask("slots", calendar_id=ana, **DAY)}
    free["ben"] = await page.ask("slots", calendar_id=ben, **DAY)
    starts = {name: [each["start_time"] for each in found["slots"]] for name, found in free.items()}
    assert set(starts["ben"]) - set(starts["ana"]) == {at("10:00"), at("11:00"), at("12:00")}
    days = await page.ask("days", calendar_id=ana, **DAY)
    assert days["days"][0]["free"] == len(starts["ana"])
    explained = await page.ask("slots/explain", calendar_id=ana, start_time=at("10:00"))
    assert (explained["bookable"], explained["next_available"][0]) == (False, at("13:00"))

    taken = {"appointment_type_id": page.org.type_id, "start_time": at("10:00")}
    refusal = refused(await page.post("holds", **taken, calendar_id=ana), 409, "slot_taken")
    assert refusal["details"]["next_available"][0] == at("13:00")
    hold = answered(await page.post("holds", **taken, calendar_id=ben), "hold")
    redeemed = {"start_time": at("10:00"), "hold_id": hold["id"]}
    refused(await page.post("appointments", **redeemed, calendar_id=ana), 409, "hold_mismatch")
    with_ben = await page.booked_by_client(**redeemed, calendar_id=ben)
    assert (await page.get(with_ben["appointment"]["id"]))["calendar_id"] == ben
    with_ana = await page.booked_by_client(start_time=at("13:00"), calendar_id=ana)
    assert (await page.get(with_ana["appointment"]["id"]))["calendar_id"] == ana


async def test_who_chose_a_person_stays_with_them(page: Desk) -> None:
    ana, ben, _ = await people(page)
    booked = await page.booked_by_client(start_time=at("14:00"), calendar_id=ana)
    link = page.link(booked)
    await page.booked(at("10:00"), calendar_id=ana)
    refused(await link.reschedule(at("10:00")), 409, "slot_taken")
    found = (await link.ask("slots", **DAY)).json()["slots"]
    assert at("10:00") not in [each["start_time"] for each in found]
    answered(await link.reschedule(at("11:00")), "appointment")
    assert (await page.get(booked["appointment"]["id"]))["calendar_id"] == ana
    # Ana does not do this any longer.
    await page.set_type(calendarIds=[ben])
    answered(await link.reschedule(at("12:00")), "appointment")
    assert (await page.get(booked["appointment"]["id"]))["calendar_id"] == ben


async def test_nobody_else_can_be_chosen(page: Desk) -> None:
    ana, _, carl = await people(page)
    apart = await page.room("Apart")
    await page.set_calendar(apart, is_public=True)
    for wrong in (carl, apart, "cal_none"):
        await refused_everywhere(page, wrong, 404, "not_found")
    await page.set_type(clientsChoose=False)
    for wrong in (ana, "cal_none"):
        await refused_everywhere(page, wrong, 400, "invalid_request")
    assert await page.listed() == []


async def refused_everywhere(page: Desk, calendar: str, status: int, code: str) -> None:
    asked = {"appointment_type_id": page.org.type_id, "calendar_id": calendar}
    for path, query in (("slots", DAY), ("days", DAY), ("slots/explain", {"start_time": START})):
        refused(await page.client.get(f"{page.path}/{path}", params=asked | query), status, code)
    refused(await page.post("holds", **asked, start_time=START), status, code)
    refused(await page.post("appointments", calendar_id=calendar), status, code)


async def test_what_only_staff_book_is_not_there_for_clients(page: Desk) -> None:
    await page.set_type(visibility="staff")
    asked = {"appointment_type_id": page.org.type_id}
    for path, query in (("slots", DAY), ("days", DAY), ("slots/explain", {"start_time": START})):
        refused(await page.client.get(f"{page.path}/{path}", params=asked | query), 404, "not_found")
    refused(await page.post("holds", **asked, start_time=START), 404, "not_found")
    refused(await page.post("appointments"), 404, "not_found")
    assert (await page.client.get(page.path)).json()["appointment_types"] == []
    question = {"id": "hidden", "type": "text", "label": "Hidden?", "required": True}
    await page.set_type(bookingQuestions=[question], contact="both")
    wrong = refused(await page.post("appointments", client_email="no address"), 400, "invalid_request")
    assert [each["field"] for each in wrong["details"]["fields"]] == ["client_email"]
    await page.set_type(bookingQuestions=[], contact="either")
    await page.booked()
    await page.set_type(visibility="link")
    assert (await page.client.get(page.path)).json()["appointment_types"] == []
    await page.booked_by_client(start_time=at("16:00"))


EMAIL, PHONE = {"client_email": "jane@example.com"}, {"client_phone": "+1 234 567"}
NO_EMAIL, NO_PHONE = {"client_email": None}, {"client_phone": None}


@pytest.mark.parametrize(
    ("contact", "given", "missing"),
    [
        ("email", EMAIL | NO_PHONE, []),
        ("email", NO_EMAIL | PHONE, ["client_email"]),
        ("phone", NO_EMAIL | PHONE, []),
        ("phone", EMAIL | NO_PHONE, ["client_phone"]),
        ("both", EMAIL | PHONE, []),
        ("both", EMAIL | NO_PHONE, ["client_phone"]),
        ("both", NO_EMAIL | PHONE, ["client_email"]),
        ("either", NO_EMAIL | PHONE, []),
        ("either", EMAIL | NO_PHONE, []),
    ],
)
@on_sqlite
async def test_a_type_says_how_clients_must_be_reached(
    page: Desk, contact: str, given: dict[str, Any], missing: list[str]
) -> None:
    await page.set_type(contact=contact)
    response = await page.post("appointments", **given)
    if not missing:
        assert response.status_code == 200, response.text
        return
    fields = refused(response, 400, "invalid_request")["details"]["fields"]
    assert [each["field"] for each in fields] == missing
    assert await page.listed() == []

"""The pages on which staff set calendars, closed days and the organization."""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.desk import BASE, THURSDAY
from tests.support.pictures import png
from tests.web.browsers import OURS
from tests.web.clients import alert_of, words_of
from tests.web.setup_forms import SETUP_FORMS
from tests.web.staff import Staff, buttons_in, entered, fields_in, links_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

SETTINGS = "/staff/settings"
CALENDARS, CLOSURES = f"{SETTINGS}/calendars", f"{SETTINGS}/closures"
ORGANIZATION = f"{SETTINGS}/organization"


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def stored(staff: Staff, path: str, thing: str) -> Any:
    return (await staff.desk.staff.get(path)).json()[thing]


async def remove(staff: Staff, page: httpx.Response) -> None:
    """Follow the first link of a page that deletes something, which only asks, and say yes."""
    path = next(each for each in links_in(page, SETTINGS) if "/remove" in each)
    assert buttons_in(await staff.see(path)) == ["Delete"]
    await staff.do(path)


async def test_a_calendar_is_added_once_changed_and_deleted(app: FastAPI, staff: Staff) -> None:
    assert (await staff.send(CALENDARS, name=" ", key="k")).status_code == 400
    [path] = {await staff.do(CALENDARS, name="Room 1", key="k2") for _ in range(2)}
    path = path.partition("?")[0]
    own = f"{BASE}/calendars/{path.split('/')[-1]}"
    await staff.desk.staff.patch(own, json={"color": "#123456"})
    typed = fields_in(await staff.see(path), "calendar")
    assert (typed["name"], typed["is_active"]) == ("Room 1", "1")
    await staff.do(path, **typed | {"public_name": "The green room", "is_public": "1", "about": "Quiet"})
    calendar = await stored(staff, own, "calendar")
    assert (calendar["public_name"], calendar["is_public"]) == ("The green room", True)
    assert (calendar["color"], calendar["is_active"]) == ("#123456", True)
    answer = await staff.send(path, **typed)
    assert (answer.status_code, fields_in(answer, "calendar")["public_name"]) == (409, "")
    answer = await staff.send(path, **fields_in(answer, "calendar") | {"schedule_id": "sched_nothing"})
    assert answer.status_code == 404
    # What stands in the way of deleting it is told.
    await staff.desk.set_type(calendarIds=[calendar["id"]])
    answer = await staff.send(f"{path}/remove")
    assert (answer.status_code, alert_of(answer)[:19]) == (409, "It can't be deleted")
    types = f"{SETTINGS}/types/{staff.desk.org.type_id}"
    assert types in links_in(answer, types)
    assert f"/staff/list?calendar={calendar['id']}" in links_in(answer, "/staff/list?")
    await staff.desk.set_type(calendarIds=[staff.desk.org.calendar_id])
    writer = await entered(app, staff.desk, "write")
    assert (await writer.send(f"{path}/remove")).status_code == 403
    await remove(staff, await staff.see(path))
    assert path not in links_in(await staff.see(CALENDARS), CALENDARS)
    default = f"{CALENDARS}/{staff.desk.org.calendar_id}"
    assert "Delete" not in buttons_in(await staff.see(default))
    assert (await staff.send(f"{default}/remove")).status_code == 409


async def test_days_are_closed_and_opened_again(staff: Staff) -> None:
    form = fields_in(await staff.see(CLOSURES), "closure")
    answer = await staff.send(CLOSURES, **form | {"first": "2024-02-30", "from-0-0": "9", "do": "add"})
    assert [each.partition(" – ")[0] for each in reasons_in(answer)] == [
        *("First day", "Last day", "From", "Until")
    ]
    answer = await staff.send(CLOSURES, **form | {"first": "2024-02-03", "last": "2024-02-01"})
    assert (answer.status_code, alert_of(answer)) == (400, "The last day comes before the first one.")
    for _ in range(2):  # once for each form
        days = {"first": "2024-02-01", "last": "2024-02-03", "reason": "Holiday"}
        assert await staff.do(CLOSURES, **form | days) == f"{CLOSURES}?saved=1"
    hours = {"first": "2024-02-05", "from-0-0": "10:00", "to-0-0": "12:00"}
    await staff.do(CLOSURES, **form | hours | {"key": "other"})
    first, second = await stored(staff, f"{BASE}/overrides", "overrides")
    assert (first["start_date"], first["end_date"], first["windows"]) == ("2024-02-01", "2024-02-03", [])
    assert second["windows"] == [{"start_time": "10:00:00", "end_time": "12:00:00"}]
    page = words_of(await staff.see(CLOSURES))
    assert "Thu 1 Feb – Sat 3 Feb: Closed Holiday" in page
    assert "Mon 5 Feb: 10:00 – 12:00" in page
    await remove(staff, await staff.see(CLOSURES))
    assert await stored(staff, f"{BASE}/overrides", "overrides") == [second]
    assert (await staff.send(f"{CLOSURES}/{first['id']}/remove")).status_code == 404
    await staff.do(CLOSURES, **form | {"first": "0001-01-01", "last": "9999-12-31", "key": "third"})
    assert "Closed" in words_of(await staff.see(CLOSURES))


async def test_days_that_are_in_several_entries_say_which_one_counts(staff: Staff) -> None:
    form = fields_in(await staff.see(CLOSURES), "closure") | {"do": "add"}
    days = {"first": "2024-02-01", "last": "2024-02-05", "reason": "Holiday"}
    await staff.do(CLOSURES, **form | days | {"key": "1"})
    await staff.do(CLOSURES, **form | {"first": "2024-02-05", "key": "2"})
    hours = {"first": "2024-02-05", "from-0-0": "10:00", "to-0-0": "12:00", "reason": "Fair"}
    await staff.do(CLOSURES, **form | hours | {"key": "3"})
    page = words_of(await staff.see(CLOSURES))
    counts = "On these days, another entry counts: Mon 5 Feb (10:00 – 12:00, Fair)."
    assert f"Mon 5 Feb: Closed Holiday It is in another entry, too: Mon 5 Feb. {counts}" in page
    assert f"Mon 5 Feb: Closed {counts} Delete Mon 5 Feb: 10:00 – 12:00 Fair Delete" in page
    # As is said, so it is.
    assert (await staff.desk.starts("2024-02-05", "2024-02-05"))[0] == "2024-02-05T10:00:00Z"


async def test_a_day_with_appointments_is_closed_only_once_staff_have_seen_them(staff: Staff) -> None:
    booked = await staff.desk.booked()
    form = fields_in(await staff.see(CLOSURES), "closure") | {"first": THURSDAY, "do": "add"}
    morning = {"from-0-0": "08:00", "to-0-0": "12:00"}
    answer = await staff.send(CLOSURES, **form | morning)  # it is in the afternoon
    assert (answer.status_code, alert_of(answer)) == (
        409,
        "Nothing is saved yet: nobody would be there for an appointment.",
    )
    assert reasons_in(answer) == ["Thu 25 Jan, 14:00, Jane Doe"]
    assert f"/staff/appointments/{booked['id']}" in links_in(answer, "/staff/appointments/")
    assert f"/staff/list?from={THURSDAY}&to={THURSDAY}" in links_in(answer, "/staff/list?from")
    # The Enter key presses the first button of the form, which asks again.
    assert re.findall(r'form="closure" name="do" value="([^"]*)"', answer.text) == ["add", "add-sure"]
    assert await stored(staff, f"{BASE}/overrides", "overrides") == []
    # Closed on another day, or open when it takes place, nothing is asked; nor about what was closed before.
    await staff.do(CLOSURES, **form | {"from-0-0": "12:00", "to-0-0": "18:00"})
    await staff.do(CLOSURES, **form | {"first": "2024-01-26", "key": "k2"})
    await staff.do(CLOSURES, **form | {"do": "add-sure", "key": "k3"})
    await staff.do(CLOSURES, **form | {"key": "k4"})
    # On days on which it was open longer, deleting them asks, too.
    found = await stored(staff, f"{BASE}/overrides", "overrides")
    for each in found:
        await staff.desk.staff.delete(f"{BASE}/overrides/{each['id']}")
    await staff.do(CLOSURES, **form | {"from-0-0": "12:00", "to-0-0": "18:00", "key": "k5"})
    await staff.desk.open()
    [only] = await stored(staff, f"{BASE}/overrides", "overrides")
    path = f"{CLOSURES}/{only['id']}/remove"
    answer = await staff.send(path)
    assert (answer.status_code, reasons_in(answer)) == (409, ["Thu 25 Jan, 14:00, Jane Doe"])
    await staff.do(path, do="remove-sure")


async def test_a_calendar_and_a_type_with_appointments_are_asked_about(staff: Staff) -> None:
    await staff.desk.booked()
    calendar = f"{CALENDARS}/{staff.desk.org.calendar_id}"
    typed = fields_in(await staff.see(calendar), "calendar")
    typed.pop("is_active")
    answer = await staff.send(calendar, **typed)
    assert (answer.status_code, len(reasons_in(answer))) == (409, 1)
    # Hours that it has to follow, and another zone, are the same to clients.
    schedule = await staff.desk.make("schedules", "schedule", name="Never", windows=[])
    answer = await staff.send(calendar, **typed | {"is_active": "1", "schedule_id": schedule["id"]})
    assert answer.status_code == 409
    organization = fields_in(await staff.see(ORGANIZATION), "organization") | {"zone": "Asia/Tokyo"}
    answer = await staff.send(ORGANIZATION, **organization)
    assert (answer.status_code, 'value="save-sure"' in answer.text) == (409, True)
    await staff.do(calendar, **typed | {"do": "save-sure"})
    await staff.do(ORGANIZATION, **organization)  # nobody is there by now, whatever the zone


async def test_public_holidays_are_closed(staff: Staff) -> None:
    sent = {"country": "DE", "subdivision": "Bavaria", "year": "2024", "do": "holidays"}
    answer = await staff.send(CLOSURES, **sent | {"subdivision": "Atlantis"})
    assert answer.status_code == 400
    said = "This region is not known. Known are: Augsburg, Baden-Württemberg, Bayern,"
    assert reasons_in(answer)[0].startswith(said)
    for year in ("9999", "soon", "1971"):
        answer = await staff.send(CLOSURES, **sent | {"year": year})
        assert (answer.status_code, fields_in(answer, "holidays")["year"]) == (400, year)
    await staff.do(CLOSURES, **sent | {"subdivision": "by"})
    found = await stored(staff, f"{BASE}/overrides", "overrides")
    assert {each["holiday"] for each in found} == {"DE-BY"}
    schedule = await staff.desk.make("schedules", "schedule", name="Evenings")
    await staff.do(f"{CLOSURES}?schedule={schedule['id']}", **sent | {"subdivision": ""})
    own = f"{BASE}/schedules/{schedule['id']}/overrides"
    assert {each["holiday"] for each in await stored(staff, own, "overrides")} == {"DE"}
    assert (await staff.open(f"{CLOSURES}?schedule=nothing")).status_code == 404


async def test_the_organization_is_changed(app: FastAPI, staff: Staff) -> None:
    await staff.desk.staff.put("/v1/organization/logo", content=png(10, 10))
    before = await stored(staff, "/v1/organization", "organization")
    typed = fields_in(await staff.see(ORGANIZATION), "organization")
    await staff.do(ORGANIZATION, **typed)
    assert await stored(staff, "/v1/organization", "organization") | {"updated_at": 0} == (
        before | {"updated_at": 0}
    )
    new = {"name": "Praxis Müller", "zone": "Berlin", "language": "de", "week_start": "0", "color": "#0b7a5e"}
    new |= {"embed_origins": "https://a.example\n\nhttps://b.example", "public_bookings_per_hour": ""}
    bad = {"color": "red", "embed_origins": "a b", "client_notice_hours": "", "zone": "Atlantis"}
    typed = fields_in(await staff.see(ORGANIZATION), "organization")
    answer = await staff.send(ORGANIZATION, **typed | new | bad | {"terms_url": "x", "phone": "?"})
    assert [each.partition(" – ")[0] for each in reasons_in(answer)] == [
        *("Time zone", "Phone", "Link to the terms", "Colour"),
        "Hours before the start until which clients can cancel or move",
        "Sites that may show the booking page",
    ]
    assert fields_in(answer, "organization")["name"] == "Praxis Müller"
    await staff.do(ORGANIZATION, **typed | new)
    found = await stored(staff, "/v1/organization", "organization")
    assert (found["name"], found["timezone"], found["week_start"]) == ("Praxis Müller", "Europe/Berlin", 0)
    assert found["embed_origins"] == ["https://a.example", "https://b.example"]
    assert found["public_bookings_per_hour"] is None
    assert (await staff.send(ORGANIZATION, **typed)).status_code == 409  # changed since
    typed = fields_in(await staff.see(ORGANIZATION), "organization")
    answer = await staff.send(ORGANIZATION, **typed | {"slug": "staff"})
    reserved = "This name is reserved for the server's own pages. Please choose another."
    assert (answer.status_code, reasons_in(answer)) == (409, [f"Name in the address – {reserved}"])
    said = "Address of your own page for clients' links – What tells appointments apart needs a place in it"
    answer = await staff.send(ORGANIZATION, **typed | {"manage_url_template": "https://a.example/b"})
    assert reasons_in(answer)[0].startswith(said)
    answer = await staff.send(ORGANIZATION, **typed | {"name": "  ", "client_notice_hours": "-1"})
    assert [each.partition(" – ")[2] for each in reasons_in(answer)] == [
        "Please fill this in.",
        "The least that is possible is 0.",
    ]
    assert (await staff.send(ORGANIZATION, **typed | {"clients_confirm_by_mail": "1"})).status_code == 400
    page = await staff.see(ORGANIZATION)
    assert f'data-kalends="{before["slug"]}"' in page.text.replace("&#34;", '"')
    assert 'type="file"' not in page.text  # whoever chose one would lose what they typed
    page = await staff.see(f"{ORGANIZATION}/logo")
    assert f"{ORGANIZATION}/logo" in links_in(await staff.see(ORGANIZATION), ORGANIZATION)
    await remove(staff, page)
    assert (await stored(staff, "/v1/organization", "organization"))["logo"] is None
    writer = await entered(app, staff.desk, "write")
    assert 'type="file"' not in (await writer.see(f"{ORGANIZATION}/logo")).text
    assert "Save" not in buttons_in(await writer.see(ORGANIZATION))
    assert (await writer.send(ORGANIZATION, **typed)).status_code == 403


async def test_the_logo_is_sent_by_a_form_replaced_and_removed(app: FastAPI, staff: Staff) -> None:
    async def sent(content: bytes, kind: str = "image/png", **more: Any) -> httpx.Response:
        files = {"logo": ("logo.png", content, kind)} | more
        return await staff.browser.post(f"{ORGANIZATION}/logo", files=files, headers=OURS)

    page = await staff.see(f"{ORGANIZATION}/logo")
    assert 'enctype="multipart/form-data"' in page.text
    assert f"{ORGANIZATION}/logo/remove" not in links_in(page, ORGANIZATION)
    too_large = "Logo – This file is too large: a logo has at most 200 KB."
    no_picture = "Logo – This is no PNG, JPEG or WebP picture of at most 4096 × 4096 pixels."
    cut_off = "Logo – The file is not complete. Please save or fetch the picture once more."
    for content, status, said in (
        (png(100, 100)[:60], 415, cut_off),
        (b"", 400, "Logo – Please choose a file."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, no_picture),
        (png(5000, 10), 415, no_picture),
        (png(10, 10) + bytes(200 * 1024), 413, too_large),
        (png(10, 10) + bytes(8 * 1024 * 1024), 413, too_large),
    ):
        answer = await sent(content)
        assert (answer.status_code, reasons_in(answer)) == (status, [said])
    bad = {"Content-Type": "multipart/form-data; boundary=x", **OURS}
    answer = await staff.browser.post(f"{ORGANIZATION}/logo", content=b"--x\r\nwhat", headers=bad)
    assert answer.status_code == 400
    answer = await sent(bytes(21 * 1024 * 1024))
    assert answer.status_code == 413
    assert "The file is larger than we accept. Please choose a smaller one." in words_of(answer)
    assert "shorten" not in words_of(answer)
    assert (await sent(png(10, 10), other=("b.png", png(10, 10), "image/png"))).status_code == 400
    assert (await staff.send(f"{ORGANIZATION}/logo", logo="x")).status_code == 415
    assert (await stored(staff, "/v1/organization", "organization"))["logo"] is None
    seen = set()
    for size in (10, 20):
        answer = await sent(png(size, size), "image/jpeg" if size == 20 else "image/png")
        assert answer.headers["location"] == f"{ORGANIZATION}/logo?saved=1"
        page = await staff.see(f"{ORGANIZATION}/logo")
        shown = re.findall(r'<img src="([^"]*)" alt="([^"]*)" height="40"', page.text.partition("logos")[2])
        [address] = {each for each, _ in shown}  # on light and on dark
        assert [alt for _, alt in shown] == ["Logo of Doe &amp; Daughters", ""]
        assert (await staff.browser.get(address)).content == png(size, size)
        seen.add(address)
    assert len(seen) == 2
    await remove(staff, page)
    writer = await entered(app, staff.desk, "write")
    answer = await writer.browser.post(f"{ORGANIZATION}/logo", files={"logo": png(9, 9)}, headers=OURS)
    assert answer.status_code == 403
    assert (await stored(staff, "/v1/organization", "organization"))["logo"] is None


async def test_calendars_elsewhere_are_added_read_and_deleted(staff: Staff) -> None:
    calendar = f"{CALENDARS}/{staff.desk.org.calendar_id}"
    path, own = f"{calendar}/sources", f"{BASE}/calendars/{staff.desk.org.calendar_id}/sources"
    assert path in links_in(await staff.see(calendar), path)
    form = fields_in(await staff.see(path), "source") | {"password": "secret"}
    private = "https://127.0.0.1/a.ics"
    for url, username, said in (
        ("x", "ana", "Address – Please enter a whole address, such as https://example.com/page."),
        (private, "ana", "Address – This address leads to a private network."),
        (private, "", "User name – Please fill this in."),
    ):
        answer = await staff.send(path, **form | {"url": url, "username": username})
        assert (answer.status_code, reasons_in(answer)) == (400, [said])
        assert "secret" not in answer.text.partition("<form")[2].replace("is a secret", "")
    url = "https://93.184.215.14/private-8c1f0e44/basic.ics"
    for _ in range(2):  # once for each form
        assert await staff.do(path, **form | {"url": url, "username": "ana"}) == f"{path}?saved=1"
    [source] = await stored(staff, own, "sources")
    page = await staff.see(path)
    assert "Not read yet" in words_of(page)
    assert "8c1f0e44" not in page.text
    await staff.do(path, do=f"refresh-{source['id']}")
    await remove(staff, await staff.see(path))
    assert await stored(staff, own, "sources") == []
    assert (await staff.send(path, do=f"refresh-{source['id']}")).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["\x00", "9" * 5_000])
async def test_whatever_is_typed_is_answered(staff: Staff, typed: str) -> None:
    schedule = await staff.desk.make("schedules", "schedule", name="Evenings")
    ids = {"type_id": staff.desk.org.type_id, "calendar_id": staff.desk.org.calendar_id}
    ids |= {"override_id": "ovr_nothing", "source_id": "src_nothing"}
    rows = {"q-0-id": typed, "q-0-kind": typed, "q-0-label": typed, "q-0-options": typed}
    more = {"seen": "", "key": typed, "need-0-calendars": typed, "id-1-0": typed, "type-1-0": typed, **rows}
    for route, form in SETUP_FORMS.items():
        path = route.format(**ids, schedule_id=schedule["id"])
        for deed in ("", f"delete-{typed}"):
            answer = await staff.send(path, **dict.fromkeys(form, typed) | more | {"do": deed})
            assert answer.status_code < 500, (route, deed)
        repeated = await staff.send(path, **{name: [typed, typed] for name in form})
        assert repeated.status_code < 500, route
        assert (await staff.open(path, schedule=typed)).status_code < 500, route

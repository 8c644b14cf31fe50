"""Staff look for appointments and clients, and take them along as a file."""

import csv
import io
from typing import Any

import pytest
from fastapi import FastAPI

from kalends.web import staff_clients, staff_lists
from tests.support.desk import THURSDAY, at
from tests.web.clients import words_of
from tests.web.staff import Staff, fields_in, links_in, staff_at
from tests.web.test_staff_lists import rows_of

pytestmark = pytest.mark.anyio

LIST, FILE, CLIENTS = "/staff/list", "/staff/list.csv", "/staff/clients"
JOSE: dict[str, Any] = {
    "client_name": "José Müller",
    "client_email": "jose@example.com",
    "client_phone": None,
}


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


async def test_words_are_looked_for_on_all_days_unless_some_are_named(staff: Staff) -> None:
    await staff.desk.booked(at("10:00", "2023-03-01"), **JOSE)
    await staff.desk.booked(at("10:00", "2025-03-01"), **JOSE)
    await staff.desk.booked()
    page = await staff.see(LIST, q="MULLER jose")
    assert [row[0].split(", ")[1] for row in rows_of(page)] == ["1 March 2025", "1 March 2023"]
    assert 'value="MULLER jose"' in page.text
    assert [each[1] for each in rows_of(await staff.see(LIST, q="jane"))] == ["Jane Doe"]
    some = await staff.see(LIST, q="jose", **{"from": "2024-01-01"})
    assert len(rows_of(some)) == 1
    assert rows_of(await staff.see(LIST, q="jose", to="2024-01-01")) != rows_of(some)
    assert "There are no such appointments." in words_of(await staff.see(LIST, q="jose%"))
    # Every page for staff has the field, and no words are as good as none.
    assert 'action="/staff/list"' in (await staff.see()).text
    assert len(rows_of(await staff.see(LIST, q=" "))) == 1


@pytest.mark.parametrize("path", [LIST, FILE, CLIENTS])
async def test_what_can_not_be_looked_for_is_said(staff: Staff, path: str) -> None:
    for bad in ({"q": "a\x00"}, {"q": "a" * 201}, {"cursor": "x\x00"}):
        answer = await staff.open(path, **bad)
        if path == FILE and "cursor" in bad:
            assert answer.status_code == 200  # a file is whole
            continue
        assert answer.status_code == 400, bad
        assert "There are no such" not in words_of(answer)


async def test_a_file_for_spreadsheets(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff_lists, "_READ_AT_ONCE", 2)
    await staff.desk.set_organization(timezone="Europe/Berlin")
    evil = {"client_name": "=1+1", "client_phone": "+49 30 12345", "client_notes": '@SUM(A1)\nline, "two"'}
    booked = await staff.desk.booked(at("10:00"), **evil)
    for hour in ("11", "12", "13", "14"):
        await staff.desk.booked(at(f"{hour}:00"), client_name="Zoë")
    await staff.desk.booked(at("10:00", "2024-01-26"))
    answer = await staff.see(FILE, **{"from": THURSDAY, "to": THURSDAY})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="appointments-{THURSDAY}.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbfFrom,")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 6
    assert rows[1] == [
        *("2024-01-25 11:00", "2024-01-25 12:00", "Europe/Berlin +0100", "'=1+1", "jane@example.com"),
        *("'+49 30 12345", "Tax Consultation", "Doe & Daughters", "Confirmed", '\'@SUM(A1)\nline, "two"'),
        *("", booked["id"]),
    ]
    assert len((await staff.see(FILE, q="zoe")).text.splitlines()) == 5
    page = await staff.see(LIST, **{"from": THURSDAY, "to": THURSDAY}, status="confirmed")
    [link] = links_in(page, FILE)
    assert len((await staff.see(link)).text.splitlines()) == 7
    monkeypatch.setattr(staff_lists, "MOST_IN_FILE", 4)
    many = await staff.open(FILE, **{"from": THURSDAY})
    assert many.status_code == 400
    assert "These are more than 4 appointments. Please choose fewer days." in words_of(many)


async def test_clients_and_what_each_has_booked(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff_clients, "PAGE", 2)
    first = await staff.desk.booked(at("10:00", "2024-01-18"), **JOSE)
    await staff.desk.changed(first, status="no_show")
    for hour in ("09", "11"):
        await staff.desk.booked(at(f"{hour}:00"), **JOSE)
    await staff.desk.booked(at("15:00"), client_name="<b>Bob</b>", client_email="bob@example.com")
    await staff.desk.booked(at("15:00", "2024-01-12"), client_name="Cy", client_email="cy@example.com")
    page = await staff.see(CLIENTS)
    assert [row[0] for row in rows_of(page)] == ["&lt;b&gt;Bob&lt;/b&gt;", "José Müller"]
    assert "jose" not in " ".join(links_in(page, CLIENTS))  # logs keep addresses
    [following] = [each for each in links_in(page, CLIENTS) if "cursor=" in each and "lang=" not in each]
    assert [row[0] for row in rows_of(await staff.see(following))] == ["Cy"]
    found = await staff.see(CLIENTS, q="muller")
    [link] = links_in(found, f"{CLIENTS}/")
    own = await staff.see(link)
    assert "José Müller" in words_of(own)
    assert "Not attended 1" in words_of(own)
    assert len(rows_of(own)) == 2
    [more] = [each for each in links_in(own, link) if "cursor=" in each and "lang=" not in each]
    assert [row[4] for row in rows_of(await staff.see(more))] == ["Not attended"]
    assert link.rpartition("/")[2] in links_in(own, "/staff/new?")[-1]
    for path in (f"{link}?cursor=x", f"{link}?cursor=%00", f"{CLIENTS}?cursor=x"):
        answer = await staff.open(path)
        assert answer.status_code == 400
        assert "There are no such" not in words_of(answer)
    for id_ in ("apt_nothing", "%00", "a" * 300):
        assert (await staff.open(f"{CLIENTS}/{id_}")).status_code in (400, 404)


async def test_a_new_appointment_knows_its_client(staff: Staff) -> None:
    booked = await staff.desk.booked(**JOSE | {"client_phone": "+49 30 12345"}, client_language="de")
    see = await staff.see(f"/staff/appointments/{booked['id']}")
    assert f"{CLIENTS}/{booked['id']}" in links_in(see, CLIENTS)
    page = await staff.see("/staff/new", client=booked["id"])
    typed = fields_in(page, "booking")
    assert (typed["name"], typed["email"]) == ("José Müller", "jose@example.com")
    assert (typed["phone"], typed["language"]) == ("+49 30 12345", "de")
    # It still does in another language.
    assert f"client={booked['id']}" in links_in(page, "/staff/new?")[-1]
    for unknown in ("apt_nothing", "\x00", ""):
        assert fields_in(await staff.see("/staff/new", client=unknown), "booking")["name"] == ""

"""What is filled in: the fields of a booking, and what is wrong with them."""

import re

import pytest

from tests.support.databases import on_sqlite
from tests.web.clients import (
    JANE,
    NINE,
    QUESTIONS,
    Client,
    alert_of,
    main_of,
    token_of,
    typed_in,
    words_of,
)

pytestmark = pytest.mark.anyio


@on_sqlite
async def test_everything_that_is_wrong_is_told_at_once_and_leads_to_its_field(client: Client) -> None:
    await client.desk.set_type(bookingQuestions=QUESTIONS)
    typed = {
        "name": " ",
        "email": "jane@",
        "phone": "call me",
        "q.a": "x" * 10_001,
        "q.s": "Meat",
        "q.e": "nobody",
        "q.p": "-",
        "q.n": "many",
    }
    address = await client.held()
    answer = await client.fill(address, **typed)
    assert answer.status_code == 400
    assert alert_of(answer) == "Please check what you entered."
    listed = re.findall(r'<li><a href="#(\w+)">([^<]*)</a></li>', main_of(answer))
    assert listed == [
        ("name", "Name – Please fill this in."),
        ("email", "E-mail – This is no complete e-mail address. It looks like name@example.org."),
        ("phone", "Phone – This is no phone number. It has 3 to 20 digits, such as +1 234 567 890."),
        ("q0", "Tax number – Please fill this in."),
        ("q1", "Story – This is too long. Please shorten it."),
        ("q2", "Meal – Please choose one of the answers."),
        ("q3", "Agreed – Please fill this in."),
        ("q4", "Adviser – This is no complete e-mail address. It looks like name@example.org."),
        ("q5", "Fax – This is no phone number. It has 3 to 20 digits, such as +1 234 567 890."),
        ("q6", "Guests – Please enter a number, such as 3 or 2.5."),
    ]
    for field, _ in listed:
        [tag] = re.findall(rf'<(?:input|select|textarea)[^>]* id="{field}"[^>]*>', answer.text)
        assert f'aria-invalid="true" aria-describedby="{field}-problem"' in tag
        assert f'id="{field}-problem"' in answer.text
    kept = typed_in(answer)
    assert {name: kept[name] for name in typed if name != "q.s"} == {
        name: text for name, text in typed.items() if name != "q.s"
    }
    assert await client.stored() == []
    token_of(await client.fill(address, **JANE, **{"q.t": "1", "q.c": "1"}))


@on_sqlite
@pytest.mark.parametrize(
    ("contact", "typed", "missing"),
    [
        ("either", {}, ["email"]),
        ("either", {"phone": "+49 30 1"}, []),
        ("either", {"email": "a@example.org"}, []),
        ("email", {}, ["email"]),
        ("email", {"email": "a@example.org"}, []),
        ("phone", {}, ["phone"]),
        ("phone", {"phone": "+49 30 1"}, []),
        ("both", {"email": "a@example.org"}, ["phone"]),
        ("both", {}, ["email", "phone"]),
    ],
)
async def test_how_clients_are_reached(
    client: Client, contact: str, typed: dict[str, str], missing: list[str]
) -> None:
    await client.desk.set_type(contact=contact)
    address = await client.held()
    fields = typed_in(await client.browser.get(address))
    asked = {"email", "phone"} if contact in ("either", "both") else {contact}
    assert {"email", "phone"} & fields.keys() == asked
    answer = await client.fill(address, name="Jane", **typed)
    if not missing:
        token_of(answer)
        return
    assert re.findall(r'<li><a href="#(\w+)">', main_of(answer)) == missing


@on_sqlite
async def test_questions_are_asked_in_the_readers_language_and_the_original_answer_is_stored(
    client: Client,
) -> None:
    german = {"name": "Beratung", "questions": {"s": {"label": "Essen", "options": ["Fisch", "Käse"]}}}
    await client.desk.set_type(bookingQuestions=[QUESTIONS[2]], texts={"de": german})
    address = await client.held(NINE, "?lang=de")
    page = await client.browser.get(address)
    assert "Beratung" in words_of(page)
    assert '<label for="q0">Essen</label>' in page.text
    assert '<option value="Cheese">Käse</option>' in page.text
    answer = await client.fill(address, **JANE, **{"q.s": "Cheese"})
    assert answer.headers["location"].endswith("?lang=de&booked=1")
    [stored] = await client.stored()
    assert stored["client_language"] == "de"
    assert [(each["label"], each["answer"]) for each in stored["answers"]] == [("Meal", "Cheese")]


@on_sqlite
async def test_an_address_can_fill_in_the_form(client: Client) -> None:
    await client.desk.set_type(bookingQuestions=QUESTIONS)
    query = "?name=Jane+%3Cb%3E&email=jane%40example.com&notes=x&q.t=7&q.s=Fish&q.c=1&lang=en&theme=dark"
    address = await client.held(NINE, query)
    page = await client.browser.get(address)
    known = {
        "name": "Jane <b>",
        "email": "jane@example.com",
        "notes": "x",
        "q.t": "7",
        "q.s": "Fish",
        "q.c": "1",
    }
    assert known.items() <= typed_in(page).items()
    assert 'data-theme="dark"' in page.text
    token_of_later = await client.fill(address)
    assert token_of_later.headers["location"].endswith("?lang=en&theme=dark&booked=1")
    [stored] = await client.stored()
    assert stored["client_name"] == "Jane <b>"


@on_sqlite
@pytest.mark.parametrize(("kind", "zone"), [("phone", "America/New_York"), ("address", None), (None, None)])
async def test_only_those_who_meet_from_afar_are_told_times_in_their_zone(
    client: Client, kind: str | None, zone: str | None
) -> None:
    await client.desk.set_type(location=None if kind is None else {"kind": kind})
    address = await client.held(NINE, "?zone=America/New_York")
    page = words_of(await client.browser.get(address))
    assert ("04:00 Time zone: Eastern Time (America/New_York)" in page) == (zone is not None)
    assert ("09:00 Time zone: Coordinated Universal Time (UTC)" in page) == (zone is None)
    assert "09:00 in UTC is 04:00 for you" in page
    await client.fill(address, **JANE)
    [stored] = await client.stored()
    assert stored["client_timezone"] == zone

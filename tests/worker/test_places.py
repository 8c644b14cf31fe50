"""Where appointments take place, what types say of them, and how to reach the organization: in mails and in
their part for calendar programs."""

import re
from typing import Literal

import pytest
import vobject
from hypothesis import given, settings
from icalendar import Calendar, Event

from kalends.delivery import calendar_files
from kalends.schemas.letters import Letter, Occasion, Particulars
from kalends.schemas.offered import Location
from kalends.words.languages import LANGUAGES
from tests.support.components import value
from tests.support.letters import BASE, SENDER, appointment, letter, part
from tests.worker.test_escaping import FORGED, HOSTILE, NASTY, Shown

STREET = "Main St 4,\n2nd floor\n\n10115 Berlin"
MEETING = "https://meet.example/a;b,c?x=1&y=%20#z"
NUMBER = "+49 30 1234"


def at(kind: str, value: str | None = None) -> Particulars:
    return Particulars(place=Location.model_validate({"kind": kind, "value": value}))


def event_in(what: Letter) -> Event:
    """The event of a mail's calendar part; another library reads the same."""
    content = part(what, "text/calendar")
    [event] = Calendar.from_ical(content).events
    twin = vobject.readOne(content).vevent
    for name in ("location", "description"):
        found = twin.contents.get(name)
        assert (None if found is None else found[0].value) == event.get(name)
    return event


@pytest.mark.parametrize(
    ("kind", "value", "phone", "client", "staff"),
    [
        ("address", STREET, None, *["Main St 4, 2nd floor, 10115 Berlin"] * 2),
        ("link", MEETING, None, *[MEETING] * 2),
        (
            "phone",
            NUMBER,
            "+1 555",
            f"By phone: please call {NUMBER}",
            f"By phone: the client calls {NUMBER}",
        ),
        ("phone", None, "+1 555", "By phone: we will call you at +1 555", "By phone: we call +1 555"),
        ("phone", None, None, "By phone: we will call you", "By phone: we call"),
        ("client_address", None, None, "At your address", "At the client's address"),
        ("address", None, None, None, None),  # the organization has none, either
    ],
)
def test_everybody_is_told_where(
    kind: str, value: str | None, phone: str | None, client: str | None, staff: str | None
) -> None:
    about = appointment(client_phone=phone)
    for to_staff, expected in ((False, client), (True, staff)):
        mail = letter("moved", about=about, to_staff=to_staff, particulars=at(kind, value))
        told = re.findall("^Where: (.*)$", part(mail, "text/plain"), re.MULTILINE)
        assert told == ([] if expected is None else [expected])
        html = Shown(part(mail, "text/html"))
        assert ("Where" in html.words) == (expected is not None)
        assert (MEETING in html.links) == (kind == "link")
    assert event_in(letter("moved", about=about, particulars=at(kind, value))).get("LOCATION") == client


def test_an_address_keeps_its_lines_where_there_is_room() -> None:
    html = part(letter(particulars=at("address", STREET)), "text/html")
    assert "<td>Main St 4<br>2nd floor<br>10115 Berlin</td>" in html


def test_calendar_programs_find_the_link_of_a_call() -> None:
    """In the property for it, and where those look that don't know it."""
    event = event_in(letter(particulars=at("link", MEETING)))
    assert event["LOCATION"] == event["CONFERENCE"] == MEETING
    assert value(event, "CONFERENCE").params["VALUE"] == "URI"
    assert value(event, "DESCRIPTION").splitlines()[0] == f"Where: {MEETING}"
    assert "CONFERENCE" not in event_in(letter(particulars=at("address", STREET)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_and_the_phone_number_are_told(language: str) -> None:
    told = Particulars(
        text="Bring your card.\n\n2nd floor, <left>", phone=NUMBER, email="hello@clinic.example"
    )
    mail = letter("confirmed", about=appointment(client_language=language), particulars=told)
    text = part(mail, "text/plain")
    assert "\n> Bring your card.\n> \n> 2nd floor, <left>\n" in text
    assert "Bring your card.<br><br>2nd floor, &lt;left&gt;</blockquote>" in part(mail, "text/html")
    assert text.count(NUMBER) == 1
    assert "hello@" not in text  # all can be done by the link
    phone = {"en": "Phone:", "de": "Telefon:", "fr": "Téléphone :", "es": "Teléfono:", "pt": "Telefone:"}
    see = {"en": "See it here:", "de": "Ansehen:", "fr": "Pour le consulter :"} | {
        "es": "Puede verla aquí:",
        "pt": "Pode vê-la aqui:",
    }
    assert f"\n{phone[language]} {NUMBER}\n" in text
    assert event_in(mail)["DESCRIPTION"] == (
        f"Bring your card.\n\n2nd floor, <left>\n\n{phone[language]} {NUMBER}\n\n"
        f"{see[language]}\n{BASE}/manage/token"
    )


def test_a_file_of_the_clients_has_the_same() -> None:
    told = Particulars(Location(kind="address", value=STREET), text="Bring your card.", phone=NUMBER)
    content = calendar_files.own(appointment(client_language="de"), "Clinic", "UTC", particulars=told)
    [event] = Calendar.from_ical(content).events
    assert event["LOCATION"] == "Main St 4, 2nd floor, 10115 Berlin"
    assert event["DESCRIPTION"] == f"Bring your card.\n\nTelefon: {NUMBER}"
    content = calendar_files.own(appointment(status="cancelled"), "Clinic", "UTC", particulars=told)
    assert not Calendar.from_ical(content).events[0].keys() & {"LOCATION", "DESCRIPTION"}


REACHED = Particulars(phone=NUMBER, email="hello@clinic.example")
BOTH = f"{NUMBER}, hello@clinic.example"


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_what_the_link_can_no_longer_do_is_not_offered(kind: str) -> None:
    for particulars in (Particulars(), REACHED):
        mail = letter("reminder", changeable=False, particulars=particulars)
        assert "See it here:" in part(mail, kind)
        assert "See, move or cancel" not in part(mail, kind)
        ask = f"To move or cancel it, please get in touch with us: {BOTH}"
        assert (ask in part(mail, kind)) == (particulars is REACHED)
    assert NUMBER in part(letter("reminder", link=None, particulars=REACHED), kind)


@pytest.mark.parametrize("occasion", ["cancelled", "expired", "former"])
def test_mails_that_something_is_gone_say_how_to_reach_the_organization(occasion: Occasion) -> None:
    about = appointment(status="cancelled")
    mail = letter(occasion, about=about, particulars=REACHED)
    for kind in ("text/plain", "text/html"):
        assert f"You can reach us at: {BOTH}" in part(mail, kind)
        assert part(mail, kind).count(NUMBER) == 1
        assert BASE not in part(mail, kind)
        without = part(letter(occasion, about=about), kind)
        assert not re.search("reach|touch with us:", without)
    assert "DESCRIPTION" not in event_in(mail)


@pytest.mark.parametrize("to_staff", [False, True], ids=["client", "staff"])
@pytest.mark.parametrize("kind", ["address", "phone"])
def test_what_staff_typed_is_shown_and_makes_no_line(
    kind: Literal["address", "phone"], to_staff: bool
) -> None:
    def first_words(text: str) -> list[str]:
        place = Location.model_construct(kind=kind, value=text)
        told = Particulars(place, text=text, phone=text, email=text)
        mail = letter(particulars=told, to_staff=to_staff, changeable=False)
        read = part(mail, "text/plain").splitlines()
        assert "<script" not in part(mail, "text/html")
        return [re.split("[ :]", line)[0] for line in read if not line.startswith(">")]

    assert first_words("x") == first_words(FORGED) == first_words(HOSTILE) == first_words("😀" * 10_000)


@settings(max_examples=40)
@given(text=NASTY)
def test_no_text_leaves_its_field_in_a_calendar_file(text: str) -> None:
    for place in (
        Location(kind="address", value=text),
        Location.model_construct(kind="phone", value=text),
        Location.model_construct(kind="link", value=text),
    ):
        told = Particulars(place, text=text, phone=text)
        content = calendar_files.invitation(
            appointment(), "Clinic", "UTC", method="REQUEST", organizer=SENDER, url=None, particulars=told
        )
        lines = content.split(b"\r\n")
        assert max(map(len, lines)) <= 75
        assert content.decode().splitlines() == [line.decode() for line in lines[:-1]]
        parsed = Calendar.from_ical(content)
        [event] = parsed.events
        assert not parsed.errors
        assert not event.errors
        assert event.keys() - {"LOCATION", "DESCRIPTION", "CONFERENCE"} == {
            *("UID", "SEQUENCE", "DTSTAMP", "CREATED", "LAST-MODIFIED", "DTSTART", "DTEND", "SUMMARY"),
            *("STATUS", "ORGANIZER", "ATTENDEE"),
        }
        assert len(vobject.readOne(content.decode()).vevent_list) == 1

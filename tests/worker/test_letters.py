"""Mails as they are written: languages, times, zones and headers."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import vobject
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from kalends.delivery.letters import written
from kalends.words.languages import LANGUAGES, language_of
from tests.support.components import value
from tests.support.letters import BASE, NOON, appointment, letter, part, read, sent

# Languages and times.


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        *((language, language) for language in LANGUAGES),
        ("de-AT", "de"),
        ("de-DE-1996", "de"),
        ("pt-BR", "pt"),
        ("ES-419", "es"),
        ("fr-Latn-CA", "fr"),
        ("en-GB", "en"),
        ("xx", "en"),
        ("zh-Hant-TW", "en"),
        ("deu", "en"),
    ],
)
def test_the_nearest_language(tag: str, language: str) -> None:
    assert language_of(tag) == language


@pytest.mark.parametrize(
    ("language", "hello", "subject", "when"),
    [
        ("en", "Hello Jane Doe,", "Your appointment was moved", "Thursday, January 25, 2024, 2:00\u202fPM"),
        ("es", "Hola, Jane Doe:", "Su cita ha cambiado", "jueves, 25 de enero de 2024, 14:00"),
        ("fr", "Bonjour Jane Doe,", "Votre rendez-vous a été déplacé", "jeudi 25 janvier 2024, 14:00"),
        ("de", "Guten Tag Jane Doe,", "Ihr Termin wurde verschoben", "Donnerstag, 25. Januar 2024, 14:00"),
        (
            "pt",
            "Olá Jane Doe,",
            "A sua marcação foi alterada",
            "quinta-feira, 25 de janeiro de 2024, 14:00",
        ),
    ],
)
def test_mails_are_in_the_clients_language(language: str, hello: str, subject: str, when: str) -> None:
    about = appointment(client_language=f"{language}-XX")
    mail = letter("moved", about=about, before=datetime(2024, 1, 24, 14, tzinfo=UTC))
    message = read(sent(mail))
    assert message["Content-Language"] == language
    assert message["Subject"].startswith(subject)
    text, html = part(mail, "text/plain"), part(mail, "text/html")
    assert text.startswith(f"{hello}\n")
    assert f": {when} (" in text
    assert f'<html lang="{language}">' in html
    assert f"<p>{hello}</p>" in html
    assert f"<strong>{when} (" in html


@pytest.mark.parametrize(
    ("language", "subject", "until", "link"),
    [
        (
            "en",
            "Please confirm your booking: ",
            "kept for you until then: ",
            "See, confirm or cancel it here:",
        ),
        (
            "es",
            "Confirme su reserva: ",
            "le guardamos la hora: ",
            "Puede verla, confirmarla o cancelarla aquí:",
        ),
        (
            "fr",
            "Veuillez confirmer votre ",
            "réservé jusque-là : ",
            "Pour la voir, la confirmer ou l’annuler :",
        ),
        ("de", "Bitte bestätigen Sie Ihre ", "für Sie reserviert: ", "Ansehen, bestätigen oder absagen:"),
        (
            "pt",
            "Confirme a sua marcação: ",
            "reservado para si: ",
            "Pode vê-la, confirmá-la ou cancelá-la aqui:",
        ),
    ],
)
def test_a_client_is_asked_to_confirm_in_every_language(
    language: str, subject: str, until: str, link: str
) -> None:
    """By the link, until when, and without a part for calendar programs: it is no appointment yet."""
    expires = NOON + timedelta(minutes=30)
    mail = letter(
        "asked", about=appointment(client_language=language, status="pending", version=0, expires_at=expires)
    )
    message = read(sent(mail))
    assert message["Subject"].startswith(subject)
    assert [each.get_content_type() for each in message.iter_parts()] == ["text/plain", "text/html"]
    address = f"{BASE}/manage/token"
    for kind in ("text/plain", "text/html"):
        text = part(mail, kind)
        assert re.search(rf"{until}.*2024.*12:30", text)
        assert link in text
        assert address in text


@pytest.mark.parametrize(
    ("tag", "language", "when"),
    [
        ("en", "en", "Thursday, January 25, 2024, 2:00 PM"),
        ("en-US", "en", "Thursday, January 25, 2024, 2:00 PM"),
        ("en-GB", "en", "Thursday, 25 January 2024, 14:00"),
        ("en_gb", "en", "Thursday, 25 January 2024, 14:00"),
        ("EN-latn-GB-oxendict", "en", "Thursday, 25 January 2024, 14:00"),
        ("en-GB-u-hc-h12", "en", "Thursday, 25 January 2024, 14:00"),
        ("en-UK", "en", "Thursday, 25 January 2024, 14:00"),
        ("en-IE", "en", "Thursday 25 January 2024, 14:00"),
        ("en-AU", "en", "Thursday, 25 January 2024, 2:00 pm"),
        ("en-x-GB", "en", "Thursday, January 25, 2024, 2:00 PM"),
        ("de-AT", "de", "Donnerstag, 25. Jänner 2024, 14:00"),
        ("de-AT-1996", "de", "Donnerstag, 25. Jänner 2024, 14:00"),
        ("fr-CA", "fr", "jeudi 25 janvier 2024, 14 h 00"),
        ("es-MX", "es", "jueves, 25 de enero de 2024, 2:00 p.m."),
        ("es-419", "es", "jueves, 25 de enero de 2024, 2:00 p.m."),
        ("es-ES", "es", "jueves, 25 de enero de 2024, 14:00"),
        # A place for which there is no such form, or none at all.
        ("de-JP", "de", "Donnerstag, 25. Januar 2024, 14:00"),
        ("pt-999", "pt", "quinta-feira, 25 de janeiro de 2024, 14:00"),
        # Where the text is English for want of another, so is the date.
        ("it", "en", "Thursday, January 25, 2024, 2:00 PM"),
        ("it-GB", "en", "Thursday, January 25, 2024, 2:00 PM"),
        ("zh-Hant-TW", "en", "Thursday, January 25, 2024, 2:00 PM"),
        ("i-klingon", "en", "Thursday, January 25, 2024, 2:00 PM"),
        ("x-GB", "en", "Thursday, January 25, 2024, 2:00 PM"),
    ],
)
def test_dates_are_as_the_whole_tag_says_in_the_language_of_the_text(
    tag: str, language: str, when: str
) -> None:
    for to_staff in (False, True):
        mail = letter(
            about=appointment(client_language=tag.replace("_", "-")),
            to_staff=to_staff,
            language=tag.replace("_", "-"),
        )
        assert read(sent(mail))["Content-Language"] == language
        assert f'<html lang="{language}">' in part(mail, "text/html")
        for kind in ("text/plain", "text/html"):
            assert f"{when} (" in re.sub("[\u202f\xa0]", " ", part(mail, kind))


def test_zones_are_named_as_the_whole_tag_says() -> None:
    zones = {}
    for tag in ("pt-PT", "pt-BR"):
        text = part(letter(about=appointment(client_language=tag), timezone="Europe/London"), "text/plain")
        zones[tag] = text.partition("(")[2].partition(",")[0]
    assert zones == {"pt-PT": "Hora de Greenwich", "pt-BR": "Horário do Meridiano de Greenwich"}


@pytest.mark.slow
@settings(max_examples=200)
@given(tag=st.from_regex(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,3}", fullmatch=True))
@example(tag="C")
@example(tag="posix")
@example(tag="en-ZZ")
@example(tag="en-001")
@example(tag="de-DD")
@example(tag="es-Latn-419-a-b")
@example(tag="fr-fra-ab")
def test_no_tag_stops_a_mail(tag: str) -> None:
    mail = letter(language=tag)
    assert read(sent(mail))["Content-Language"] == language_of(tag)


@pytest.mark.parametrize(
    ("language", "subject", "words"),
    [
        ("en", "To be confirmed", ["To be confirmed by:", "Client:", "Notes:", "> Yes"]),
        ("de", "Zu bestätigen", ["Zu bestätigen bis:", "Name:", "Anmerkungen:", "> Ja"]),
        ("fr", "À confirmer", ["À confirmer avant :", "Client :", "Remarques :", "> Oui"]),
        ("es", "Por confirmar", ["Por confirmar antes de:", "Cliente:", "Notas:", "> Sí"]),
        ("pt", "Por confirmar", ["A confirmar até:", "Cliente:", "Notas:", "> Sim"]),
    ],
)
def test_staff_read_their_own_language(language: str, subject: str, words: list[str]) -> None:
    about = appointment(
        client_language="en",
        client_notes="Hello",
        expires_at="2024-01-21T12:00:00Z",
        answers=[{"id": "q", "label": "Erster Besuch?", "answer": True}],
    )
    mail = letter("requested", to_staff=True, about=about, language=language)
    assert read(sent(mail))["Subject"].partition(":")[0].strip() == subject
    lines = part(mail, "text/plain").splitlines()
    for word in words:
        assert [line for line in lines if line.startswith(word)], word
    assert "Erster Besuch?" in lines


def test_staff_read_english_in_their_zone() -> None:
    about = appointment(client_language="fr", client_timezone="Asia/Tokyo")
    mail = letter("confirmed", to_staff=True, about=about, timezone="Europe/Berlin")
    assert read(sent(mail))["Subject"] == (
        "Booked: Tax Consultation, Thursday, January 25, 2024, 3:00 PM "
        "(Central European Standard Time, Europe/Berlin)"
    )


@pytest.mark.parametrize(
    ("start", "when"),
    [
        ("2024-03-31T00:30Z", "Sunday, March 31, 2024, 1:30 AM (Central European Standard Time, {zone})"),
        ("2024-03-31T01:30Z", "Sunday, March 31, 2024, 3:30 AM (Central European Summer Time, {zone})"),
        ("2024-10-27T00:30Z", "Sunday, October 27, 2024, 2:30 AM (Central European Summer Time, {zone})"),
        ("2024-10-27T01:30Z", "Sunday, October 27, 2024, 2:30 AM (Central European Standard Time, {zone})"),
    ],
)
def test_an_hour_that_happens_twice_is_told_apart(start: str, when: str) -> None:
    about = appointment(start=datetime.fromisoformat(start))
    subject = str(read(sent(letter("reminder", about=about, timezone="Europe/Berlin")))["Subject"])
    assert subject == "Reminder: Tax Consultation, " + when.format(zone="Europe/Berlin")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("start", ["0001-01-01T00:00Z", "9999-12-31T22:00Z"])
def test_the_ends_of_the_calendar_can_be_told(start: str, zone: str) -> None:
    mail = letter(about=appointment(start=datetime.fromisoformat(start)), timezone=zone)
    assert start[:4].lstrip("0") in str(read(sent(mail))["Subject"])


def test_who_is_told_what() -> None:
    about = appointment(
        client_phone="+1234567890",
        client_notes="to staff",
        answers=[{"id": "q", "label": "label", "answer": "to staff"}],
    )
    for occasion in ("confirmed", "requested", "moved", "cancelled", "expired", "former", "reminder"):
        to_client = sent(letter(occasion, about=about, before=NOON))
        message = read(to_client)
        bodies = [part.get_content() for part in message.walk() if not part.is_multipart()]
        assert not [body for body in bodies if "difficult" in body or "to staff" in body]
        if occasion not in ("former", "reminder"):
            to_staff = read(sent(letter(occasion, about=about, to_staff=True)))
            bodies = [part.get_content() for part in to_staff.walk() if not part.is_multipart()]
            assert not [body for body in bodies if "difficult" in body or f"{BASE}/manage" in body]
            assert all("to staff" in body for body in bodies)
            assert all(f"{BASE}/staff/appointments/apt_1" in body for body in bodies)


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("jane@example.com", "MAILTO:jane@example.com"),
        ("jane@bücher.example", "MAILTO:jane@xn--bcher-kva.example"),
        ("jürgen@bücher.example", "MAILTO:j%C3%BCrgen@xn--bcher-kva.example"),
        ("o'brien+x@example.com", "MAILTO:o'brien+x@example.com"),
        ("50%&a=b?c#d/e{f}|g@example.com", "MAILTO:50%25%26a%3Db%3Fc%23d%2Fe%7Bf%7D%7Cg@example.com"),
    ],
)
def test_addresses_are_uris_of_where_mails_go(address: str, uri: str) -> None:
    about = appointment(client_email=address)
    mail = written(letter(about=about), address, NOON, BASE)
    [file] = [each for each in mail.walk() if each.get_content_type() == "text/calendar"]
    calendar = Calendar.from_ical(file.get_content())
    [event] = calendar.events
    for field in ("ATTENDEE", "ORGANIZER"):
        assert event[field] == uri
        assert value(event, field).isascii()
    assert event["ATTENDEE"].params["CN"] == "Jane Doe"
    [again] = Calendar.from_ical(calendar.to_ical()).events
    assert again == event
    twin = vobject.readOne(file.get_content()).vevent
    assert (twin.attendee.value, twin.organizer.value) == (uri, uri)
    headers = ("From", "To")
    assert {mail[each].partition("<")[2] for each in headers} == {
        f"{address.partition('@')[0]}@{uri.partition('@')[2]}>"
    }
    assert mail["Message-ID"].isascii()


@pytest.mark.parametrize("sender", ["root@localhost", "kalends@[127.0.0.1]", "odd..one@example.com"])
def test_a_sender_that_is_odd_sends_all_the_same(sender: str) -> None:
    mail = written(letter(), sender, NOON, BASE)
    assert mail["From"].endswith(f"<{sender}>")
    [file] = [each for each in mail.walk() if each.get_content_type() == "text/calendar"]
    assert Calendar.from_ical(file.get_content()).events[0]["ORGANIZER"] == f"MAILTO:{sender}"


@pytest.mark.parametrize(
    ("reply_to", "shown"),
    [
        (None, None),
        ("desk@clinic.example", "desk@clinic.example"),
        ("desk@bücher.example", "desk@xn--bcher-kva.example"),
        ("büro@clinic.example", None),  # not every mail server can spell it
    ],
)
@pytest.mark.parametrize("to_staff", [False, True], ids=["client", "staff"])
def test_answers_go_to_whoever_it_is_about(to_staff: bool, reply_to: str | None, shown: str | None) -> None:
    mail = letter(host='Clinic, "A" & Ä', to_staff=to_staff, reply_to=reply_to)
    header = read(sent(mail))["Reply-To"]
    if shown is None:
        assert header is None
    else:
        [found] = header.addresses
        assert (found.addr_spec, found.display_name) == (shown, "Jane Doe" if to_staff else mail.host)


@pytest.mark.parametrize(
    ("start", "when"),
    [
        ("2024-01-15T12:00Z", "12:00 PM (Greenwich Mean Time, Europe/Dublin)"),
        ("2024-07-15T12:00Z", "1:00 PM (Irish Standard Time, Europe/Dublin)"),
    ],
)
def test_ireland_is_ahead_in_summer(start: str, when: str) -> None:
    about = appointment(start=datetime.fromisoformat(start))
    text = part(letter("reminder", about=about, timezone="Europe/Dublin"), "text/plain")
    assert when in text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("zone", "start", "when"),
    [
        # British Columbia and Alberta keep their summer time from 2026 on.
        ("America/Vancouver", "2024-01-15T17:00Z", "9:00 AM (Pacific Standard Time, America/Vancouver)"),
        ("America/Vancouver", "2024-07-15T16:00Z", "9:00 AM (Pacific Daylight Time, America/Vancouver)"),
        ("America/Vancouver", "2027-01-15T16:00Z", "9:00 AM (GMT-07:00, America/Vancouver)"),
        ("America/Vancouver", "2027-07-15T16:00Z", "9:00 AM (GMT-07:00, America/Vancouver)"),
        ("America/Edmonton", "2027-01-15T15:00Z", "9:00 AM (GMT-06:00, America/Edmonton)"),
        ("America/Los_Angeles", "2027-01-15T17:00Z", "9:00 AM (Pacific Standard Time, America/Los_Angeles)"),
        ("Europe/Moscow", "2012-01-15T05:00Z", "9:00 AM (GMT+04:00, Europe/Moscow)"),
        ("America/Sao_Paulo", "2018-12-15T11:00Z", "9:00 AM (Brasilia Summer Time, America/Sao_Paulo)"),
        # In Morocco clocks are ahead but for Ramadan.
        (
            "Africa/Casablanca",
            "2024-01-15T08:00Z",
            "9:00 AM (Western European Summer Time, Africa/Casablanca)",
        ),
        (
            "Africa/Casablanca",
            "2024-03-15T09:00Z",
            "9:00 AM (Western European Standard Time, Africa/Casablanca)",
        ),
    ],
)
def test_the_name_of_a_zone_says_its_offset(zone: str, start: str, when: str) -> None:
    about = appointment(start=datetime.fromisoformat(start))
    text = part(letter("reminder", about=about, timezone=zone), "text/plain")
    assert when in text.replace("\u202f", " ")

"""Mails as they are written: languages, times, escaping, headers, and the part for calendar programs."""

import io
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP, compat32, default
from email.utils import getaddresses
from html.parser import HTMLParser

import pytest
import vobject
from dateutil import tz
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from kalends.core.hours import zone_names
from kalends.delivery import calendar_files
from kalends.delivery.letters import LANGUAGES, language_of, written
from kalends.delivery.plain_text import one_line
from kalends.schemas.appointments import Appointment
from kalends.schemas.letters import Letter
from tests.support.components import value
from tests.support.letters import NOON, appointment, letter

SENDER = "booking@clinic.example"
BASE = "https://book.example"


def sent(what: Letter) -> bytes:
    """The mail as it goes over the wire."""
    return written(what, SENDER, NOON, BASE).as_bytes(policy=SMTP.clone(cte_type="7bit"))


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(what: Letter, kind: str) -> str:
    [found] = [part for part in read(sent(what)).walk() if part.get_content_type() == kind]
    return str(found.get_content()).replace("\r\n", "\n")


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
    address = f"{BASE}/v1/public/appointments/token"
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


# What is dangerous to write out as it is.

EXPECTED = [
    "Subject",
    "From",
    "To",
    "Reply-To",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
]
NASTY = st.lists(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
        st.sampled_from(
            [
                *'\r\n\t\x0b\x0c\x1c\x85\u2028\u2029 ,;:<>@()[]\\"=?._é',
                "\r\nBcc: eve@example.com\r\n",
                "\n\n<html>",
                ", eve@example.com,",
                "<eve@example.com>",
                "=?utf-8?q?=0D=0ABcc:_eve=40example.com?=",
                "=?utf-8?b?DQpCY2M6IGV2ZQ==?=",
                "x" * 70,
                "é" * 70,
            ]
        ),
    ),
    min_size=1,
    max_size=60,
).map(lambda found: "".join(found)[:255])


@settings(max_examples=60)
@given(name=NASTY, host=NASTY, kind=NASTY)
@example(name="=?utf-8?q?x=0D=0ABcc:_eve=40example.com?=", host="x", kind="=?utf-8?q?=0D=0ABcc:_eve?=")
@example(
    name="a" * 100 + ", eve@example.com", host="a, b <eve@example.com>" * 9, kind="é" * 200 + "\r\nBcc: x"
)
def test_no_name_can_make_a_header_or_an_address(name: str, host: str, kind: str) -> None:
    about = appointment(client_name=name, kind=kind, client_email=f"{'j' * 64}@{'example.' * 20}com")
    for to_staff in (False, True):
        mail = letter("confirmed", about=about, host=host, to_staff=to_staff, reply_to="re@example.com")
        content = sent(mail)
        head = content.partition(b"\r\n\r\n")[0]
        lines = head.split(b"\r\n")
        assert b"\r" not in head.replace(b"\r\n", b"")
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert max(map(len, lines)) <= 998
        head.decode("ascii")
        names = [line.partition(b":")[0].decode() for line in lines if line[0] not in b" \t"]
        assert names == EXPECTED
        # One program reads addresses as the standard of today says, another as the old one did.
        message, old = read(content), message_from_bytes(content, policy=compat32)
        for header, shown, address in (
            ("To", mail.name, mail.address),
            ("From", host, SENDER),
            ("Reply-To", name if to_staff else host, "re@example.com"),
        ):
            assert [each.addr_spec for each in message[header].addresses] == [address]
            [(encoded, spec)] = getaddresses([old[header]])
            assert spec == address
            assert str(make_header(decode_header(encoded))) == one_line(shown)
        said = "".join(str(make_header(decode_header(old["Subject"]))).split())
        assert "".join(one_line(kind).split()) in said


class Shown(HTMLParser):
    """What a browser makes of it: the tags, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


HOSTILE = """<script>alert('1')</script><img src="x" onerror="alert(1)">{{ 7*7 }}{name}&amp;"""


@pytest.mark.parametrize("to_staff", [False, True], ids=["client", "staff"])
def test_what_people_typed_is_shown_and_not_obeyed(to_staff: bool) -> None:
    about = appointment(
        client_name=f"name {HOSTILE}",
        client_notes=f"notes {HOSTILE}",
        kind=f"kind {HOSTILE}",
        answers=[{"id": "q", "label": f"label {HOSTILE}", "answer": f"answer {HOSTILE}"}],
    )
    mail = letter("requested", about=about, host=f"host {HOSTILE}", to_staff=to_staff)
    plain = Shown(part(letter("requested", about=appointment(), to_staff=to_staff), "text/html"))
    html, text = Shown(part(mail, "text/html")), part(mail, "text/plain")
    answered = {"tr": 2, "td": 4, "blockquote": 2} if to_staff else {}
    for tag in {*html.tags, *plain.tags}:
        assert html.tags.count(tag) == plain.tags.count(tag) + answered.get(tag, 0)
    assert html.links == ([] if to_staff else [f"{BASE}/v1/public/appointments/token"])
    words = "\n".join(html.words)
    for field in ("name", "notes", "kind", "label", "answer") if to_staff else ("name", "kind", "host"):
        assert f"{field} {HOSTILE}" in words
        assert f"{field} {HOSTILE}" in text


FORGED = "x\r\nPhone: +49 666\n\nWhen: never\rClient: Eve\u2028E-mail: eve@example.com\x85X: y\x0bZ: z"


@pytest.mark.parametrize("to_staff", [False, True], ids=["client", "staff"])
def test_what_people_typed_makes_no_line_that_is_not_quoted(to_staff: bool) -> None:
    def lines(**fields: str) -> list[str]:
        about = appointment(
            client_name=fields["name"],
            client_phone=fields["phone"],
            kind=fields["kind"],
            client_notes=fields["notes"],
            cancellation_reason=fields["reason"],
            status="cancelled",
            answers=[{"id": "q", "label": fields["label"], "answer": fields["answer"]}],
        )
        text = part(letter("cancelled", about=about, host=fields["host"], to_staff=to_staff), "text/plain")
        return text.splitlines()

    names = ("name", "phone", "kind", "notes", "reason", "label", "answer", "host")
    plain, forged = lines(**dict.fromkeys(names, "x")), lines(**dict.fromkeys(names, FORGED))
    first_words = [
        [re.split("[ :]", line)[0] for line in text if not line.startswith(">")] for text in (plain, forged)
    ]
    assert first_words[0] == first_words[1]
    quoted = [line for line in forged if line.startswith(">")]
    assert quoted == [
        "> x",
        "> Phone: +49 666",
        "> ",
        "> When: never",
        "> Client: Eve E-mail: eve@example.com X: y Z: z",
    ] * (3 if to_staff else 1)


@pytest.mark.parametrize("to_staff", [False, True], ids=["client", "staff"])
def test_the_reason_of_a_cancellation_is_told(to_staff: bool) -> None:
    about = appointment(status="cancelled", cancellation_reason="Dr. Weber is <ill>;\nsorry, Jane")
    mail = letter("cancelled", about=about, to_staff=to_staff)
    assert "\nReason:\n> Dr. Weber is <ill>;\n> sorry, Jane\n" in part(mail, "text/plain")
    assert "Dr. Weber is &lt;ill&gt;;<br>sorry, Jane</blockquote>" in part(mail, "text/html")
    if not to_staff:
        [event] = Calendar.from_ical(part(mail, "text/calendar")).events
        assert event["COMMENT"] == "Dr. Weber is <ill>;\nsorry, Jane"


@pytest.mark.parametrize("reason", [None, "confirmation_expired"])
@pytest.mark.parametrize("to_staff", [False, True], ids=["client", "staff"])
def test_what_is_no_reason_for_people_is_not_told(to_staff: bool, reason: str | None) -> None:
    about = appointment(status="cancelled", cancellation_reason=reason)
    message = read(sent(letter("expired", about=about, to_staff=to_staff)))
    for each in message.walk():
        if not each.is_multipart():
            assert not [
                word for word in ("Reason", "COMMENT", "confirmation_expired") if word in each.get_content()
            ]


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
            assert not [body for body in bodies if "difficult" in body or BASE in body]
            assert all("to staff" in body for body in bodies)


# The part for calendar programs.


SINCE = datetime(1975, 1, 1, tzinfo=UTC)


@settings(max_examples=60)
@given(
    start=st.integers(0, 60 * 365 * 24 * 60).map(lambda minutes: SINCE + timedelta(minutes=minutes)),
    zone=st.sampled_from(sorted(zone_names())),
)
@example(start=datetime(2024, 10, 27, 0, 30, tzinfo=UTC), zone="Europe/Berlin")
@example(start=datetime(2024, 10, 27, 1, 30, tzinfo=UTC), zone="Europe/Berlin")
@example(start=datetime(2024, 3, 31, 1, tzinfo=UTC), zone="Europe/Berlin")
@example(start=datetime(2024, 4, 6, 15, 15, tzinfo=UTC), zone="Australia/Lord_Howe")
@example(start=datetime(2011, 12, 30, 10, tzinfo=UTC), zone="Pacific/Apia")
def test_calendar_programs_read_the_instant_that_is_meant(start: datetime, zone: str) -> None:
    """By the zone's rules as the file has them, not by the program's own."""
    content = calendar_files.own(appointment(start=start), "Clinic", zone).decode()
    [event] = Calendar.from_ical(content).events
    for name, instant in (("DTSTART", start), ("DTEND", start + timedelta(hours=1))):
        told = value(event, name)
        if "TZID" not in told.params:
            assert told.dt == instant
            continue
        rules = tz.tzical(io.StringIO(content)).get(told.params["TZID"])
        assert told.dt.replace(tzinfo=rules).astimezone(UTC) == instant


def feed_of(host: str, appointments: list[Appointment], zone: str) -> bytes:
    years = {each.start_time.year for each in appointments}
    file = calendar_files.Feed(host, zone, (min(years), max(years)))
    return file.whole(file.part([each]) for each in appointments)


@settings(max_examples=60)
@given(name=NASTY, notes=NASTY, host=NASTY)
def test_what_people_typed_stays_in_its_field(name: str, notes: str, host: str) -> None:
    about = appointment(client_name=name, client_notes=notes)
    feed = feed_of(host, [about, about.model_copy(update={"id": "apt_2"})], "Europe/Berlin")
    invitation = calendar_files.invitation(
        about, host, "Europe/Berlin", method="REQUEST", organizer=SENDER, url=None
    )
    for content, events in ((feed, 2), (invitation, 1)):
        lines = content.split(b"\r\n")
        assert lines.pop() == b""
        assert max(map(len, lines)) <= 75
        assert not [line for line in lines if any(byte < 32 and byte != 9 for byte in line)]
        # A program that breaks lines wherever Unicode has one reads the same.
        assert content.decode().splitlines() == [line.decode() for line in lines]
        parsed = Calendar.from_ical(content)
        assert len(parsed.events) == events
        assert not parsed.errors
        other = vobject.readOne(content.decode())
        assert len(other.vevent_list) == events
        for shown in ("name", "x-wr-calname"):
            assert other.contents[shown][0].value == one_line(host)
        for event, twin in zip(parsed.events, other.vevent_list, strict=True):
            assert not event.errors
            assert event["SUMMARY"] == twin.summary.value
            assert (
                value(event, "SUMMARY").split()
                == (
                    f"Tax Consultation: {one_line(name)}"
                    if events == 2
                    else f"Tax Consultation, {one_line(host)}"
                ).split()
            )
            assert event.keys() - {"ATTENDEE", "ORGANIZER", "DESCRIPTION"} == {
                "UID",
                "SEQUENCE",
                "DTSTAMP",
                "CREATED",
                "LAST-MODIFIED",
                "DTSTART",
                "DTEND",
                "SUMMARY",
                "STATUS",
            }
    assert Calendar.from_ical(invitation).events[0]["ATTENDEE"].params["CN"] == one_line(name)


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


def test_a_cancelled_appointment_leaves_the_time_free() -> None:
    for status, transparent in (("confirmed", None), ("pending", None), ("cancelled", "TRANSPARENT")):
        about = appointment(status=status)
        for content in (
            calendar_files.own(about, "Clinic", "UTC"),
            feed_of("Clinic", [about], "UTC"),
            calendar_files.invitation(about, "Clinic", "UTC", method="CANCEL", organizer=SENDER, url=None),
        ):
            [event] = Calendar.from_ical(content).events
            assert event.get("TRANSP") == transparent


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


def test_the_clocks_of_vancouver_are_spelled_out_as_they_are() -> None:
    """In the years around their last change there is no pair of rules; afterwards there is one offset."""
    start = datetime(2027, 1, 15, 16, tzinfo=UTC)
    content = calendar_files.own(appointment(start=start), "Clinic", "America/Vancouver")
    assert b"DTSTART:20270115T160000Z" in content
    content = calendar_files.own(appointment(start=start.replace(year=2029)), "Clinic", "America/Vancouver")
    assert b"DTSTART;TZID=America/Vancouver:20290115T090000" in content
    assert b"TZOFFSETTO:-0700" in content
    assert b"DAYLIGHT" not in content


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/Dublin"])
def test_a_zone_is_one_pair_of_yearly_rules(zone: str) -> None:
    """Some programs, Outlook among them, understand nothing else."""
    content = calendar_files.own(appointment(), "Clinic", zone)
    [spelled] = Calendar.from_ical(content).timezones
    assert sorted(part.name for part in spelled.subcomponents) == ["DAYLIGHT", "STANDARD"]
    for observance in spelled.subcomponents:
        assert value(observance, "RRULE")["FREQ"] == ["YEARLY"]
        assert "RDATE" not in observance


def test_a_zone_without_such_rules_is_told_in_utc() -> None:
    """Morocco's clocks go by the moon."""
    content = calendar_files.own(appointment(), "Clinic", "Africa/Casablanca")
    assert b"VTIMEZONE" not in content
    assert b"DTSTART:20240125T140000Z" in content

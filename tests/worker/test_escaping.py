"""What people typed, as mails and calendar files have it: shown, and not obeyed."""

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32
from email.utils import getaddresses
from html.parser import HTMLParser

import pytest
import vobject
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from kalends.delivery import calendar_files
from kalends.delivery.plain_text import one_line
from tests.support.components import value
from tests.support.letters import BASE, SENDER, appointment, feed_of, letter, part, read, sent

EXPECTED = [
    "Subject",
    "From",
    "To",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Reply-To",
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


@pytest.mark.slow
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
    assert html.links == [f"{BASE}/staff/appointments/apt_1" if to_staff else f"{BASE}/manage/token"]
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


@pytest.mark.slow
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

"""Writing mails in the reader's language, as text and HTML, with the part for calendar programs."""

import re
from collections.abc import Callable
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, make_msgid, quote
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from kalends.delivery import calendar_files
from kalends.delivery.labels import SEE, label
from kalends.delivery.mailboxes import deliverable, in_ascii
from kalends.delivery.places import where_of
from kalends.delivery.plain_text import lines, one_line
from kalends.schemas.appointments import QuestionAnswer
from kalends.schemas.letters import Clash, Letter
from kalends.schemas.links import manage_url
from kalends.words.dates import moment_in_words
from kalends.words.languages import language_of, locale_of
from kalends.words.sentences import marked
from kalends.words.sentences import translate as _

_HERE = Path(__file__).parent
_SHORT = 60
"""How long a name may be to fit into one line."""
_WITHOUT_CALENDAR = frozenset({"asked", "reminder"})
_WITH_BEFORE = frozenset({"moved", "requested"})
_GONE = frozenset({"cancelled", "expired", "former"})
_SUBJECTS = {
    "asked": "Please confirm your booking: {what}",
    "confirmed": "Your appointment is confirmed: {what}",
    "requested": "We have received your request: {what}",
    "moved": "Your appointment was moved: {what}",
    "reassigned": "Your appointment is with somebody else: {what}",
    "cancelled": "Your appointment was cancelled: {what}",
    "expired": "Your request was not confirmed in time: {what}",
    "former": "No longer under this e-mail address: {what}",
    "reminder": "Reminder: {what}",
}
_OPENINGS = {
    "asked": (
        "Please confirm this booking by the link below. Its time is kept for you until then: {until}",
        "If you did not ask for it, you need not do anything.",
    ),
    "confirmed": ("Your appointment is confirmed.",),
    "requested": ("We have received your request. You will hear from us when it is confirmed.",),
    "moved": ("Your appointment was moved.",),
    "reassigned": (),  # but for _PERSON
    "cancelled": ("Your appointment was cancelled.",),
    "expired": ("We are sorry: your request was not confirmed in time, so it was cancelled.",),
    "former": (
        "This appointment is no longer kept under this e-mail address. It is taken out of your calendar, and "
        "links in earlier mails no longer work.",
        "If that is a mistake, please get in touch with us.",
    ),
    "reminder": ("This is a reminder of your appointment.",),
    "clash": ("{calendar} is busy elsewhere at the time of this appointment. The appointment stands.",),
}
"""The first words to a client, after the salutation, and to staff if something is odd: a paragraph each."""
_PERSON = marked("Your appointment is now with: {person}")
_LINKS = {"asked": "See, confirm or cancel it here:"}
_LINK = "See, move or cancel it here:"
_TOO_LATE = marked("To move or cancel it, please get in touch with us: {contact}")
_CONTACT = marked("You can reach us at: {contact}")
_STAFF_SUBJECTS = {
    "confirmed": "Booked: {what}",
    "requested": "To be confirmed: {what}",
    "moved": "Moved: {what}",
    "cancelled": "Cancelled: {what}",
    "expired": "Not confirmed in time: {what}",
    "clash": "Busy elsewhere: {what}",
}
_OTHERS = marked("It is also busy during other appointments, which stand, too ({count})")
_CHECKED = {True: "Yes", False: "No"}


def written(letter: Letter, sender: str, now: datetime, base: str) -> EmailMessage:
    """Write a mail from `sender`. `base` is the server's address, where links lead, if it is known."""
    language, sender = language_of(letter.language), in_ascii(sender)
    recipient = deliverable(letter.address)
    link = _link(letter, base)
    subjects = _STAFF_SUBJECTS if letter.to_staff else _SUBJECTS
    shown = _shown(letter, language, link)
    template = "staff" if letter.to_staff else "client"
    subject = _(language, subjects[letter.occasion]).format(what=f"{shown['what']}, {shown['when']}")
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _subject(subject)
    mail["From"] = _mailbox("From", letter.host, sender)
    mail["To"] = _mailbox("To", letter.name, recipient)
    if (answer_to := _answerable(letter.reply_to)) is not None:
        answerer = letter.appointment.client_name if letter.to_staff else letter.host
        mail["Reply-To"] = _mailbox("Reply-To", answerer, answer_to)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    environment = _environment(language)
    mail.set_content(environment.get_template(f"{template}.txt").render(shown))
    mail.add_alternative(environment.get_template(f"{template}.html").render(shown), subtype="html")
    if not letter.to_staff and letter.occasion not in _WITHOUT_CALENDAR:
        _attach_calendar(mail, letter, sender, recipient, link)
    mail["Content-Language"] = language  # of the whole: before, it would go to the first part only
    return mail


def trial(address: str, host: str, sender: str, now: datetime) -> EmailMessage:
    """Write a mail that only says that mails arrive, from `sender`, shown as `host`. Raises ValueError if the
    address is none."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _subject(f"Test mail from {host}")
    mail["From"] = _mailbox("From", host, sender)
    mail["To"] = _mailbox("To", address, deliverable(address))
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("This is a test: mails from Kalends arrive at this address.\n")
    return mail


def _link(letter: Letter, base: str) -> str | None:
    """Return where the client's own link leads; None if there is none, or nobody knows."""
    if letter.link is None or not (base or letter.link_template):
        return None
    return manage_url(letter.link, letter.link_template, base)


def _shown(letter: Letter, language: str, link: str | None) -> dict[str, Any]:
    """Return what templates show. What people typed is in one line, or in the lines that are quoted."""
    about, locale, occasion = letter.appointment, locale_of(letter.language), letter.occasion

    def when(instant: datetime | None) -> str | None:
        return None if instant is None else moment_in_words(instant, letter.timezone, locale)

    until, told, clash = when(about.expires_at), letter.particulars, letter.clash
    calendar = None if clash is None else one_line(clash.calendar)
    person = None if letter.person is None else one_line(letter.person)
    opening = (*_OPENINGS[occasion], *((_PERSON,) if person else ()))
    contact = _contact(letter, language, has_link=link is not None)
    return {
        "language": language,
        "opening": [
            _(language, each).format(until=until, calendar=calendar, person=person) for each in opening
        ],
        "name": one_line(letter.name),
        "host": one_line(letter.host),
        "what": one_line(about.appointment_type.name),
        "color": about.appointment_type.color,
        "when": when(about.start_time),
        "before": when(letter.before) if letter.to_staff or occasion in _WITH_BEFORE else None,
        "busy": None if clash is None else (when(clash.start), when(clash.end)),
        "others": [] if clash is None else _others(clash, language, when),
        "where": where_of(told.place, about, language, to_staff=letter.to_staff),
        "host_phone": None if contact else one_line(told.phone or ""),
        "text": _quoted(told.text),
        "confirm_by": until if occasion == "requested" else None,
        "reason": _quoted(calendar_files.reason_of(about)),
        "client": one_line(about.client_name),
        "email": one_line(about.client_email or ""),
        "phone": one_line(about.client_phone or ""),
        "notes": _quoted(about.client_notes),
        "answers": [(one_line(each.label), _quoted(_given(each, language))) for each in about.answers],
        "id": about.id,
        "link": link,
        "link_label": _(language, _LINKS.get(occasion, _LINK if letter.changeable else SEE)),
        "contact": contact,
    }


def _others(clash: Clash, language: str, when: Callable[[datetime], str | None]) -> list[str]:
    """Return how many other appointments clash, and which, as far as they are known; nothing if none."""
    if not clash.many:
        return []
    listed = [
        f"{when(each.start_time)}, {one_line(each.appointment_type.name)}, {one_line(each.client_name)}"
        for each in clash.others
    ]
    more = ["…"] if clash.many > len(listed) else []
    return [label(language, _(language, _OTHERS).format(count=clash.many)), *listed, *more]


def _contact(letter: Letter, language: str, *, has_link: bool) -> str | None:
    """Return how to reach the organization, for those whom no link helps: if it can't be moved or cancelled
    by one, or is gone. Returns None if that is not known."""
    gone = letter.occasion in _GONE
    known = [one_line(each) for each in (letter.particulars.phone, letter.particulars.email) if each]
    if not known or (has_link and letter.changeable and not gone):
        return None
    return _(language, _CONTACT if gone else _TOO_LATE).format(contact=", ".join(known))


def _quoted(text: str | None) -> list[str]:
    """Return the lines of a text."""
    return [] if text is None else lines(text).split("\n")


def _given(answer: QuestionAnswer, language: str) -> str:
    given = answer.answer
    return _(language, _CHECKED[given]) if isinstance(given, bool) else str(given)


def _attach_calendar(
    mail: EmailMessage, letter: Letter, sender: str, recipient: str, link: str | None
) -> None:
    method: Literal["REQUEST", "CANCEL"] = "CANCEL" if letter.occasion in _GONE else "REQUEST"
    file = calendar_files.invitation(
        letter.appointment.model_copy(update={"client_email": recipient}),
        letter.host,
        letter.timezone,
        method=method,
        organizer=sender,
        url=link,
        particulars=letter.particulars,
    )
    mail.add_alternative(
        file.decode(), subtype="calendar", params={"method": method, "name": "appointment.ics"}
    )


class _Header(str):
    """A header that is sent as it is. The standard library would parse it and write it again, and turn names
    that are long, or look encoded, into other addresses and other headers."""

    name: str

    def fold(self, *, policy: Policy) -> str:
        """Return the header's line, as `email.policy` asks of every header."""
        return f"{self.name}: {self}{policy.linesep}"


def _subject(text: str) -> _Header:
    text = one_line(text)
    charset = "us-ascii" if _is_plain(text) else "utf-8"
    return _header("Subject", Header(text, charset, header_name="Subject").encode(linesep="\r\n"))


def _mailbox(name: str, shown: str, address: str) -> _Header:
    """Return a header of one address, shown by a name."""
    shown = one_line(shown)
    if _is_plain(shown) and len(shown) <= _SHORT:
        encoded = f'"{quote(shown)}"'
    else:
        encoded = Header(shown, "utf-8", header_name=name).encode(linesep="\r\n")
    return _header(name, f"{encoded}\r\n <{address}>")


def _answerable(address: str | None) -> str | None:
    """Return an address that every reader can answer to, whatever their mail server supports; else None."""
    known = None if address is None else in_ascii(address)
    return known if known is not None and re.fullmatch(r"[!-~]+", known) else None


def _is_plain(text: str) -> bool:
    """Return whether a text needs no encoding, and does not look encoded."""
    return text.isascii() and "=?" not in text


def _header(name: str, value: str) -> _Header:
    header = _Header(value)
    header.name = name
    return header


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["_"] = lambda sentence: _(language, sentence)
    environment.globals["label"] = partial(label, language)
    return environment

"""Writing mails out, in the client's language, as text and HTML, with the part calendar programs take
over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, make_msgid, quote
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_gmt, get_timezone_name
from babel.messages.pofile import read_po
from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from kalends.delivery import calendar_files
from kalends.delivery.plain_text import one_line
from kalends.schemas.letters import Letter

_HERE = Path(__file__).parent
LANGUAGES = ("en", "es", "fr", "de", "pt")
_NAMED = 2024
"""In this year places had the offsets that Babel's names of their zones say."""
_SHORT = 60
"""A name that fits into one line."""
_SUBJECTS = {
    "confirmed": "Your appointment is confirmed: {what}",
    "requested": "We have received your request: {what}",
    "moved": "Your appointment was moved: {what}",
    "cancelled": "Your appointment was cancelled: {what}",
    "expired": "Your request was not confirmed in time: {what}",
    "reminder": "Reminder: {what}",
}
_STAFF_SUBJECTS = {
    "confirmed": "Booked: {what}",
    "requested": "To be confirmed: {what}",
    "moved": "Moved: {what}",
    "cancelled": "Cancelled: {what}",
    "expired": "Not confirmed in time: {what}",
}


def language_of(tag: str) -> str:
    """The language mails are written in for a BCP 47 tag, by lookup (RFC 4647, section 3.4): the tag is
    shortened until it fits."""
    parts = tag.lower().split("-")
    while parts:
        if "-".join(parts) in LANGUAGES:
            return "-".join(parts)
        parts.pop()
    return LANGUAGES[0]


def deliverable(address: str) -> str:
    """The address as every mail server takes it, as far as it has such a form: its domain has one."""
    known = validate_email(address, check_deliverability=False)
    return f"{known.local_part}@{known.ascii_domain}"


def written(letter: Letter, sender: str, now: datetime, base: str) -> EmailMessage:
    """The mail: it comes from `sender`; `base` is the server's address, where links lead if it is known."""
    language = language_of(letter.language)
    link = f"{base}/v1/public/appointments/{letter.link}" if base and letter.link else None
    subjects = _STAFF_SUBJECTS if letter.to_staff else _SUBJECTS
    when = _when(letter, letter.appointment.start_time, language)
    shown = {
        "letter": letter,
        "appointment": letter.appointment,
        "link": link,
        "when": when,
        "before": None if letter.before is None else _when(letter, letter.before, language),
        "confirm_by": None
        if letter.appointment.expires_at is None
        else _when(letter, letter.appointment.expires_at, language),
        "language": language,
    }
    template = "staff" if letter.to_staff else "client"
    subject = _("en" if letter.to_staff else language, subjects[letter.occasion]).format(
        what=f"{letter.appointment.appointment_type.name}, {when}"
    )
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _subject(subject)
    mail["From"] = _mailbox("From", letter.host, sender)
    mail["To"] = _mailbox("To", letter.name, deliverable(letter.address))
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    environment = _environment(language)
    mail.set_content(environment.get_template(f"{template}.txt").render(shown))
    mail.add_alternative(environment.get_template(f"{template}.html").render(shown), subtype="html")
    if not letter.to_staff and letter.occasion != "reminder":
        _attach_calendar(mail, letter, sender, link)
    mail["Content-Language"] = language  # of the whole: before, it would go to the first part only
    return mail


def trial(address: str, host: str, sender: str, now: datetime) -> EmailMessage:
    """A mail that only says that mails arrive, from `sender`, shown as `host`. Raises ValueError where the
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


def _attach_calendar(mail: EmailMessage, letter: Letter, sender: str, link: str | None) -> None:
    gone = letter.occasion in ("cancelled", "expired")
    file = calendar_files.invitation(
        letter.appointment,
        letter.host,
        letter.timezone,
        method="CANCEL" if gone else "REQUEST",
        organizer=sender,
        url=link,
    )
    mail.add_alternative(
        file.decode(),
        subtype="calendar",
        params={"method": "CANCEL" if gone else "REQUEST", "name": "appointment.ics"},
    )


def _when(letter: Letter, instant: datetime, language: str) -> str:
    """Always with the zone's name: whoever reads it may be elsewhere."""
    locale = Locale.parse(language)
    try:
        zone, local = letter.timezone, instant.astimezone(ZoneInfo(letter.timezone))
    except OverflowError:  # the first or the last day of the calendar has no such time
        zone, local = "UTC", instant
    day = format_date(local, "full", locale=locale)
    clock = format_time(local, "short", tzinfo=local.tzinfo, locale=locale)
    return f"{day}, {clock} ({_zone_name(local, locale)}, {zone})"


def _zone_name(local: datetime, locale: Locale) -> str:
    """What people call the time of `local`, or its offset if the zone's names are those of other offsets:
    Babel's names stay what they are when a place moves its clocks for good."""
    standard = _standard(local)
    if standard != _standard(local.replace(year=_NAMED, month=1, day=1)):
        return get_timezone_gmt(local, locale=locale)
    # Daylight is when clocks are ahead: the tz database says it the other way round of Ireland.
    ahead = (local.utcoffset() or timedelta()) > standard
    return get_timezone_name(local, locale=locale, zone_variant="daylight" if ahead else "standard")


def _standard(local: datetime) -> timedelta:
    """The least offset of that year. (In Morocco clocks are ahead but for a month that wanders.)"""
    return min(local.replace(month=month, day=1).utcoffset() or timedelta() for month in range(1, 13))


class _Header(str):
    """A header that is sent as it stands. The standard library would write it anew from what it reads in it,
    and of names that are long, or look like encoded ones, it makes other addresses and other headers."""

    name: str

    def fold(self, *, policy: Policy) -> str:
        """What `email.policy` asks of whatever is a header already."""
        return f"{self.name}: {self}{policy.linesep}"


def _subject(text: str) -> _Header:
    text = one_line(text)
    charset = "us-ascii" if _is_plain(text) else "utf-8"
    return _header("Subject", Header(text, charset, header_name="Subject").encode(linesep="\r\n"))


def _mailbox(name: str, shown: str, address: str) -> _Header:
    """One address, shown by a name."""
    shown = one_line(shown)
    if _is_plain(shown) and len(shown) <= _SHORT:
        encoded = f'"{quote(shown)}"'
    else:
        encoded = Header(shown, "utf-8", header_name=name).encode(linesep="\r\n")
    return _header(name, f"{encoded}\r\n <{address}>")


def _is_plain(text: str) -> bool:
    """Whether it needs no encoding, and does not look encoded."""
    return text.isascii() and "=?" not in text


def _header(name: str, value: str) -> _Header:
    made = _Header(value)
    made.name = name
    return made


def _(language: str, sentence: str) -> str:
    return _catalogue(language).get(sentence, sentence)


@cache
def _catalogue(language: str) -> Mapping[str, str]:
    path = _HERE / "locale" / f"{language}.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id and entry.string}


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
    return environment

"""Writing mails in the reader's language, as text and HTML, with the part for calendar programs."""

from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Literal

from kalends.delivery import calendar_files
from kalends.delivery.envelopes import answerable, envelope, fill, mailbox
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
_STAFF_LINK = marked("See it on the pages for staff:")
_STAFF_REQUEST = marked("Confirm or decline it on the pages for staff:")
_CHECKED = {True: "Yes", False: "No"}


def written(letter: Letter, sender: str, now: datetime, base: str) -> EmailMessage:
    """Write a mail from `sender`. `base` is the server's address, where links lead, if it is known."""
    language, sender = language_of(letter.language), in_ascii(sender)
    recipient = deliverable(letter.address)
    link = _link(letter, base)
    links = _staff_links(letter, base)
    subjects = _STAFF_SUBJECTS if letter.to_staff else _SUBJECTS
    shown = _shown(letter, language, link) | links
    template = "staff" if letter.to_staff else "client"
    subject = _(language, subjects[letter.occasion]).format(what=f"{shown['what']}, {shown['when']}")
    mail = envelope(subject, letter.host, sender, letter.name, recipient, now, id_=letter.id)
    if (answer_to := answerable(letter.reply_to)) is not None:
        answerer = letter.appointment.client_name if letter.to_staff else letter.host
        mail["Reply-To"] = mailbox("Reply-To", answerer, answer_to)
    fill(mail, template, language, shown)
    if not letter.to_staff and letter.occasion not in _WITHOUT_CALENDAR:
        _attach_calendar(mail, letter, sender, recipient, link)
    mail["Content-Language"] = language  # of the whole: before, it would go to the first part only
    return mail


def _link(letter: Letter, base: str) -> str | None:
    """Return where the client's own link leads; None if there is none, or nobody knows."""
    if letter.link is None or not (base or letter.link_template):
        return None
    return manage_url(letter.link, letter.link_template, base)


def _staff_links(letter: Letter, base: str) -> dict[str, Any]:
    """Return where links in a mail to staff lead: to the appointment's page, and to that of a request which
    its reader may decide about. Each is None if there is none, or nobody knows."""
    is_known = letter.to_staff and base
    waits = letter.occasion == "requested" and letter.decision is None
    return {
        "page": f"{base}/staff/appointments/{letter.appointment.id}" if is_known else None,
        "page_label": _(language_of(letter.language), _STAFF_REQUEST if waits else _STAFF_LINK),
        "decision": f"{base}/staff/requests/{letter.decision}" if is_known and letter.decision else None,
    }


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

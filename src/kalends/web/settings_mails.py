"""The mails that were sent and that are to be sent, and sending one once more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, IdempotencyKeyReused
from kalends.core.event_types import PERSON_MAILED
from kalends.schemas.mails import Mail, MailAnswer, MailsQuery
from kalends.services.leaving import mails
from kalends.services.outbox.mailing import PERSON
from kalends.web import plain_sheets, problems, staff_problems
from kalends.web.forms import form_of, validated
from kalends.web.grids import at
from kalends.web.plain_sheets import PlainSheet
from kalends.web.readers import Reader
from kalends.web.sent import Name, id_in
from kalends.web.settings_deliveries import STATUSES
from kalends.web.settings_pages import settings_page
from kalends.web.staff_pages import key_in
from kalends.web.staff_visits import Entered, EnteredCall, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

router = APIRouter(prefix="/staff/settings/mails", include_in_schema=False)

PATH = "/staff/settings/mails"
_EVENTS: Mapping[str, str] = {
    "appointment.created": marked("Booked"),
    "appointment.confirmed": marked("Confirmed"),
    "appointment.rescheduled": marked("Moved"),
    "appointment.cancelled": marked("Cancelled"),
    "calendar.clashes": marked("Busy elsewhere"),
    "booking.asked": marked("Please confirm"),
    PERSON_MAILED: marked("Link to sign in"),
}
_AUDIENCES: Mapping[str, str] = {
    "client": marked("The client"),
    "staff": marked("Staff"),
    "reminder": marked("Reminder"),
    "former": marked("The client's former address"),
    PERSON: marked("Somebody of the staff"),
}
_ONCE = marked("A link to sign in is mailed once. Make another on the page of the person.")
_EARLY = marked("This mail is sent when its time comes.")
_UNWANTED = marked(
    "It can't be sent again: the appointment was changed, cancelled or is over, or there is no address."
)
_NO_SERVER = marked("This server sends no mails. Whoever runs it can change that.")


@dataclass(frozen=True, slots=True)
class Row:
    """A mail in words: about what, to whom, what became of it, and when it was written and tried."""

    mail: Mail
    href: str
    about: str
    whom: str
    status: str
    made: str
    tried: str
    following: str
    answer: str


@router.get("")
async def see_all(call: Entered) -> Response:
    """List mails, newest first: of one status, or about one appointment, if that is asked for."""
    query = call.request.query_params
    asked = {
        "status": query["status"] if query.get("status") in STATUSES else None,
        "appointment": id_in(query.get("appointment")),
        "cursor": id_in(query.get("cursor")),
    }
    reader = at(reader_of(call), PATH, **asked)
    wanted = {"status": asked["status"], "appointment_id": asked["appointment"], "cursor": asked["cursor"]}
    sent = {name: value for name, value in wanted.items() if value is not None}
    page = validated(MailsQuery, sent | {"limit": plain_sheets.PAGE})
    found = await call.db.read(mails.page, call.org_id, page, of_people=call.member.may("admin"))
    return settings_page(
        call,
        "staff/settings/mails.html",
        reader.say("Mails"),
        reader,
        room="mails",
        rows=[_row(each, call, reader) for each in found.mails],
        ways=[
            (
                reader.say(words),
                reader.here(status=name or None, cursor=None),
                name == (asked["status"] or ""),
            )
            for name, words in (("", marked("Any")), *STATUSES.items())
        ],
        every=reader.link(PATH) if asked["appointment"] else None,
        following=found.next_cursor and reader.here(cursor=found.next_cursor),
        sends_mails=call.settings.mail,
    )


@router.get("/{mail_id}")
async def see(mail_id: Name, call: Entered) -> Response:
    """Show a mail, and what became of it."""
    of_people = call.member.may("admin")
    return _mail(call, await call.db.read(mails.get, call.org_id, mail_id, of_people=of_people))


@router.get("/{mail_id}/replay")
async def back(mail_id: Name, call: Entered) -> Response:
    """Lead to the mail, whose page has the button."""
    return lead_to(call, reader_of(call).link(f"{PATH}/{mail_id}"))


@router.post("/{mail_id}/replay")
async def replay(mail_id: Name, change: EnteredWriting) -> Response:
    """Send a mail once more, once for each form, and lead to the one that is sent."""
    of_people = change.member.may("admin")
    before = await change.db.read(mails.get, change.org_id, mail_id, of_people=of_people)
    form = await form_of(change.request)
    reader = reader_of(change)
    try:
        once = change.for_form(f"mail:{key_in(form)}")
        answer = await once.make(
            MailAnswer.of,
            mails.replay,
            change.party,
            mail_id,
            change.real_now,
            of_people=of_people,
            mail=change.settings.mail,
        )
    except (Conflict, IdempotencyKeyReused) as refusal:
        sheet = PlainSheet({}).refused(refusal, reader, {}, {"conflict": _why_not(change, before, refusal)})
        return _mail(change, before, sheet, status=problems.noted(change.request, refusal))
    sent = MailAnswer.model_validate_json(bytes(answer.body)).mail
    return lead_to(change, reader.link(f"{PATH}/{sent.id}"))


def _why_not(call: EnteredCall, mail: Mail, refusal: Conflict | IdempotencyKeyReused) -> str:
    if mail.audience == PERSON:
        return _ONCE
    if not call.settings.mail:
        return _NO_SERVER
    return _EARLY if "at" in refusal.details else _UNWANTED


def _mail(call: EnteredCall, mail: Mail, sheet: PlainSheet | None = None, status: int = 200) -> Response:
    reader = reader_of(call)
    about = mail.appointment_id
    row = _row(mail, call, reader)
    return settings_page(
        call,
        "staff/settings/mail.html",
        f"{row.about}: {row.whom}",
        reader,
        room="mails",
        status=status,
        sheet=sheet or PlainSheet({}),
        row=row,
        is_once=mail.audience == PERSON,
        back=reader.link(PATH),
        appointment=about and reader.link(f"/staff/appointments/{about}"),
        others=about and reader.link(PATH, appointment=about),
        replay=reader.link(f"{PATH}/{mail.id}/replay"),
    )


def _row(mail: Mail, call: EnteredCall, reader: Reader) -> Row:
    def time(moment: datetime | None) -> str:
        return "" if moment is None else staff_problems.moment(moment, reader, call.timezone, call.now)

    answer = mail.error or mail.answer or ""
    if mail.answer_code is not None:
        answer = f"{mail.answer_code} {answer}".strip()
    about = _EVENTS.get(mail.event)
    whom = _AUDIENCES.get(mail.audience)
    return Row(
        mail,
        reader.link(f"{PATH}/{mail.id}"),
        mail.event if about is None else reader.say(about),
        mail.audience if whom is None else reader.say(whom),
        reader.say(STATUSES[mail.status]),
        time(mail.created_at),
        time(mail.last_attempt_at),
        time(mail.next_attempt_at) if mail.status == "pending" else "",
        answer,
    )

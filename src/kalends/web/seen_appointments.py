"""An appointment as its organization's staff see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kalends.core.lifecycle import TRANSITIONS, Status
from kalends.core.requirements import CALENDAR
from kalends.db.database import Tx
from kalends.schemas.appointments import Appointment, HistoryEntry
from kalends.services.booking import appointments, history, undoing
from kalends.services.setup import calendars
from kalends.web.readers import Reader
from kalends.web.staff_days import STATUSES
from kalends.web.staff_pages import shown_span
from kalends.web.staff_problems import moment
from kalends.web.told_history import Telling, Told, who
from kalends.words import dates
from kalends.words.languages import language_of, own_name
from kalends.words.sentences import marked

_YES, _NO = marked("Yes"), marked("No")
_OVER = ("completed", "no_show")
_DEEDS: Mapping[Status, str] = {
    "confirmed": marked("Confirm"),
    "completed": marked("Mark as completed"),
    "no_show": marked("Mark as not attended"),
}
_RESTORE = marked("Take the cancellation back")


@dataclass(frozen=True, slots=True)
class Seen:
    """An appointment with its history, and the names of all calendars of its organization by id, for its
    reader. Times are those of the organization's `zone` (IANA name)."""

    about: Appointment
    history: Sequence[HistoryEntry]
    calendars: Mapping[str, str]
    reader: Reader
    zone: str
    now: datetime

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"/staff/appointments/{self.about.id}"

    @property
    def when(self) -> str:
        """From when to when it is."""
        return shown_span(self.reader, self.about.start_time, self.about.end_time, self.zone)

    @property
    def status(self) -> str:
        """How it stands."""
        return self.reader.say(STATUSES[self.about.status])

    @property
    def day(self) -> str:
        """The address of its day."""
        on = dates.local(self.about.start_time, self.zone).date()
        return self.reader.link(f"/staff/day/{on}")

    @property
    def confirm_by(self) -> str | None:
        """Until when it has to be confirmed, if it has to be."""
        until = self.about.expires_at
        return None if until is None else moment(until, self.reader, self.zone, self.now)

    @property
    def taken(self) -> list[tuple[str | None, str]]:
        """Its calendars: what each is needed for, if that has a name, and how the calendar is called."""
        return [
            (
                None if each.requirement == CALENDAR else each.requirement,
                self.calendars.get(each.calendar_id, each.calendar_id),
            )
            for each in self.about.calendars
        ]

    @property
    def answers(self) -> list[tuple[str, str]]:
        """What was asked, and what was answered."""
        words = {True: self.reader.say(_YES), False: self.reader.say(_NO)}
        return [
            (each.label, words[each.answer] if isinstance(each.answer, bool) else str(each.answer))
            for each in self.about.answers
        ]

    @property
    def language(self) -> str:
        """The language in which the client is written to."""
        return own_name(language_of(self.about.client_language))

    @property
    def deeds(self) -> list[tuple[Status, str]]:
        """What can become of it by a button: the status, and what the button says. What has not begun is not
        over yet, and nothing leads back from that."""
        is_gone, is_ahead = self.about.status == "cancelled", self.now < self.about.start_time
        too_early = _OVER if is_ahead and self.about.status not in _OVER else ()
        return [
            (each, self.reader.say(_RESTORE if is_gone else _DEEDS[each]))
            for each in TRANSITIONS[self.about.status]
            if each in _DEEDS and each not in too_early
        ]

    @property
    def can_cancel(self) -> bool:
        """Whether it can be cancelled."""
        return "cancelled" in TRANSITIONS[self.about.status]

    @property
    def undo_seconds(self) -> int:
        """For how many seconds more its cancellation can be undone; 0 if it can't be."""
        return undoing.seconds_left(self.about, self.history[-1], self.now)

    @property
    def told(self) -> list[Told]:
        """Its history, the latest first."""
        return Telling(self.reader, self.zone, self.calendars).of(self.history)

    @property
    def changed_by(self) -> str:
        """Who changed it last, as the beginning of a sentence."""
        return who(self.history[-1].actor, self.reader)


def seen(tx: Tx, org_id: str, appointment_id: str, reader: Reader, zone: str, now: datetime) -> Seen:
    """Return an appointment for its reader. Raises NotFound."""
    about = appointments.get(tx, org_id, appointment_id, now)
    told = history.of(tx, org_id, appointment_id, now)
    return Seen(about, told, calendars.names(tx, org_id), reader, zone, now)

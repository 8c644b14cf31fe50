"""An appointment as its client's own page shows it: how it stands, when and where it is, and what can be
done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode, urlsplit

from kalends.core.lifecycle import CONFIRMATION_EXPIRED
from kalends.schemas.appointments import Appointment, QuestionAnswer
from kalends.schemas.public import changeable_until
from kalends.services.booking.confirmations import UNCONFIRMED
from kalends.web.kinds import Kind
from kalends.web.readers import Reader
from kalends.words import dates
from kalends.words.sentences import marked

State = Literal[
    "unconfirmed", "requested", "confirmed", "over", "completed", "no_show", "cancelled", "expired"
]
_STATES: Mapping[State, str] = {
    "unconfirmed": marked("Not confirmed yet"),
    "requested": marked("Requested"),
    "confirmed": marked("Confirmed"),
    "over": marked("Over"),
    "completed": marked("Over"),
    "no_show": marked("Not attended"),
    "cancelled": marked("Cancelled"),
    "expired": marked("Not confirmed in time"),
}
_OPEN = frozenset({"unconfirmed", "requested", "confirmed"})
_GONE = frozenset({"cancelled", "expired"})
_YES, _NO = marked("Yes"), marked("No")
_MAP = "https://www.openstreetmap.org/search"


@dataclass(frozen=True, slots=True)
class When:
    """Day and time of an appointment on the clocks of a zone, and the zone's name."""

    words: str
    zone: str


@dataclass(frozen=True, slots=True)
class OwnAppointment:
    """An appointment, its type and its reader, at `now`. `is_offered` tells whether clients can book another
    of that type."""

    about: Appointment
    kind: Kind
    is_offered: bool
    now: datetime

    @property
    def state(self) -> State:
        """How it stands."""
        about = self.about
        match about.status:
            case "pending":
                return "unconfirmed" if about.version == UNCONFIRMED else "requested"
            case "cancelled":
                return "expired" if about.cancellation_reason == CONFIRMATION_EXPIRED else "cancelled"
            case "confirmed" if about.end_time <= self.now:
                return "over"
            case known:
                return known

    @property
    def status(self) -> str:
        """How it stands, in a word or two."""
        return self._reader.say(_STATES[self.state])

    @property
    def is_open(self) -> bool:
        """Whether it is still ahead, or under way, and stands."""
        return self.state in _OPEN

    @property
    def is_gone(self) -> bool:
        """Whether it does not take place."""
        return self.state in _GONE

    @property
    def until(self) -> datetime:
        """Until when its client may cancel or move it."""
        return changeable_until(self.about, self.kind.host)

    @property
    def can_cancel(self) -> bool:
        """Whether its client may cancel it now."""
        return self.is_open and self.now <= self.until

    @property
    def can_move(self) -> bool:
        """Whether its client may move it now."""
        return self.can_cancel and self.state != "unconfirmed"

    @property
    def can_correct(self) -> bool:
        """Whether its client may correct what they have said."""
        return self.state in ("requested", "confirmed")

    @property
    def zone(self) -> str:
        """The zone (IANA name) in which its times are told: the organization's if people meet at a place,
        else the one that the reader asks for, or that the client booked in. If nobody says where it is, it is
        as in mails."""
        theirs, own = self.kind.host.timezone, self.about.client_timezone
        if self.kind.type_.location is None:
            return own or theirs
        return theirs if self.kind.is_in_person else self._reader.zone or own or theirs

    @property
    def when(self) -> When:
        """Day and time for its reader."""
        return self._when(self.zone)

    @property
    def there(self) -> When | None:
        """Day and time where the organization is, if its clocks show another time."""
        theirs, about = self.kind.host.timezone, self.about
        if all(
            dates.local(each, theirs).utcoffset() == dates.local(each, self.zone).utcoffset()
            for each in (about.start_time, about.end_time)
        ):
            return None
        return self._when(theirs)

    @property
    def place_there(self) -> str:
        """What the organization's zone is named after: `Berlin`."""
        return dates.place(self.kind.host.timezone, self._reader.locale)

    def moment(self, instant: datetime) -> str:
        """Return a day and time for its reader: `Thu 3 Dec, 9:00`."""
        when, today = dates.local(instant, self.zone), dates.local(self.now, self.zone)
        return f"{self._reader.short_day(when.date(), today.date())}, {self._reader.time(when)}"

    @property
    def confirm_by(self) -> str | None:
        """Until when it has to be confirmed, if it has to be."""
        return None if self.about.expires_at is None else self.moment(self.about.expires_at)

    @property
    def person(self) -> str | None:
        """With whom it is, if clients may choose that."""
        person = self.kind.person(self.about.calendar_id)
        return None if person is None else person.name

    @property
    def address(self) -> str | None:
        """The address to which the client comes, in lines."""
        location = self.kind.type_.location
        return self.kind.place if location is not None and location.kind == "address" else None

    @property
    def map(self) -> str | None:
        """Where that address is on a map."""
        return self.address and f"{_MAP}?{urlencode({'query': _in_one_line(self.address)})}"

    @property
    def call(self) -> str | None:
        """The link to a call."""
        return self._location("link")

    @property
    def number(self) -> str | None:
        """The phone number that the client calls."""
        return self._location("phone")

    @property
    def in_one_line(self) -> str:
        """Where it is, as calendars want it; blank if nothing is said."""
        return _in_one_line(self.call or self.number or self.kind.place or "")

    @property
    def confirmation_text(self) -> str | None:
        """What is to be known beforehand, in lines, once it is confirmed."""
        return self.kind.confirmation_text if self.state == "confirmed" else None

    @property
    def reason(self) -> str | None:
        """Why it was cancelled, in a person's words."""
        return self.about.cancellation_reason if self.state == "cancelled" else None

    @property
    def answers(self) -> Sequence[tuple[str, str]]:
        """What was asked and what was answered, in its reader's language if the question is still the
        same."""
        return [self._answer(each) for each in self.about.answers]

    @property
    def again(self) -> str | None:
        """The path at which another can be booked, if there is one."""
        host = self.kind.host
        if not host.page:
            return None
        return self.kind.path if self.is_offered else f"/{host.slug}"

    @property
    def next_page(self) -> tuple[str, str] | None:
        """The address of the page that the organization has for those who have booked, and whose it is."""
        address = self.kind.type_.redirect_url
        return None if address is None else (address, urlsplit(address).hostname or address)

    @property
    def _reader(self) -> Reader:
        return self.kind.reader

    def _location(self, kind: str) -> str | None:
        location = self.kind.type_.location
        return location.value if location is not None and location.kind == kind else None

    def _when(self, zone: str) -> When:
        reader = self._reader
        start, end = dates.local(self.about.start_time, zone), dates.local(self.about.end_time, zone)
        last = reader.time(end)
        if end.date() != start.date():
            last = f"{reader.long_day(end.date())}, {last}"
        words = f"{reader.long_day(start.date())}, {reader.time(start)} – {last}"
        return When(words, reader.zone_name(zone, self.about.start_time))

    def _answer(self, given: QuestionAnswer) -> tuple[str, str]:
        label, answer = given.label, given.answer
        if isinstance(answer, bool):
            answer = self._reader.say(_YES if answer else _NO)
        asked = {each.id: each.label for each in self.kind.type_.questions}
        if asked.get(given.id) == label:
            question = next(each for each in self.kind.questions if each.id == given.id)
            label, answer = question.label, dict(question.options).get(str(answer), answer)
        return label, str(answer)


def _in_one_line(text: str) -> str:
    return ", ".join(line.strip(" ,") for line in text.splitlines() if line.strip(" ,"))

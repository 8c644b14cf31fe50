"""Mails before they are written out in their readers' languages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kalends.schemas.appointments import Appointment
from kalends.schemas.offered import Location

Occasion = Literal[
    "asked",
    "confirmed",
    "requested",
    "moved",
    "reassigned",
    "cancelled",
    "expired",
    "former",
    "reminder",
    "clash",
]
"""`asked`: the client has to confirm the booking first. `reassigned`: it is with somebody else now. `former`:
to the client's former address. `clash`: to staff, a calendar is busy elsewhere at that time."""


@dataclass(frozen=True, slots=True)
class Particulars:
    """What an appointment's type and organization say about it. `place` is where it takes place, with the
    organization's address filled in; `text` is what clients read once it is confirmed; `phone` and `email`
    are how they reach the organization. If it is `in_person`, its times are in the organization's zone."""

    place: Location | None = None
    in_person: bool = False
    text: str | None = None
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Clash:
    """From when to when a calendar, by its name, is busy elsewhere. It is so at so `many` other appointments,
    too: these, and perhaps more."""

    calendar: str
    start: datetime
    end: datetime
    others: Sequence[Appointment] = ()
    many: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail about an appointment: to its client, or to staff (`to_staff`). `reply_to` is the other side's
    address, if known. `language` is a BCP 47 tag, `timezone` an IANA name. `before` is when an appointment
    that was moved began. `link` is the token of the client's own link, `link_template` where it leads if the
    organization has pages of its own, and `changeable` whether it still serves to move or cancel the
    appointment. `clash` is what an appointment clashes with. `person` is with whom it is now, as clients call
    them, if that was somebody else. `decision` is the token of a link by which the reader confirms or
    declines a request."""

    id: str
    occasion: Occasion
    to_staff: bool
    address: str
    name: str
    language: str
    timezone: str
    host: str
    appointment: Appointment
    before: datetime | None
    link: str | None
    reply_to: str | None = None
    link_template: str | None = None
    particulars: Particulars = Particulars()
    changeable: bool = True
    clash: Clash | None = None
    person: str | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A mail to somebody of the staff, by its `name`, with a link by which they sign in: its token is `link`,
    and it is good until `until`. `language` is a BCP 47 tag, `timezone` an IANA name."""

    id: str
    address: str
    name: str
    language: str
    timezone: str
    host: str
    link: str
    until: datetime

"""Mails before they are written out in somebody's language."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kalends.schemas.appointments import Appointment

Occasion = Literal["asked", "confirmed", "requested", "moved", "cancelled", "expired", "former", "reminder"]
"""`asked`: its client has to confirm it first. `former`: to an address that was the client's before it was
changed."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail about an appointment: to its client, or to staff (`to_staff`). `reply_to` is the other one's
    address, if known; `language` is a BCP 47 tag, `timezone` an IANA name; `before` is the start of one that
    was moved; `link` is the client's own."""

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

"""What a mail is to be about."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kalends.core.contacts import is_same
from kalends.db.database import AnyRow
from kalends.schemas.appointments import Appointment


@dataclass(frozen=True, slots=True)
class Case:
    """A delivery (with its event's `type` and `payload`), and its appointment as the event left it and as it
    is now."""

    org_id: str
    delivery: AnyRow
    payload: dict[str, Any]
    then: Appointment
    present: Appointment
    now: datetime

    @property
    def by(self) -> str:
        """What kind of actor caused the event."""
        kind: str = self.payload["actor"]["kind"]
        return kind

    @property
    def previous(self) -> dict[str, Any]:
        """What the event changed, as it was before."""
        previous: dict[str, Any] = self.payload.get("previous", {})
        return previous

    @property
    def has_new_reader(self) -> bool:
        """Whether the event brought an address that leads to somebody else."""
        before = self.previous
        return "client_email" in before and not is_same(before["client_email"], self.then.client_email)

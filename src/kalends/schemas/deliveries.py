"""What a worker takes to deliver, and what it brings back."""

from dataclasses import dataclass
from datetime import datetime

from kalends.core.messages import Message, Outcome
from kalends.schemas.letters import Invitation, Letter


@dataclass(frozen=True, slots=True)
class Lease:
    """A receiver that one worker delivers to for a while."""

    id: str
    org_id: str
    receiver_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be made: of a message to a webhook, or of a letter or an invitation by mail."""

    id: str
    attempts: int
    subject: str | None
    content: Message | Letter | Invitation


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be delivered next, where to, and the secrets that sign it, the newest first."""

    url: str
    secrets: tuple[str, ...]
    due: list[Due]


@dataclass(frozen=True, slots=True)
class Tried:
    """A delivery, and the outcome of the attempt at `at`. `chance`, between 0 and 1, spreads the next one."""

    due: Due
    outcome: Outcome
    at: datetime
    chance: float

"""What is kept of a read for the next one, to ask whether anything has changed since."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Self

from kalends.core.hours import DAY, seconds
from kalends.core.sources import SourceAddress


@dataclass(frozen=True, slots=True)
class State:
    """The `question` that was asked; the server's marks of its answer: of a file its `etag` and when it was
    `modified`, of a CalDAV server the `calendar` that was found there and its `token`; and the `digest` of
    what was answered, since many servers give no marks."""

    question: str
    etag: str | None = None
    modified: str | None = None
    calendar: str | None = None
    token: str | None = None
    digest: str | None = None

    @classmethod
    def of(
        cls, text: str | None, address: SourceAddress, window: tuple[datetime, datetime], zone: str
    ) -> Self:
        """Return the state of the last read if it asked the same, or else one that knows nothing."""
        fresh = cls(_question(address, window, zone))
        try:
            kept = json.loads(text or "{}")
            known = cls(**kept) if kept else fresh
        except (ValueError, TypeError):
            return fresh
        return known if known.question == fresh.question else fresh

    def of_answer(self, body: bytes) -> Self:
        """Return the state with the digest of an answer. Some servers write the time of their answer into
        every event."""
        digest = hashlib.sha256()
        for line in body.split(b"\n"):
            if not line.startswith(b"DTSTAMP"):
                digest.update(line)
        return replace(self, digest=digest.hexdigest())

    def __str__(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})


def _question(address: SourceAddress, window: tuple[datetime, datetime], zone: str) -> str:
    """Return what busy times depend on besides the calendar, as a digest. The window is one of these, by its
    days: so a calendar that does not change is read once a day nevertheless, each at another time of day."""
    shift = int.from_bytes(hashlib.sha256(address.url.encode()).digest()[:4]) % DAY
    days = [(seconds(bound) + shift) // DAY for bound in window]
    asked = [address.kind, address.url, address.username, address.free_timed_events, zone, days]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

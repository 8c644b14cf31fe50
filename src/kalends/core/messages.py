"""What is sent to a receiver, and what becomes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from kalends.core.hours import stamp


@dataclass(frozen=True, slots=True)
class Message:
    """An event for one receiver: its id, and the body of which every byte is signed."""

    event_id: str
    body: bytes

    @classmethod
    def of(
        cls, event_id: str, event_type: str, occurred_at: datetime, org_id: str, data: Mapping[str, Any]
    ) -> Self:
        """Return the message with the documented body. The same event always makes the same bytes."""
        body = {"event": event_type, "timestamp": stamp(occurred_at), "organization_id": org_id, "data": data}
        return cls(event_id, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. `code` and `answer` are the receiver's, if it gave any; else `error` says
    why. `retry_after` is how long it asks to wait. `final` means that a retry is of no use. `trouble` tells
    the operator what is wrong with the mail server, if it is not the mail."""

    latency_ms: int
    code: int | None = None
    answer: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None
    final: bool = False
    trouble: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.code is not None and 200 <= self.code < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver no longer wants anything."""
        return self.code == 410

"""A clock that stands until it is moved."""

from datetime import UTC, datetime, timedelta


class StoppedClock:
    def __init__(self, at: datetime = datetime(2024, 1, 20, 12, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, **units: float) -> None:
        self.at += timedelta(**units)

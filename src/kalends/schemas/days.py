"""How much is free on each day, on the wire."""

from datetime import date as calendar_date
from datetime import datetime

from pydantic import Field

from kalends.schemas.wire import Answer


class Day(Answer):
    """A calendar day in the zone asked for."""

    date: calendar_date
    free: int = Field(description="How many starts can be booked on it.")
    first: datetime | None = Field(description="The first of them. Null if there is none.")


class DaysAnswer(Answer):
    """How much is free on each day, in order."""

    days: list[Day] = Field(
        description="Every day of the range, also those on which nothing is free. A date that the zone's "
        "clocks left out is not among them."
    )
    timezone: str = Field(description="The zone asked for, or else the organization's: that of the days.")
    next_available: datetime | None = Field(
        description="The first start from `from` on that can be booked, if there is one in the range or "
        "within a year after it."
    )

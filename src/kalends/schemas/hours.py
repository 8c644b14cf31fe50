"""Hours of work on the wire (snake_case): availability, schedules, overrides."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kalends.schemas.fields import WHOLE, ClockTime, Day, Id, Name, Notes, Zone
from kalends.schemas.wire import UNSENT, Answer, Change, OneThing, Request

DayOfWeek = Annotated[int, Field(ge=0, le=6, description="0 = Sunday … 6 = Saturday."), WHOLE]
MOST_WINDOWS = 500
FIRST, LAST = "00:00:00", "24:00:00"
"""The midnights that begin and end a day."""


class Hours(Request):
    """From a time of day to a later one."""

    must_have: ClassVar[Sequence[str]] = ("start_time", "end_time")
    refuses = True

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Availability,)

    start_time: ClockTime
    end_time: ClockTime

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end_time <= self.start_time:
            instead = {"instead": self._instead()}
            raise PydanticCustomError("window", "end_time must be later than start_time: {instead}", instead)
        return self

    def _instead(self) -> str:
        """Return how to write what is probably meant by hours that do not end after they start."""
        start, end = self.start_time, self.end_time
        today, tomorrow = self._days()
        if start == end or (start, end) == (LAST, FIRST):
            return f"a whole day is {FIRST} to {LAST}"
        if end == FIRST:
            return f"the midnight that ends a day is {LAST}"
        if start == LAST:
            return f"write {FIRST} to {end} {tomorrow}"
        return (
            f"hours past midnight are two windows, {start} to {LAST} {today} and {FIRST} to {end} {tomorrow}"
        )

    def _days(self) -> tuple[str, str]:
        """Return where hours of the day and of the next day are written."""
        return "here", "in an override of the next day"


class Window(Hours):
    """Hours of a day of the week."""

    must_have = ("day_of_week", "start_time", "end_time")

    day_of_week: DayOfWeek

    def _days(self) -> tuple[str, str]:
        return f"on day_of_week {self.day_of_week}", f"on day_of_week {(self.day_of_week + 1) % 7}"


class AvailabilityCreate(Window, Change):
    """A weekly window of the organization's own hours."""

    refuses = False
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}]}
    )

    appointment_type_id: Id | None = Field(default=None, description="Only this type can be booked then.")
    is_active: bool = True


class AvailabilityReplace(Request):
    """The whole set of weekly windows."""

    must_have = ("schedules",)

    schedules: Annotated[list[AvailabilityCreate], Field(max_length=MOST_WINDOWS)]


class Availability(Answer):
    """A weekly window, in the organization's zone."""

    id: str
    org_id: str
    day_of_week: int
    start_time: str
    end_time: str
    appointment_type_id: str | None
    is_active: bool
    created_at: datetime


class AvailabilityAnswer(OneThing):
    """One window."""

    schedule: Availability


class AvailabilitiesAnswer(OneThing):
    """All windows, by day and time."""

    schedules: list[Availability]


class ScheduleCreate(Request):
    """Hours that types and calendars can share, by name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Business Hours",
                    "timezone": "Europe/Berlin",
                    "windows": [{"day_of_week": 1, "start_time": "09:00:00", "end_time": "17:00:00"}],
                }
            ]
        }
    )
    must_have = ("name",)
    refuses = True

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Schedule,)

    name: Name
    timezone: Zone | None = Field(default=None, description="The organization's if left out.")
    windows: Annotated[list[Window], Field(max_length=MOST_WINDOWS)] = Field(default=[])


class ScheduleChange(Change):
    """What is to be changed; `windows` replaces all of them."""

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Schedule, "schedule")

    name: Name = UNSENT
    timezone: Zone = UNSENT
    windows: Annotated[list[Window], Field(max_length=MOST_WINDOWS)] = UNSENT


class ShownHours(Answer):
    """Hours of a day."""

    start_time: str
    end_time: str


class ShownWindow(ShownHours):
    """Hours of a day of the week."""

    day_of_week: int


class Schedule(Answer):
    """A named schedule."""

    id: str
    org_id: str
    name: str
    timezone: str
    windows: list[ShownWindow]
    created_at: datetime
    updated_at: datetime


class ScheduleAnswer(OneThing):
    """One schedule."""

    schedule: Schedule


class SchedulesAnswer(OneThing):
    """All named schedules, by name."""

    schedules: list[Schedule]


class OverrideChange(Change):
    """What is to be changed in days that differ."""

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Override, "override")

    date: Day = UNSENT
    start_date: Day = UNSENT
    end_date: Day = UNSENT
    windows: Annotated[list[Hours], Field(max_length=50)] = Field(
        default=UNSENT, description="The hours of those days; an empty list: closed."
    )
    reason: Notes = UNSENT

    @model_validator(mode="after")
    def _one_way_to_say_when(self) -> Self:
        given = self.model_fields_set & {"date", "start_date", "end_date"}
        if "date" in given and len(given) > 1:
            raise PydanticCustomError("dates", "send date, or start_date and end_date, not both")
        return self


class OverrideCreate(OverrideChange):
    """Days that differ from the schedule: a `date`, or `start_date` to `end_date`, both included."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"date": "2024-12-24", "windows": [], "reason": "Christmas Eve"}]}
    )
    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {"schedule_id": "the path says which schedule"}

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if not ("date" in self.model_fields_set or {"start_date", "end_date"} <= self.model_fields_set):
            raise PydanticCustomError("dates", "date, or start_date and end_date, are required")
        return self


class Override(Answer):
    """Days that differ."""

    id: str
    org_id: str
    schedule_id: str
    start_date: str
    end_date: str
    windows: list[ShownHours]
    reason: str | None
    holiday: str | None = Field(description="The country or subdivision that has this holiday.")
    created_at: datetime
    updated_at: datetime


class OverrideAnswer(OneThing):
    """One override."""

    override: Override


class OverridesAnswer(OneThing):
    """Overrides, by date."""

    overrides: list[Override]


class HolidaysCreate(Request):
    """The public holidays of a year, as closed days."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"country": "DE", "subdivision": "BY", "year": 2024}]}
    )
    must_have = ("country", "year")

    country: Annotated[
        str, Field(pattern="^[A-Za-z]{2,3}$", description="ISO 3166-1 in two or three letters, such as DE.")
    ]
    subdivision: Annotated[
        str | None, Field(max_length=64, description="ISO 3166-2, such as BY or DE-BY, or its name.")
    ] = None
    year: Annotated[int, Field(ge=1970, le=2100), WHOLE]

"""Blocks on the wire: time of calendars without a client."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kalends.core.blocks import MOST_DAYS
from kalends.schemas.appointments import Maker
from kalends.schemas.fields import WHOLE, Day, Id, Moment, Notes
from kalends.schemas.hours import DayOfWeek
from kalends.schemas.wire import UNSENT, Answer, Change, OneThing, Request


class WeeklyRule(Request):
    """In which weeks, and on which of their days, a block comes again: at the same times of the wall clock in
    the organization's zone. It ends with `until` or after `count` times, at most two years after its
    start."""

    refuses = True

    days_of_week: Annotated[list[DayOfWeek], Field(min_length=1, max_length=7)] | None = Field(
        default=None,
        description="The day of `start_time` must be one of them, and is the only one if they are left out.",
    )
    interval_weeks: Annotated[int, Field(ge=1, le=104), WHOLE] = Field(
        default=1, description="2: every other week. Weeks are counted from the day of `start_time`."
    )
    until: Day | None = Field(default=None, description="The last day, included.")
    count: Annotated[int, Field(ge=1, le=MOST_DAYS + 1), WHOLE] | None = Field(
        default=None, description="How many times, those on `except_dates` included."
    )
    except_dates: Annotated[list[Day], Field(max_length=MOST_DAYS + 1)] = Field(
        default=[], description="Days on which it is left out."
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.until is None) == (self.count is None):
            raise PydanticCustomError("end", "must have until or count, and not both")
        return self


class BlockChange(Change):
    """What is to be changed in a block."""

    in_part = frozenset({"instances"})
    why_not: ClassVar[Mapping[str, str]] = {
        "timezone": "it is the organization's",
        "instances": "they follow from the times and the rule",
    }

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Block, "block")

    calendar_id: Id | None = Field(default=UNSENT, description="Whose time it is.")
    all: bool = Field(
        default=UNSENT, description="`true`: the time of every calendar, of those made later, too."
    )
    start_time: Moment = UNSENT
    end_time: Moment = UNSENT
    rule: WeeklyRule | None = Field(default=UNSENT, description="If it comes again; null: it does not.")
    reason: Notes = Field(default=UNSENT, description="For staff; clients never see it.")
    force: bool = Field(
        default=False,
        description="`true`: block time in which there are appointments, and leave them as they are.",
    )

    @model_validator(mode="after")
    def _one_way_to_say_whose(self) -> Self:
        if self.all and self.calendar_id is not None:
            raise PydanticCustomError("calendars", "send calendar_id, or all: true, not both")
        return self


class BlockCreate(BlockChange):
    """Time without a client, of one calendar (`calendar_id`) or of all (`all`): from `start_time` to
    `end_time`, once or by a weekly `rule`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "all": True,
                    "start_time": "2024-01-26T12:00:00Z",
                    "end_time": "2024-01-26T13:00:00Z",
                    "rule": {"days_of_week": [1, 5], "until": "2024-06-28"},
                    "reason": "Team lunch",
                }
            ]
        }
    )
    must_have = ("start_time", "end_time")
    refuses = True

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        if not self.all and self.calendar_id is None:
            raise PydanticCustomError("calendars", "calendar_id, or all: true, is required")
        return self


class ShownWeeklyRule(Answer):
    """In which weeks, and on which of their days, a block comes again."""

    days_of_week: list[int]
    interval_weeks: int
    until: str | None
    count: int | None
    except_dates: list[str]


class BlockedTime(Answer):
    """One of the times that a block takes."""

    start_time: datetime
    end_time: datetime


class Block(Answer):
    """Time without a client."""

    id: str
    org_id: str
    calendar_id: str | None = Field(description="Null if it is the time of all calendars.")
    all: bool
    start_time: datetime
    end_time: datetime
    timezone: str = Field(
        description="In which zone a rule's times stay the same: the organization's, when they were set."
    )
    rule: ShownWeeklyRule | None
    reason: str | None
    instances: list[BlockedTime] = Field(
        description="The time that it takes, in order; in a list, only what is in the range asked for."
    )
    created_by: Maker
    created_at: datetime
    updated_at: datetime


class BlockAnswer(OneThing):
    """One block."""

    block: Block


class BlocksAnswer(Answer):
    """A page of blocks, by start time."""

    blocks: list[Block]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null if this is the last."
    )

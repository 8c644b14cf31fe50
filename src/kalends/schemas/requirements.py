"""What appointment types need at once, on the wire (camelCase, by the contract)."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from kalends.core.lifecycle import MAX_DURATION_MINUTES
from kalends.core.requirements import CALENDAR
from kalends.schemas.fields import WHOLE, Duration, Id, ShortName
from kalends.schemas.wire import Request

MOST_REQUIREMENTS = 10
_MOST_AT_ONCE = 10
_DAY_MINUTES = 24 * 60

Count = Annotated[int, Field(ge=1, le=_MOST_AT_ONCE), WHOLE]
Offset = Annotated[int, Field(ge=-_DAY_MINUTES, le=MAX_DURATION_MINUTES), WHOLE]


class Requirement(Request):
    """A number of calendars that an appointment needs at once: a person, a room, two nurses."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        serialize_by_alias=True,
        json_schema_extra={"examples": [{"name": "room", "calendarIds": ["cal_red", "cal_blue"]}]},
    )

    name: ShortName
    calendar_ids: Annotated[list[Id], Field(max_length=100)] = Field(
        description="The calendars that can fill it. As long as there are none, the type can't be booked."
    )
    count: Count = Field(default=1, description="How many of its calendars are taken.")
    offset_minutes: Offset | None = Field(
        default=None,
        description="How many minutes after the appointment's start they are taken; before it if negative. "
        "null: at its start.",
    )
    duration_minutes: Duration | None = Field(
        default=None, description="For how long they are taken; null: for as long as the appointment lasts."
    )

    @model_validator(mode="after")
    def _has_enough(self) -> Self:
        has = len(self.calendar_ids)
        if has and self.count > has:
            raise PydanticCustomError("too_large", "must not count more than its {le} calendars", {"le": has})
        return self

    @staticmethod
    def plain(calendar_ids: Sequence[str] = ()) -> "Requirement":
        """Return the requirement of a type that needs just one of some calendars."""
        return Requirement.filled({"name": CALENDAR}, calendar_ids)

    @staticmethod
    def filled(stored: dict[str, Any], calendar_ids: Sequence[str]) -> "Requirement":
        """Return a requirement as it is stored, with its calendars."""
        return Requirement.model_construct(**stored, calendar_ids=list(calendar_ids))

    def stored(self) -> dict[str, Any]:
        """Return it as it is stored: without its calendars."""
        return self.model_dump(exclude={"calendar_ids"}, by_alias=False)


def all_stored(requirements: Sequence[Requirement]) -> list[dict[str, Any]]:
    """Return requirements as they are stored: none, if they say no more than `calendarIds` alone does."""
    stored = [each.stored() for each in requirements]
    return [] if stored == [Requirement.plain().stored()] else stored


def all_filled(stored: Sequence[dict[str, Any]], dealt: Sequence[tuple[int, str]]) -> list[Requirement]:
    """Return stored requirements with their calendars, each of which is `dealt` to one by its number."""
    return [
        Requirement.filled(each, [id_ for place, id_ in dealt if place == number])
        for number, each in enumerate(stored or [Requirement.plain().stored()])
    ]

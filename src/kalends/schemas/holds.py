"""Holds on the wire: time kept for a client who is still filling in a form."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from kalends.schemas.appointments import CalendarIds, TakenCalendar, taken_calendars
from kalends.schemas.fields import WHOLE, Id, Moment
from kalends.schemas.wire import Answer, OneThing, Request

MOST_SECONDS = 900


class ClientHoldCreate(Request):
    """Time to keep for a while."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_type_id": "type_def456",
                    "start_time": "2024-01-25T14:00:00Z",
                    "ttl_seconds": 300,
                }
            ]
        }
    )
    must_have = ("appointment_type_id", "start_time")
    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {
        "end_time": "it follows from the start and the type's duration",
        "duration_minutes": "a hold is as long as its type; book without one for another length",
        "expires_at": "send ttl_seconds",
    }

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Hold, HoldCreate, "duration_minutes")

    appointment_type_id: Id
    start_time: Moment
    ttl_seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS), WHOLE] = Field(
        default=300, description="How long the time is kept."
    )
    calendar_id: Id | None = Field(
        default=None, description="A public calendar, if the type lets clients choose."
    )
    replaces: Id | None = Field(
        default=None,
        description="A hold that is given back for this one: its time counts as free. If this one is "
        "refused, it stands; if it is gone already, nothing is missed.",
    )


class HoldCreate(ClientHoldCreate):
    """Time to keep for a while, by staff."""

    calendar_id: Id | None = Field(
        default=None, description="Whose time; if left out, chosen as for a booking."
    )
    calendar_ids: CalendarIds | None = Field(
        default=None, description="As for a booking, if the type needs several calendars."
    )
    check: Literal["all", "conflicts"] = Field(
        default="conflicts",
        description="As for a booking. A booking that uses the hold is not checked again.",
    )


class ClientHold(Answer):
    """Time that is kept until `expires_at`."""

    id: str
    appointment_type_id: str
    start_time: datetime
    end_time: datetime
    expires_at: datetime


class Hold(ClientHold):
    """A hold, as staff see it."""

    org_id: str
    calendar_id: str
    calendars: list[TakenCalendar]
    created_at: datetime

    @classmethod
    def shown(cls, row: Mapping[str, Any]) -> Self:
        """Return the wire form of a row of `appointments` that is a hold."""
        return cls.model_validate({**row, "calendars": taken_calendars(row)})


class HoldAnswer(OneThing):
    """One hold."""

    hold: Hold


class ClientHoldAnswer(OneThing):
    """One hold."""

    hold: ClientHold

    @classmethod
    def of(cls, hold: Hold) -> Self:
        """Return what clients see of a hold."""
        return cls(hold=ClientHold.model_validate(dict(hold)))

"""Calendars on the wire: what can't be in two places at once."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from kalends.schemas.appointment_types import Color
from kalends.schemas.fields import Id, Name, Notes
from kalends.schemas.wire import UNSENT, Answer, Change, OneThing


class CalendarChange(Change):
    """What is to be changed in a calendar."""

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Calendar, "calendar")

    name: Name = UNSENT
    color: Color | None = UNSENT
    is_active: bool = Field(default=UNSENT, description="An inactive calendar can't be booked.")
    schedule_id: Id | None = Field(
        default=UNSENT, description="Narrows the hours of the types that it serves."
    )
    public_name: Name | None = Field(default=UNSENT, description="What clients call it; null: its name.")
    about: Notes = Field(default=UNSENT, description="What clients read of it.")
    is_public: bool = Field(
        default=UNSENT,
        description="Whether clients may choose it, for types that let them (`clientsChoose`).",
    )


class CalendarCreate(CalendarChange):
    """A person, a room, a chair: something that can be in one place only."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Room 2", "color": "#10b981"}]})
    must_have = ("name",)
    refuses = True

    name: Name


class Calendar(Answer):
    """A calendar."""

    id: str
    org_id: str
    name: str
    color: str | None
    is_active: bool
    is_default: bool
    schedule_id: str | None
    public_name: str | None
    about: str | None
    is_public: bool
    created_at: datetime
    updated_at: datetime


class CalendarAnswer(OneThing):
    """One calendar."""

    calendar: Calendar


class CalendarsAnswer(OneThing):
    """All calendars, the default one first."""

    calendars: list[Calendar]

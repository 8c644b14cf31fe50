"""Free time on the wire."""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from kalends.schemas.wire import UNSENT, Answer

_LOCAL = Field(description="The same time in the `timezone` asked for, with its offset.")
_UTC = Field(json_schema_extra={"format": "date-time"})
_Next = Annotated[
    str,
    Field(
        description="The first start that is not in this answer, which has at most 5,000 slots, or fewer if "
        "they name many calendars: ask again with it as `from`. Left out if there are no more.",
        json_schema_extra={"format": "date-time"},
    ),
]


class ClientSlot(TypedDict):
    """A start that can be booked."""

    start_time: Annotated[str, _UTC]
    end_time: Annotated[str, _UTC]
    local_start_time: NotRequired[Annotated[str, _LOCAL]]
    local_end_time: NotRequired[Annotated[str, _LOCAL]]


class Choice(TypedDict):
    """The calendars that could fill a requirement, oldest first."""

    requirement: str
    calendar_ids: list[str]


class Slot(ClientSlot):
    """A start that can be booked, and the calendars that could take it, oldest first: `calendar_ids` has
    those of the type's first requirement, `choices` those of each."""

    calendar_ids: list[str]
    choices: list[Choice]


class SlotsAnswer(Answer):
    """What can be booked, by time."""

    slots: list[Slot]
    timezone: str = Field(description="The zone asked for, or else the organization's.")
    next: _Next = UNSENT


class ClientSlotsAnswer(Answer):
    """What can be booked, by time."""

    slots: list[ClientSlot]
    timezone: str = Field(description="The zone asked for, or else the organization's.")
    next: _Next = UNSENT


class Explanation(Answer):
    """Whether a start can be booked, and if not, every rule that forbids it."""

    bookable: bool
    reasons: list[dict[str, Any]] = Field(description="Each has a `code`, a `message`, and numbers.")
    next_available: list[Annotated[str, _UTC]] = Field(
        description="Up to five later starts that can be booked."
    )

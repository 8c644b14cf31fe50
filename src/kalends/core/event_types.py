"""The kinds of events, and which of them somebody wants to be told of."""

from collections.abc import Iterable

APPOINTMENT_EVENTS = (
    "appointment.created",
    "appointment.confirmed",
    "appointment.rescheduled",
    "appointment.updated",
    "appointment.completed",
    "appointment.no_show",
    "appointment.cancelled",
)
OTHER_EVENTS = (
    "appointment_type.created",
    "appointment_type.updated",
    "appointment_type.deleted",
    "availability.created",
    "availability.replaced",
    "availability.deleted",
    "schedule.created",
    "schedule.updated",
    "schedule.deleted",
    "override.created",
    "override.holidays_added",
    "override.updated",
    "override.deleted",
    "calendar.created",
    "calendar.updated",
    "calendar.deleted",
    "webhook.created",
    "webhook.updated",
    "webhook.secret_rotated",
    "webhook.deleted",
    "webhook.disabled",
    "feed.created",
    "feed.deleted",
    "key.created",
    "key.revoked",
    "organization.updated",
)
OF_THEMSELVES = ("webhook.created", "webhook.updated", "webhook.secret_rotated")
"""What a webhook is not told of itself, but of others only."""
BOOKING_ASKED = "booking.asked"
"""A client booked, and has to confirm it by mail. It is there for the mail only: until then there is no
appointment, so no list has it, and no webhook is told."""
EVENTS = (*APPOINTMENT_EVENTS, *OTHER_EVENTS)
TEST_EVENT = "webhook.test"
"""Made on request, and told to the webhook it tests only."""


def is_filter(text: str) -> bool:
    """Whether it names events: one of them, all of a kind (`appointment.*`), or all (`*`)."""
    return text == "*" or text in EVENTS or text in {f"{_kind(event)}.*" for event in EVENTS}


def matches(event: str, filters: Iterable[str]) -> bool:
    """Whether an event is among those the filters name."""
    return any(wanted in ("*", event, f"{_kind(event)}.*") for wanted in filters)


def _kind(event: str) -> str:
    return event.partition(".")[0]

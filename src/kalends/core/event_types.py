"""The types of events, and the filters that choose some of them."""

from collections.abc import Iterable

APPOINTMENT_EVENTS = (
    "appointment.created",
    "appointment.confirmed",
    "appointment.rescheduled",
    "appointment.reassigned",
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
    "calendar.clash",
    "source.created",
    "source.failing",
    "source.recovered",
    "source.deleted",
    "block.created",
    "block.updated",
    "block.deleted",
    "webhook.created",
    "webhook.updated",
    "webhook.secret_rotated",
    "webhook.deleted",
    "webhook.disabled",
    "feed.created",
    "feed.deleted",
    "key.created",
    "key.revoked",
    "person.created",
    "person.invited",
    "person.updated",
    "person.deleted",
    "organization.updated",
)
OF_THEMSELVES = ("webhook.created", "webhook.updated", "webhook.secret_rotated")
"""Events that a webhook receives about other webhooks, but not about itself."""
CLASH = "calendar.clash"
"""What came from another calendar, and lies over an appointment that was booked before."""
CLASHES = "calendar.clashes"
"""What one reading of another calendar tells by CLASH, all of it. This event is for the mail only."""
BOOKING_ASKED = "booking.asked"
"""A client has booked, and has to confirm it by mail. This event is for the mail only: until the client
confirms, there is no appointment, so no list has the event, and no webhook receives it."""
PERSON_MAILED = "person.mailed"
"""Somebody of the staff is sent the link by which they sign in. This event is for the mail only."""
FOR_MAILS = (BOOKING_ASKED, CLASHES, PERSON_MAILED)
"""Events of which only mails are made."""
EVENTS = (*APPOINTMENT_EVENTS, *OTHER_EVENTS)
TEST_EVENT = "webhook.test"
"""Made on request, and sent only to the webhook that it tests."""


def is_filter(text: str) -> bool:
    """Return whether a text names events: one of them, all of a kind (`appointment.*`), or all (`*`)."""
    return text == "*" or text in EVENTS or text in {f"{_kind(event)}.*" for event in EVENTS}


def matches(event: str, filters: Iterable[str]) -> bool:
    """Return whether an event is among those that the filters name."""
    return any(wanted in ("*", event, f"{_kind(event)}.*") for wanted in filters)


def _kind(event: str) -> str:
    return event.partition(".")[0]

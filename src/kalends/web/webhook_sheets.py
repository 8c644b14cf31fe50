"""The form of a webhook: its address, and the events that it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kalends.core.event_types import EVENTS
from kalends.schemas.webhooks import Webhook
from kalends.web.forms import Form
from kalends.web.plain_sheets import PlainSheet
from kalends.web.readers import Reader
from kalends.words.sentences import marked

FIELDS = ("url", "name")
LABELS: Mapping[str, str] = {"url": marked("Address"), "name": marked("Name"), "events": marked("Events")}
_KINDS: Mapping[str, str] = {
    "appointment": marked("Appointments"),
    "appointment_type": marked("Types of appointments"),
    "availability": marked("Hours"),
    "schedule": marked("Schedules"),
    "override": marked("Closures and special hours"),
    "calendar": marked("Calendars"),
    "source": marked("Other calendars"),
    "block": marked("Blocked time"),
    "webhook": marked("Webhooks"),
    "feed": marked("Feeds"),
    "key": marked("Keys"),
    "person": marked("People"),
    "organization": marked("Organization"),
}
"""What events are about, by the first parts of their names."""


@dataclass(frozen=True, slots=True)
class Group:
    """Events about one kind of things, with all of them as the first choice. It `is_open` if any is
    chosen."""

    kind: str
    label: str
    options: Sequence[tuple[str, str]]
    is_open: bool


def groups_of(sheet: PlainSheet, reader: Reader) -> list[Group]:
    """Return all events by what they are about."""
    chosen = set(sheet.chosen["events"])
    found = []
    for kind, words in _KINDS.items():
        own = [each for each in EVENTS if each.partition(".")[0] == kind]
        every = f"{kind}.*"
        options = [(every, reader.say("All of these")), *((each, each) for each in own)]
        found.append(Group(kind, reader.say(words), options, not chosen.isdisjoint({every, *own})))
    return found


def sheet_of(webhook: Webhook) -> PlainSheet:
    """Return the form that changes a webhook, as it stands."""
    return PlainSheet({"url": webhook.url, "name": webhook.name or ""}, {"events": webhook.events})


def body_of(form: Form) -> dict[str, Any]:
    """Return a webhook as the API takes it. What a wider choice includes is left out."""
    chosen = list(dict.fromkeys(form.all("events")))
    wider = {each for each in chosen if each.endswith(".*")}
    wanted = [each for each in chosen if each in wider or f"{each.partition('.')[0]}.*" not in wider]
    return {
        "url": form.text("url").strip(),
        "name": form.text("name") if form.text("name").strip() else None,
        "events": ["*"] if "*" in chosen else wanted,
    }

"""What the pages have in common on which staff set up their organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from kalends.web.readers import Reader
from kalends.web.setting_forms import Told
from kalends.web.staff_pages import staff_page
from kalends.web.staff_visits import EnteredCall
from kalends.words.sentences import marked

SETTINGS = marked("Settings")
DELETE, DELETE_IT = marked("Delete {name}?"), marked("Delete")


@dataclass(frozen=True, slots=True)
class Room:
    """A part of the settings, at `/staff/settings/{name}`: how it is called, what can be done there, and the
    scope without which nobody sees it."""

    name: str
    label: str
    about: str
    scope: str = "read"


ROOMS: tuple[Room, ...] = (
    Room(
        "organization",
        marked("Organization"),
        marked("Name, time zone, what clients read, and the pages."),
    ),
    Room(
        "types",
        marked("Appointment types"),
        marked("What can be booked, and what is asked."),
    ),
    Room("hours", marked("Opening hours"), marked("The hours of each week.")),
    Room("closures", marked("Closed days"), marked("Holidays, and days with other hours.")),
    Room("calendars", marked("Calendars"), marked("People, rooms and devices.")),
    Room("people", marked("People"), marked("Who works here, and what they may do"), "admin"),
    Room("keys", marked("Keys"), marked("For programs that work with your calendars"), "admin"),
    Room("webhooks", marked("Webhooks"), marked("Programs that are told what happens here")),
    Room("feeds", marked("Feeds"), marked("Your appointments in other calendar programs")),
    Room("mails", marked("Mails"), marked("What was written to clients and staff, and what became of it")),
)
"""In the order of a practice that is being opened; then what is needed more rarely."""


def settings_page(
    call: EnteredCall, template: str, title: str, reader: Reader, *, room: str | None = None, **what: Any
) -> Response:
    """Return a page of the settings. `room` is the name of the part to which it belongs."""
    rooms = [each for each in ROOMS if call.member.may(each.scope)]
    saved = "saved" in reader.query
    return staff_page(
        call, template, title, reader, room="settings", rooms=rooms, part=room, saved=saved, **what
    )


def asked_again(
    call: EnteredCall,
    reader: Reader,
    room: str | None,
    name: str,
    *,
    action: str,
    back: str,
    hint: str,
    question: str = DELETE,
    button: str = DELETE_IT,
    sends: Mapping[str, str] | None = None,
    told: Told | None = None,
    standing: Sequence[tuple[str, str, str | None]] = (),
    status: int = 200,
) -> Response:
    """Return the page that asks once more before something is done that can't be taken back. It shows what is
    to go by its `name`; the form `sends` something to `action`, and `back` leads away from it. `told` is what
    speaks against it, and `standing` what would outlive it (`made_things`), which may go along. Without a
    `room`, it is none of the settings."""
    make = partial(settings_page, room=room) if room else partial(staff_page, part=None)
    return make(
        call,
        "staff/settings/remove.html",
        reader.say(question).format(name=name),
        reader,
        action=action,
        back=back,
        hint=reader.say(hint),
        button=reader.say(button),
        sends=sends or {},
        told=told or Told(),
        standing=standing,
        status=status,
    )

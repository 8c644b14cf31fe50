"""Appointments as a file for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from starlette.responses import Response

from kalends.schemas.appointments import Appointment
from kalends.web.readers import Reader
from kalends.web.staff_days import STATUSES
from kalends.words import dates

_MARK = "\ufeff"
"""By this, Excel sees that a file is in UTF-8. Other programs skip it."""
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
"""How cells begin that spreadsheets compute."""


def attached(name: str, rows: Iterable[Sequence[str]]) -> Response:
    """Return the answer that has a file with some rows of cells. Browsers save it under its name."""
    written = io.StringIO()
    csv.writer(written).writerows([_harmless(cell) for cell in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(f"{_MARK}{written.getvalue()}", headers=headers, media_type="text/csv")


def cells_of(
    found: Iterable[Appointment], names: Mapping[str, str], reader: Reader, zone: str
) -> list[list[str]]:
    """Return appointments as rows of cells, with a heading, on the clocks of `zone`. `names` has those of
    calendars by id."""
    say = reader.say
    heading = [
        *(
            say("From"),
            say("Until"),
            say("Time zone"),
            say("Client"),
            say("E-mail"),
            say("Phone"),
            say("What"),
        ),
        *(say("Calendar"), say("Status"), say("Notes of the client"), say("Internal notes"), "ID"),
    ]
    return [
        heading,
        *(
            [
                _on_the_clock(each.start_time, zone),
                _on_the_clock(each.end_time, zone),
                f"{zone} {dates.local(each.start_time, zone):%z}",
                each.client_name,
                each.client_email or "",
                each.client_phone or "",
                each.appointment_type.name,
                ", ".join(names.get(taken.calendar_id, taken.calendar_id) for taken in each.calendars),
                say(STATUSES[each.status]),
                each.client_notes or "",
                each.internal_notes or "",
                each.id,
            ]
            for each in found
        ),
    ]


def _on_the_clock(at: datetime, zone: str) -> str:
    """Return a moment as spreadsheets read it."""
    return f"{dates.local(at, zone):%Y-%m-%d %H:%M}"


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: strangers write names and notes."""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell

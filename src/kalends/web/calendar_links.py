"""Links that add an appointment to calendars on the web. Nothing is asked of them until somebody follows the
link, and the client's own secret link is not in them."""

from datetime import datetime
from urllib.parse import quote, urlencode

from kalends.web.appointments import OwnAppointment

_GOOGLE = "https://calendar.google.com/calendar/render"
_OUTLOOK = "https://outlook.live.com/calendar/0/deeplink/compose"


def google(own: OwnAppointment) -> str:
    """Return the link for Google's calendar."""
    start, end = (f"{each:%Y%m%dT%H%M%SZ}" for each in _times(own))
    return _link(
        _GOOGLE, action="TEMPLATE", text=_title(own), dates=f"{start}/{end}", location=own.in_one_line
    )


def outlook(own: OwnAppointment) -> str:
    """Return the link for Outlook's calendar."""
    start, end = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in _times(own))
    return _link(
        _OUTLOOK,
        path="/calendar/action/compose",
        rru="addevent",
        subject=_title(own),
        startdt=start,
        enddt=end,
        location=own.in_one_line,
    )


def _times(own: OwnAppointment) -> tuple[datetime, datetime]:
    return own.about.start_time, own.about.end_time


def _title(own: OwnAppointment) -> str:
    return f"{own.kind.name}, {own.kind.host.name}"


def _link(address: str, **query: str) -> str:
    """Return an address with those parameters that are not blank. Outlook shows a plus as a plus."""
    return f"{address}?{urlencode({name: sent for name, sent in query.items() if sent}, quote_via=quote)}"

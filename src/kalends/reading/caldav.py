"""Fetching the events of a calendar on a CalDAV server (RFC 4791), and finding the calendar first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from kalends.core.sources import SourceAddress, SourceTrouble, Unchanged
from kalends.reading.feeds import Fetched
from kalends.reading.fetching import Answer, Reader
from kalends.reading.multistatus import CALDAV, CALENDAR_SERVER, DAV, Resource, resources
from kalends.reading.states import State
from kalends.reading.troubles import refusal

_WELL_KNOWN = "/.well-known/caldav"
_LONGEST = 1_000
"""How many characters a sentence may have that lists the calendars of an account."""
_HOME, _PRINCIPAL = f"{CALDAV}calendar-home-set", f"{DAV}current-user-principal"
_KIND, _NAME = f"{DAV}resourcetype", f"{DAV}displayname"
_PARTS = f"{CALDAV}supported-calendar-component-set"
_TOKENS = (f"{CALENDAR_SERVER}getctag", f"{DAV}sync-token")
_PROPERTIES = """<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/">
<D:prop><D:resourcetype/><D:displayname/><D:current-user-principal/><D:sync-token/><S:getctag/>
<C:calendar-home-set/><C:supported-calendar-component-set/></D:prop></D:propfind>"""
_EVENTS = """<?xml version="1.0" encoding="utf-8"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
<D:prop><D:getetag/><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
<C:time-range start="{:%Y%m%dT%H%M%SZ}" end="{:%Y%m%dT%H%M%SZ}"/>
</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"""


async def fetch(
    reader: Reader, address: SourceAddress, state: State, around: tuple[datetime, datetime]
) -> Fetched | Unchanged:
    """Fetch all events of the calendar `around` a time, if any has changed since. Raises SourceTrouble."""
    account = _Account(reader, address)
    calendar = await account.calendar(state.calendar or address.url)
    # A token of another time is compared, not sent: no server can refuse it as too old.
    marks = replace(state, calendar=calendar.href, token=_token(calendar))
    if marks.token is not None and (marks.calendar, marks.token) == (state.calendar, state.token):
        return Unchanged()
    answer = await account.ask("REPORT", calendar.href, _EVENTS.format(*around), depth=1)
    if answer.status != 207:
        raise account.refusal(answer)
    return Fetched(answer.body, marks)


class _Account:
    """What one name sees on a server."""

    def __init__(self, reader: Reader, address: SourceAddress) -> None:
        self._reader = reader
        self._address = address

    async def calendar(self, url: str) -> Resource:
        """Return the calendar at a URL, or the only one of the account to which the URL leads."""
        answer = await self.ask("PROPFIND", url, _PROPERTIES, depth=0)
        if answer.status not in (207, 401, 403) and answer.url.path == "/":
            answer = await self.ask("PROPFIND", str(answer.url.join(_WELL_KNOWN)), _PROPERTIES, depth=0)
        found = _first(self._told(answer))
        if found.has(_KIND, f"{CALDAV}calendar"):
            return found
        home = found.link(_HOME)
        if home is None and (principal := found.link(_PRINCIPAL)) is not None:
            home = _first(await self._look(principal, depth=0)).link(_HOME)
        return _only(await self._look(home or found.href, depth=1))

    async def ask(self, method: str, url: str, body: str, *, depth: int) -> Answer:
        """Send a question in XML."""
        headers = {"Content-Type": "application/xml; charset=utf-8", "Depth": str(depth)}
        return await self._reader.ask(self._address, method, url, headers, body)

    def refusal(self, answer: Answer) -> SourceTrouble:
        return refusal(answer.status, answer.headers, by_name=self._address.username is not None)

    async def _look(self, url: str, *, depth: int) -> Sequence[Resource]:
        return self._told(await self.ask("PROPFIND", url, _PROPERTIES, depth=depth))

    def _told(self, answer: Answer) -> Sequence[Resource]:
        if answer.status != 207:
            raise self.refusal(answer)
        return resources(answer.body, str(answer.url))


def _first(found: Sequence[Resource]) -> Resource:
    if not found:
        raise SourceTrouble("The server tells nothing of this address.")
    return found[0]


def _only(found: Sequence[Resource]) -> Resource:
    """Return the only calendar among what was found that has events."""
    calendars = [each for each in found if each.has(_KIND, f"{CALDAV}calendar") and _holds_events(each)]
    if not calendars:
        raise SourceTrouble("There is no calendar at this address.")
    if len(calendars) > 1:
        named = ", ".join(f"{each.text(_NAME) or 'without a name'} ({each.href})" for each in calendars)
        raise SourceTrouble(
            f"There are several calendars. Enter the address of one of them: {named}"[:_LONGEST]
        )
    return calendars[0]


def _holds_events(calendar: Resource) -> bool:
    parts = calendar.properties.get(_PARTS)
    return parts is None or any(part.get("name", "").upper() == "VEVENT" for part in parts)


def _token(calendar: Resource) -> str | None:
    return next(filter(None, map(calendar.text, _TOKENS)), None)

"""The XML that WebDAV servers answer with (RFC 4918, section 14.16)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from kalends.core.sources import SourceTrouble

DAV, CALDAV, CALENDAR_SERVER = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}", "{http://calendarserver.org/ns/}"
CALENDAR_DATA = f"{CALDAV}calendar-data"


@dataclass(frozen=True, slots=True)
class Resource:
    """What a server tells of one resource: its whole URL, the properties that it has, by name, and the status
    of the whole, if it gives one."""

    href: str
    properties: Mapping[str, Element]
    status: int | None = None

    def text(self, name: str) -> str | None:
        """Return the text of a property; None if it has none."""
        found = self.properties.get(name)
        return None if found is None or not found.text else found.text.strip() or None

    def link(self, name: str) -> str | None:
        """Return the first URL that a property holds; None if it has none."""
        found = self.properties.get(name)
        href = "" if found is None else (found.findtext(f"{DAV}href") or "").strip()
        return _joined(self.href, href) if href else None

    def has(self, name: str, value: str) -> bool:
        """Return whether a property holds an element."""
        found = self.properties.get(name)
        return found is not None and found.find(value) is not None


def resources(body: bytes, url: str) -> Sequence[Resource]:
    """Return what an answer from a URL tells. Raises SourceTrouble if it is none of a WebDAV server."""
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise SourceTrouble("The server does not answer as a CalDAV server does.") from None
    if root.tag != f"{DAV}multistatus":
        raise SourceTrouble("The server does not answer as a CalDAV server does.")
    return [_resource(response, url) for response in root.findall(f"{DAV}response")]


def calendar_files(body: bytes) -> Sequence[str]:
    """Return the iCalendar files in the answer to a calendar-query. Raises SourceTrouble if any is missing:
    what it holds would seem free."""
    files = []
    for resource in resources(body, ""):
        if resource.status == 507:
            raise SourceTrouble("The calendar has more events than its server tells at once.")
        file = resource.text(CALENDAR_DATA)
        if file is None:
            raise SourceTrouble("The server names an event, but does not tell when it is.")
        files.append(file)
    return files


def _resource(response: Element, url: str) -> Resource:
    properties: dict[str, Element] = {}
    for part in response.findall(f"{DAV}propstat"):
        if _status(part) in (200, None):
            properties |= {each.tag: each for each in part.findall(f"{DAV}prop/*")}
    href = _joined(url, (response.findtext(f"{DAV}href") or "").strip())
    return Resource(href, properties, _status(response))


def _joined(url: str, href: str) -> str:
    try:
        return urljoin(url, href)
    except ValueError:
        raise SourceTrouble("The server tells an address that is none.") from None


def _status(element: Element) -> int | None:
    """Return the number in `HTTP/1.1 200 OK`."""
    words = (element.findtext(f"{DAV}status") or "").split()
    return int(words[1]) if len(words) > 1 and words[1].isascii() and words[1].isdecimal() else None

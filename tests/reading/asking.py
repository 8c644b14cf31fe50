"""Reading a source, and what a server answers."""

from datetime import datetime

from kalends.core.sources import Reading, SourceAddress, Unchanged
from kalends.reading.fetching import Reader
from kalends.reading.sources import read
from tests.reading.calendars import WINDOW, ZONE


def answer(body: str | bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """All that a server sends; the names of headers with underscores."""
    sent = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(sent)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + sent


async def ask(
    reader: Reader,
    address: SourceAddress,
    state: str | None = None,
    window: tuple[datetime, datetime] = WINDOW,
) -> Reading | Unchanged:
    return await read(reader, address, state, window, ZONE, lambda uid: uid.endswith("@kalends"))


async def ask_anew(reader: Reader, address: SourceAddress, state: str | None = None) -> Reading:
    """Read what is expected to have changed."""
    found = await ask(reader, address, state)
    assert isinstance(found, Reading)
    return found

"""Asking the servers of other calendars: what is sent where, how long and how much of the answer is read."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import httpx

from kalends.core.sources import SourceAddress, SourceKind, SourceTrouble
from kalends.network import PrivateAddressError, client
from kalends.reading import aside
from kalends.reading.events import Found, Question
from kalends.reading.troubles import refusal

TIMEOUT_SECONDS = 30
"""How long all the requests of one read may take together."""
MOST_BYTES = 10_000_000
MOST_REDIRECTS = 5
MOST_SEARCHES = 2
"""How many calendars are searched at a time."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AT_ONCE = 262_144
"""How many bytes are unpacked before others on the event loop have their turn."""
_ONE_HOUSE = (".icloud.com",)
"""Whose accounts lie on several servers of one house: the password of one is meant for all of them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, at the URL where redirects have led."""

    url: httpx.URL
    status: int
    headers: httpx.Headers
    body: bytes


class Reader:
    """Reads other calendars over connections that are kept open."""

    def __init__(self, *, allow_private: bool, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = client(allow_private=allow_private, timeout_seconds=timeout_seconds)
        self._searches = asyncio.Semaphore(MOST_SEARCHES)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Limit how long the requests within take together. Raises SourceTrouble after that."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield
        except TimeoutError:
            raise SourceTrouble(
                f"The server did not finish its answer within {self._timeout_seconds:g} seconds."
            ) from None

    async def ask(
        self,
        address: SourceAddress,
        method: str,
        url: str | httpx.URL,
        headers: Mapping[str, str],
        body: str | None = None,
    ) -> Answer:
        """Send a request and follow its redirects, each to a checked address. Name and password go to the
        origin of the source's own URL only.

        Raises SourceTrouble if there is no answer that can be read, or if the server is not to be asked now
        (429, 5xx). Any other status is the caller's to judge.
        """
        home = web_url(address.url)
        at = web_url(url)
        for _ in range(MOST_REDIRECTS + 1):
            auth = None
            if address.username is not None and _is_same_house(at, home):
                auth = httpx.BasicAuth(address.username, address.password or "")
            answer = await self._ask_once(method, at, headers, body, auth)
            where = answer.headers.get("location")
            if answer.status not in _REDIRECTS or where is None:
                if answer.status == 429 or answer.status >= 500:
                    raise refusal(answer.status, answer.headers, by_name=auth is not None)
                return answer
            at = _redirected(at, where)
        raise SourceTrouble(f"The server redirects more than {MOST_REDIRECTS} times.")

    async def search(self, kind: SourceKind, body: bytes, question: Question) -> Found:
        """Search what a server answered, when it is its turn. Raises SourceTrouble."""
        async with self._searches:
            return await aside.search(kind, body, question)

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask_once(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        body: str | None,
        auth: httpx.BasicAuth | None,
    ) -> Answer:
        sent = {"User-Agent": "Kalends", "Accept-Encoding": "gzip", **headers}
        request = self._client.build_request(method, url, headers=sent, content=body)
        try:
            try:
                return await self._send(request, auth)
            except httpx.RemoteProtocolError:  # a connection that was kept open may just have been closed
                return await self._send(request, auth)
        except PrivateAddressError as error:
            raise SourceTrouble(f"{_sentence(error)}.") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
            raise SourceTrouble(f"{url.host} can't be read: {_sentence(error)}.") from error

    async def _send(self, request: httpx.Request, auth: httpx.BasicAuth | None) -> Answer:
        answer = await self._client.send(request, auth=auth, stream=True)
        try:
            return Answer(request.url, answer.status_code, answer.headers, await _read(answer))
        finally:
            await answer.aclose()


def web_url(url: str | httpx.URL) -> httpx.URL:
    """Return a calendar's URL in http or https; `webcal://` is https. Raises SourceTrouble if it has none."""
    try:
        found = httpx.URL(url)
        host = found.host  # which may be no name in any language
    except (httpx.InvalidURL, UnicodeError, ValueError):
        _refuse_url()
    if found.scheme in ("webcal", "webcals"):
        found = found.copy_with(scheme="https")
    if found.scheme not in ("http", "https") or not host:
        _refuse_url()
    if found.userinfo:
        raise SourceTrouble("Name and password belong into their own fields, not into the address.")
    return found


def _refuse_url() -> NoReturn:
    raise SourceTrouble("The address must begin with https://, http:// or webcal://.") from None


def _redirected(at: httpx.URL, where: str) -> httpx.URL:
    """Return where a redirect leads. One that gives up encryption is not followed."""
    try:
        there = web_url(at.join(where))
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise SourceTrouble(f"{at.host} redirects to what is no address.") from None
    if (at.scheme, there.scheme) == ("https", "http"):
        raise SourceTrouble(f"{at.host} redirects to an address that is not encrypted.")
    return there


def _is_same_house(there: httpx.URL, home: httpx.URL) -> bool:
    if (there.scheme, there.host, _port(there)) == (home.scheme, home.host, _port(home)):
        return True
    return (
        there.scheme == home.scheme == "https"
        and _port(there) == _port(home) == 443
        and any(there.host.endswith(house) and home.host.endswith(house) for house in _ONE_HOUSE)
    )


def _port(url: httpx.URL) -> int:
    return url.port or {"http": 80, "https": 443}[url.scheme]


async def _read(answer: httpx.Response) -> bytes:
    """Return the body, unpacked by ourselves: httpx unpacks all that a packed piece holds, however much."""
    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip"):
        raise SourceTrouble(f"The server packs its answer in a way it was not asked for ({packing[:40]}).")
    unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16) if packing.endswith("gzip") else None
    body = bytearray()
    try:
        async for piece in answer.aiter_raw():
            rest = piece
            while rest:
                body += unpacked.decompress(rest, _AT_ONCE) if unpacked else rest
                rest = unpacked.unconsumed_tail if unpacked else b""
                if len(body) > MOST_BYTES:
                    raise SourceTrouble(f"The answer is larger than {MOST_BYTES // 1_000_000} MB.")
                await asyncio.sleep(0)
    except zlib.error:
        raise SourceTrouble("The answer can't be unpacked.") from None
    if unpacked and body and not unpacked.eof:
        raise SourceTrouble("The answer is cut off.")
    return bytes(body)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__

"""Where requests go, and who is told the password."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpcore
import pytest
import trustme

from kalends import network
from kalends.core.sources import SourceAddress, SourceTrouble
from kalends.reading.fetching import Reader, web_url
from tests.reading.asking import answer, ask, ask_anew
from tests.reading.calendars import calendar
from tests.support.certificates import certified
from tests.support.receiver import Receiver

pytestmark = pytest.mark.anyio

NAMES = {
    "calendar.example": ["93.184.216.34"],
    "elsewhere.example": ["93.184.216.35"],
    "inside.example": ["10.0.0.1"],
    "caldav.icloud.com": ["93.184.216.36"],
    "p1-caldav.icloud.com": ["93.184.216.37"],
    "noticloud.com": ["93.184.216.38"],
    "127.1": ["127.0.0.1"],
    "mixed.example": ["10.0.0.1", "93.184.216.34"],
}


@pytest.fixture
async def careful(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    """A reader that connects to public addresses only, all of which lead to the server."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tls = await asyncio.start_server(server._serve, "127.0.0.1", ssl=certified(authority, *NAMES))
    encrypted = tls.sockets[0].getsockname()[1]
    monkeypatch.setattr(network, "_authorities", lambda: trusting)
    connect = httpcore.AnyIOBackend.connect_tcp

    async def resolve(host: str, _port: int) -> list[str]:
        if host.strip("[]").replace(".", "").replace(":", "").isdigit():
            return NAMES.get(host, [host])
        if host not in NAMES:
            raise OSError(f"{host} is unknown")
        return NAMES[host]

    async def lead(self: Any, host: str, port: int, *args: Any, **kw: Any) -> Any:
        assert host.startswith("93.184.216.")
        return await connect(self, "127.0.0.1", encrypted if port == 443 else server.port, *args, **kw)

    monkeypatch.setattr(network, "resolve", resolve)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", lead)
    reader = Reader(allow_private=False, timeout_seconds=20)
    yield reader
    await reader.close()
    tls.close()


def at(url: str) -> SourceAddress:
    return SourceAddress("ics", url, username="jane", password="secret")


def redirecting(server: Receiver, *urls: str) -> None:
    """Let the server redirect to each of the URLs in order, and then give a calendar."""
    rest = list(urls)
    server.answer = lambda _got: (
        answer(status="302 Found", Location=rest.pop(0)) if rest else answer(calendar())
    )


@pytest.mark.parametrize(
    "url", ["http://inside.example/", "http://10.0.0.1/", "http://[::1]/", "http://127.1/"]
)
async def test_a_private_address_is_not_read(server: Receiver, careful: Reader, url: str) -> None:
    for asked, hops in (
        (url, []),
        ("http://calendar.example/", [url]),
        ("http://calendar.example/", ["/2", url]),
    ):
        redirecting(server, *hops)
        before = len(server.got)
        with pytest.raises(SourceTrouble, match=r"leads to a private address\.$"):
            await ask(careful, at(asked))
        assert len(server.got) - before == len(hops)


async def test_of_several_addresses_the_public_one_is_read(careful: Reader) -> None:
    with pytest.raises(SourceTrouble):  # it answers, though not with a calendar
        await ask(careful, at("http://mixed.example/"))


async def test_the_password_goes_to_the_origin_of_the_source_only(server: Receiver, careful: Reader) -> None:
    hops = ["/there", "http://elsewhere.example/", "http://calendar.example:8080/", "//calendar.example/back"]
    redirecting(server, *hops)
    await ask_anew(careful, at("http://calendar.example/"))
    told = ["authorization" in got.headers for got in server.got]
    assert [got.headers["host"] for got in server.got] == [
        *("calendar.example", "calendar.example", "elsewhere.example", "calendar.example:8080"),
        "calendar.example",
    ]
    assert told == [True, True, False, False, True]


async def test_the_servers_of_one_house_are_told_the_password(server: Receiver, careful: Reader) -> None:
    hops = ["https://p1-caldav.icloud.com/", "https://noticloud.com/", "https://calendar.example/"]
    redirecting(server, *hops)
    await ask_anew(careful, at("https://caldav.icloud.com/"))
    assert ["authorization" in got.headers for got in server.got] == [True, True, False, False]


async def test_encryption_is_begun_but_not_given_up(server: Receiver, careful: Reader) -> None:
    redirecting(server, "https://calendar.example/")
    await ask_anew(careful, at("http://calendar.example/"))
    assert ["authorization" in got.headers for got in server.got] == [True, False]
    redirecting(server, "http://calendar.example/")
    with pytest.raises(SourceTrouble, match="redirects to an address that is not encrypted"):
        await ask(careful, at("webcal://calendar.example/"))
    assert len(server.got) == 3


async def test_five_redirects_are_followed(server: Receiver, careful: Reader) -> None:
    redirecting(server, *"12345")
    await ask_anew(careful, at("http://calendar.example/"))
    redirecting(server, *"123456")
    with pytest.raises(SourceTrouble, match="redirects more than 5 times"):
        await ask(careful, at("http://calendar.example/"))


@pytest.mark.parametrize(
    "where",
    [
        "file:///etc/passwd",
        "ftp://elsewhere.example/",
        "http://a:b@elsewhere.example/",
        "http://[/",
    ],
)
async def test_redirects_lead_to_http_only(server: Receiver, careful: Reader, where: str) -> None:
    redirecting(server, where)
    with pytest.raises(SourceTrouble):
        await ask(careful, at("http://calendar.example/"))
    assert len(server.got) == 1


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://calendar.example/a.ics?key=1", "https://calendar.example/a.ics?key=1"),
        ("webcal://calendar.example/a.ics", "https://calendar.example/a.ics"),
        ("WEBCAL://calendar.example:8443/", "https://calendar.example:8443/"),
    ],
)
def test_addresses_that_can_be_read(url: str, read: str) -> None:
    assert str(web_url(url)) == read


@pytest.mark.parametrize(
    "url", ["", "calendar.example/a.ics", "file:///a.ics", "https://", "\x00", "http://xn--.com/"]
)
def test_addresses_that_cant_be_read(url: str) -> None:
    with pytest.raises(SourceTrouble, match=r"^The address must begin with https://"):
        web_url(url)

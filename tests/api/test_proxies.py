"""What is believed of what proxies say, by the address the proxy itself has."""

import json
from typing import Any

import pytest

from kalends.api.proxies import Proxies
from kalends.telemetry import configure

pytestmark = pytest.mark.anyio

CLIENT = "203.0.113.9"
DEFAULT = "127.0.0.1,::1"


async def seen(
    proxies: Proxies, peer: str | None, *forwarded: str, proto: str | None = "https"
) -> tuple[str | None, str]:
    """The client's address and the scheme, as the application sees them."""
    found: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(scope)

    proxies._app = app
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    headers += [] if proto is None else [(b"x-forwarded-proto", proto.encode())]
    client = None if peer is None else (peer, 4711)
    scope = {"type": "http", "scheme": "http", "client": client, "headers": headers}
    await proxies(scope, None, None)  # type: ignore[arg-type]
    told = found[0]["client"]
    return None if told is None else told[0], found[0]["scheme"]


async def nothing(*_: Any) -> None:
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    ("trusted", "peer"),
    [
        (DEFAULT, "127.0.0.1"),
        (DEFAULT, "::ffff:127.0.0.1"),
        (DEFAULT, "::1"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("10.1.2.3/8", "10.200.0.1"),
        (" 192.0.2.1 , 10.0.0.0/8 ", "::ffff:a00:1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "::ffff:10.9.9.9"),
        ("::ffff:0:0/97", "::ffff:10.9.9.9"),
        ("2001:db8::/32", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8:0::1"),
        ("fe80::/10", "fe80::1%eth0"),
        ("1", "::ffff:198.51.100.1"),
        (" 1 ", "2001:db8::1"),
        ("1", None),
    ],
)
async def test_a_trusted_peer_is_believed(trusted: str, peer: str | None) -> None:
    assert await seen(Proxies(nothing, trusted=trusted), peer, CLIENT) == (CLIENT, "https")


@pytest.mark.parametrize(
    ("trusted", "peer", "told"),
    [
        (DEFAULT, "10.0.0.1", "10.0.0.1"),
        (DEFAULT, "::ffff:10.0.0.1", "10.0.0.1"),
        (DEFAULT, "2001:db8::1", "2001:db8::1"),
        ("10.0.0.0/8", "::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:10.0.0.0/104", "::ffff:11.0.0.1", "11.0.0.1"),
        ("2001:db8::/32", "::ffff:10.0.0.1", "10.0.0.1"),
        ("", "127.0.0.1", "127.0.0.1"),
        (" , ", "127.0.0.1", "127.0.0.1"),
        ("0", "127.0.0.1", "127.0.0.1"),
        ("0", None, None),
        (DEFAULT, None, None),
    ],
)
async def test_no_other_peer_is_believed(trusted: str, peer: str | None, told: str | None) -> None:
    assert await seen(Proxies(nothing, trusted=trusted), peer, CLIENT) == (told, "http")


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ((f"{CLIENT}:5678",), CLIENT),
        ((f"::ffff:{CLIENT}",), CLIENT),
        ((f"[::ffff:{CLIENT}]:5678",), CLIENT),
        (("2001:db8::9",), "2001:db8::9"),
        (("[2001:db8::9]:5678",), "2001:db8::9"),
        ((f"6.6.6.6, {CLIENT}, 10.0.0.2",), CLIENT),
        ((f"6.6.6.6, {CLIENT}", "10.0.0.2"), CLIENT),
        ((f"6.6.6.6,{CLIENT},::ffff:10.0.0.2",), CLIENT),
        ((f"6.6.6.6,{CLIENT}:1,[::ffff:10.0.0.2]:2, ::FFFF:A00:3",), CLIENT),
        (("10.0.0.9, ::ffff:10.0.0.2",), "10.0.0.9"),
        (("6.6.6.6", f"{CLIENT}, 10.0.0.2"), CLIENT),
        ((f" , 6.6.6.6,, {CLIENT} ,", ""), CLIENT),
        (("2001:DB8:0::9",), "2001:db8::9"),
        (("fe80::9%eth0",), "fe80::9"),
        # What is no address is not believed: then it is the proxy's that handed it on.
        (("unknown",), "10.0.0.1"),
        (("[",), "10.0.0.1"),
        (("6.6.6.6, unknown",), "10.0.0.1"),
        (("6.6.6.6, unix:, 10.0.0.2",), "10.0.0.2"),
        (("6.6.6.6:http",), "10.0.0.1"),
        (("6.6.6.6:",), "10.0.0.1"),
        (("[2001:db8::9]x",), "10.0.0.1"),
        (("6.6.6.256",), "10.0.0.1"),
        (("6.6.6.6; evil",), "10.0.0.1"),
        ((f"{CLIENT} {CLIENT}",), "10.0.0.1"),
        (("\xfc",), "10.0.0.1"),
    ],
)
async def test_the_client_is_the_last_that_no_trusted_proxy_is(
    forwarded: tuple[str, ...], client: str
) -> None:
    proxies = Proxies(nothing, trusted="10.0.0.0/8")
    for peer in ("10.0.0.1", "::ffff:10.0.0.1"):
        assert await seen(proxies, peer, *forwarded) == (client, "https")


@pytest.mark.parametrize(
    ("hops", "forwarded", "client"),
    [
        ("1", (CLIENT,), CLIENT),
        ("1", (f"6.6.6.6, {CLIENT}",), CLIENT),
        ("1", (f"6.6.6.6, {CLIENT}:4711",), CLIENT),
        ("1", ("6.6.6.6", CLIENT), CLIENT),
        ("1", (), "198.51.100.1"),
        ("1", ("6.6.6.6, unknown",), "198.51.100.1"),
        ("2", (f"6.6.6.6, {CLIENT}, 198.51.100.2",), CLIENT),
        ("2", (f"6.6.6.6, {CLIENT}", "198.51.100.2"), CLIENT),
        ("2", (CLIENT,), CLIENT),  # who comes past the first proxy
        ("2", ("6.6.6.6, unknown, 198.51.100.2",), "198.51.100.2"),
        ("3", (f"6.6.6.6, {CLIENT}, ::ffff:198.51.100.3, [2001:db8::1]:80",), CLIENT),
        ("0", (CLIENT,), "198.51.100.1"),
    ],
)
async def test_so_many_hops_are_proxies(hops: str, forwarded: tuple[str, ...], client: str) -> None:
    assert (await seen(Proxies(nothing, trusted=hops), "198.51.100.1", *forwarded))[0] == client


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, http", "https"), ("wss", "http")],
)
async def test_a_trusted_peer_is_believed_of_the_scheme(proto: str, scheme: str) -> None:
    assert (await seen(Proxies(nothing, trusted=DEFAULT), "::1", proto=proto))[1] == scheme
    assert (await seen(Proxies(nothing, trusted=DEFAULT), "10.0.0.1", proto=proto))[1] == "http"


@pytest.mark.parametrize("wrong", ["*", "0.0.0.0/0", "::/0", "127.0.0.1,*", "10.0.0.1/0", "::ffff:0:0/96"])
async def test_nobody_can_believe_everybody(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"would believe everybody.*10\.0\.0\.1,192\.168\.0\.0/16"):
        Proxies(nothing, trusted=wrong)


@pytest.mark.parametrize("wrong", ["nginx", "1,10.0.0.1", "-1", "10.0.0.0/33", "10.0.0.1:80", "1.5", "33"])
async def test_what_can_be_trusted(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Proxies(nothing, trusted=wrong)


async def test_an_empty_header_names_nobody() -> None:
    proxies = Proxies(nothing, trusted=DEFAULT)
    assert await seen(proxies, "::ffff:127.0.0.1", "") == ("127.0.0.1", "https")
    assert await seen(proxies, "127.0.0.1", proto="gopher") == ("127.0.0.1", "http")


async def test_it_is_said_once_that_a_peer_is_not_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    proxies = Proxies(nothing, trusted=DEFAULT)
    await seen(proxies, "::ffff:127.0.0.1", CLIENT)
    await seen(proxies, "::ffff:10.0.0.1", proto=None)
    assert capsys.readouterr().err == ""
    for peer in ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"):
        await seen(proxies, peer, CLIENT)
    [line] = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    assert (line["level"], line["peer"]) == ("warning", "10.0.0.1")
    assert "name it in KALENDS_TRUSTED_PROXIES" in line["event"]
    # Each of the two headers is one that is missed.
    await seen(Proxies(nothing, trusted=DEFAULT), "10.0.0.1", proto="https")
    assert "10.0.0.1" in capsys.readouterr().err
    # A peer on a Unix socket has no address that could be named.
    await seen(Proxies(nothing, trusted=DEFAULT), None, CLIENT)
    assert "set KALENDS_TRUSTED_PROXIES=1" in capsys.readouterr().err


async def test_what_is_no_request_passes() -> None:
    passed = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(scope)

    await Proxies(app, trusted=DEFAULT)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert passed == [{"type": "lifespan"}]

"""HTTP with servers that a stranger named: to public addresses only, whatever a name resolves to by then."""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from kalends.core.addresses import is_public

RESOLVE_SECONDS = 5
_RESOLVERS = ThreadPoolExecutor(64, "resolver")
"""A look-up can't be cancelled: its thread waits for it, however long. The loop's own threads are too few."""


class PrivateAddressError(OSError):
    """A name led to an address that is not public."""


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses that a host name, or any spelling of an address, leads to. Raises OSError if it
    leads nowhere."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.run_in_executor(
                _RESOLVERS,
                partial(socket.getaddrinfo, host.rstrip("."), port, type=socket.SOCK_STREAM),
            )
    except UnicodeError:
        raise OSError(f"{host} is no host name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class PublicOnly(httpcore.AsyncNetworkBackend):
    """A network that resolves a name itself and connects to the addresses it has checked, so a name that
    resolves differently the second time gains nothing."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = [address for address in await resolve(host, port) if is_public(address)]
        except OSError as error:
            raise httpcore.ConnectError(f"{host} could not be resolved") from error
        if not addresses:
            raise PrivateAddressError(f"{host} leads to a private address")
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise PrivateAddressError("a URL can't lead to a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def client(*, allow_private: bool, timeout_seconds: float) -> httpx.AsyncClient:
    """Return an HTTP client that follows no redirects, keeps no cookies and ignores the environment. The
    timeout is for each step; the caller limits the whole."""
    transport = httpx.AsyncHTTPTransport(verify=_authorities(), trust_env=False)
    if not allow_private:
        # httpx has no parameter for it: the pool is its own, but with a network that checks addresses.
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=_authorities(),
            max_connections=1_000,
            max_keepalive_connections=100,
            keepalive_expiry=30,
            network_backend=PublicOnly(),
        )
    return httpx.AsyncClient(
        transport=transport,
        # A TLS handshake ends by itself before the whole does: httpcore does not close the connection
        # of one that is cancelled.
        timeout=httpx.Timeout(timeout_seconds, connect=timeout_seconds / 3),
        follow_redirects=False,
        trust_env=False,
        # A cookie of one server is not for the next one, which may belong to another organization.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Return how long a header asks to wait: by seconds or a date (RFC 9110, section 10.2.3); else None."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdecimal():
        return timedelta(seconds=min(int(text.strip()[:9]), 10**8))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(at - now, timedelta())


@cache
def _authorities() -> ssl.SSLContext:
    """Return what certificates are checked with. To read all authorities takes 15 ms of CPU time."""
    return httpx.create_ssl_context(trust_env=False)

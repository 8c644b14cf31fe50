"""Connecting to public addresses only, whatever a name resolves to by then."""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpcore

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
                _RESOLVERS, partial(socket.getaddrinfo, host.rstrip("."), port, type=socket.SOCK_STREAM)
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
        raise PrivateAddressError("a webhook can't go to a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

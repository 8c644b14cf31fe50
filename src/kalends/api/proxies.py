"""Who really asks, and how, where proxies stand between."""

import ipaddress
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from kalends.telemetry import log

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_READ = (b"x-forwarded-for", b"x-forwarded-proto")


class Proxies:
    """Pure ASGI, around the application: believes what trusted peers say of the client's address and scheme.

    uvicorn reads it. But to uvicorn `::ffff:127.0.0.1`, as a socket for both IPv4 and IPv6 calls a peer, is
    another address than `127.0.0.1`, so what is mapped is told to it as what it stands for.
    """

    def __init__(self, app: ASGIApp, *, trusted: str) -> None:
        """`trusted` is uvicorn's: addresses and networks, separated by commas, or `*` for every peer."""
        hosts = ",".join(_network(each.strip()) for each in trusted.split(","))
        self._app = ProxyHeadersMiddleware(app, trusted_hosts=hosts)  # type: ignore[arg-type]  # its own names
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if (client := scope.get("client")) is not None:
                scope["client"] = (_host(client[0]), client[1])
            if any(name in _READ for name, _ in scope["headers"]):
                self._tell_of(scope.get("client"))
                scope["headers"] = [*_unmapped(scope["headers"])]
        await self._app(scope, receive, send)  # type: ignore[arg-type]

    def _tell_of(self, client: tuple[str, int] | None) -> None:
        """Warn, once in the life of a process, that a peer's headers are ignored."""
        peer = None if client is None else client[0]
        if self._told or peer in self._app.trusted_hosts:
            return
        self._told = True
        log.warning(
            "X-Forwarded-… ignored, since the peer is not trusted. If it is your proxy, name it in "
            "FORWARDED_ALLOW_IPS: until then all its clients share one allowance, and links may begin with "
            "http://",
            peer=peer,
        )


def _unmapped(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"x-forwarded-for":
            hops = value.decode("latin-1").split(",")
            yield name, ",".join(_host(hop.strip()) for hop in hops).encode("latin-1")
        else:
            yield name, value


def _host(text: str) -> str:
    """The IPv4 address that a host (perhaps in brackets, with a port) maps; else the host as it is."""
    try:
        mapped = ipaddress.IPv6Address(text.removeprefix("[").partition("]")[0]).ipv4_mapped
    except ValueError:
        return text
    return text if mapped is None else str(mapped)


def _network(text: str) -> str:
    """What peers of an address or network are called; what is neither (`*`, say) as it is."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text
    if isinstance(network, ipaddress.IPv6Network):
        if network.subnet_of(_MAPPED):
            return f"{network.network_address.ipv4_mapped}/{network.prefixlen - _MAPPED.prefixlen}"
        if network.supernet_of(_MAPPED):
            return f"{network},0.0.0.0/0"
    return str(network)

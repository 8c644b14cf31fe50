"""The client's own address and scheme, if there are proxies in between."""

from starlette.types import ASGIApp, Receive, Scope, Send

from kalends.core import proxies
from kalends.telemetry import log

_SCHEMES = ("http", "https")


class Proxies:
    """Pure ASGI, around the application: believes what trusted peers say of the client's address and scheme,
    and calls an IPv4 peer on a socket for both kinds (`::ffff:127.0.0.1`) by its own address."""

    def __init__(self, app: ASGIApp, *, trusted: str) -> None:
        """`trusted` is as in KALENDS_TRUSTED_PROXIES. Raises ValueError if it is anything else."""
        self._app = app
        self._trusted = proxies.Proxies.read(trusted)
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._look(scope)
        await self._app(scope, receive, send)

    def _look(self, scope: Scope) -> None:
        client: tuple[str, int] | None = scope.get("client")
        if client is not None and client[0].startswith("::ffff:"):
            client = scope["client"] = (_host(client[0]), client[1])
        hops: list[str] = []
        schemes: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                hops += _listed(value)
            elif name == b"x-forwarded-proto":
                schemes += _listed(value)
        if not hops and not schemes:
            return
        peer = None if client is None else client[0]
        if not self._trusted.believes(peer):
            self._tell_of(peer)
            return
        if (found := self._trusted.client(peer, hops)) is not None and found != peer:
            scope["client"] = (found, 0)
        if schemes and schemes[0].lower() in _SCHEMES:  # the first is what the client used
            scope["scheme"] = schemes[0].lower()

    def _tell_of(self, peer: str | None) -> None:
        """Warn, once in the life of a process, that a peer's headers are ignored."""
        if self._told:
            return
        self._told = True
        named = "set KALENDS_TRUSTED_PROXIES=1" if peer is None else "name it in KALENDS_TRUSTED_PROXIES"
        log.warning(
            f"X-Forwarded-… ignored, since the peer is not trusted. If it is your proxy, {named}: until then "
            "all its clients share one allowance, and links may begin with http://",
            peer=peer,
        )


def _listed(value: bytes) -> list[str]:
    return [each.strip() for each in value.decode("latin-1").split(",") if each.strip()]


def _host(peer: str) -> str:
    found = proxies.address(peer)
    return peer if found is None else str(found)

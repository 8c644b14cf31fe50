"""Which proxies are believed, and whom they name as the client."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

MOST_HOPS = 32
_MAPPED = IPv6Network("::ffff:0:0/96")
_EVERYBODY = ("*", "0.0.0.0/0", "::/0")
_EXAMPLES = "such as 10.0.0.1,192.168.0.0/16, or the number of proxies, such as 1"


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that are believed: those with an address in `networks`, or the last `hops`, with any
    addresses. With neither, no proxy is."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    hops: int = 0

    @classmethod
    def read(cls, text: str) -> "Proxies":
        """Read addresses and networks, separated by commas, or a number of hops. Raises ValueError with what
        is wrong and what to write instead."""
        written = [each.strip() for each in text.split(",") if each.strip()]
        if len(written) == 1 and written[0].isdecimal():
            hops = int(written[0]) if len(written[0]) < 10 else MOST_HOPS + 1
            if hops > MOST_HOPS:
                raise ValueError(f"a number of proxies must be from 0 to {MOST_HOPS}")
            return cls(hops=hops)
        return cls(networks=tuple(_network(each) for each in written))

    def believes(self, peer: str | None) -> bool:
        """Return whether a peer is a proxy of ours. None is a peer without an address, on a Unix socket."""
        if self.hops:
            return True
        return peer is not None and self._has(address(peer))

    def client(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """Return the address that counts as the client's: the last, of those that a believed `peer` hands on
        (`forwarded`, oldest first) and its own, that is no proxy's. What is no address is not believed: then
        it is the proxy's that handed it on."""
        found = peer
        for place, text in enumerate(reversed(forwarded), start=1):
            hop = address(text)
            if hop is None:
                break
            found = str(hop)
            if place >= self.hops if self.hops else not self._has(hop):
                break
        return found

    def _has(self, hop: IPv4Address | IPv6Address | None) -> bool:
        return hop is not None and any(hop in network for network in self.networks)


def address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a hop of X-Forwarded-For: perhaps in brackets, with a port. An IPv4 address that
    is mapped into IPv6 is what it stands for. None for anything else."""
    text = text.strip()
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        if port and not _is_port(port):
            return None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    else:
        host = text
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isdecimal() and text.isascii() and len(text) <= 6


def _network(text: str) -> IPv4Network | IPv6Network:
    if text in _EVERYBODY:
        raise ValueError(
            f"{text} would believe everybody, so anybody could say to be anybody; write the addresses or "
            f"networks of your proxies, {_EXAMPLES}"
        )
    try:
        network = ip_network(text.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        raise ValueError(f"must be addresses or networks, separated by commas, {_EXAMPLES}") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        assert mapped is not None
        network = ip_network(f"{mapped}/{network.prefixlen - _MAPPED.prefixlen}")
    if network.prefixlen == 0:
        return _network(_EVERYBODY[1])
    return network

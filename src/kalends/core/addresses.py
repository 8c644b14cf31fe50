"""Which network addresses a server may send to on behalf of somebody it does not know."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

_NAT64 = ip_network("64:ff9b::/96")
_UNICAST = ip_network("2000::/3")
"""All that the public internet uses of IPv6."""
_SPECIAL = tuple(ip_network(block) for block in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
"""In IANA's registries, too, but not known to every Python's `ipaddress`."""
_WIRE_SERVER = ip_address("168.63.129.16")
"""Azure's metadata service, at an address that looks public."""
_PORTS = {"http": 80, "https": 443}
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}$){_LABEL}(\.{_LABEL})*\.?")
_NUMBER = re.compile("[0-9]+|0[xX][0-9A-Fa-f]*")
"""The last part of a host that is read as an address (WHATWG URL)."""
_ESCAPED = re.compile("%[0-9A-Fa-f]{2}")
_PLAIN = re.compile("[A-Za-z0-9._~-]")


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet: not to this machine, its network, its
    link, its cloud's metadata service, or any other special purpose (IANA's registries). An IPv6 address that
    stands for an IPv4 one is judged by that one. Raises ValueError if it is not an address."""
    found = ip_address(address.partition("%")[0])
    inner = _inner(found) if isinstance(found, IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    if isinstance(found, IPv6Address) and found not in _UNICAST:
        return False
    special = found.is_multicast or found == _WIRE_SERVER or any(found in block for block in _SPECIAL)
    return found.is_global and not special


def is_plain(netloc: str) -> bool:
    """Return whether the part of a URL that names its host and port names it as everybody reads it: by a
    name, an IPv4 address in four decimal numbers, or an IPv6 address in brackets. Programs read other
    spellings differently: escapes, zones, numbers of other kinds."""
    if netloc.startswith("["):
        host, _, port = netloc[1:].partition("]")
        if port and not port.startswith(":"):
            return False
        port = port[1:]
    else:
        host, _, port = netloc.partition(":")
    if port and not (port.isascii() and port.isdecimal()):
        return False
    try:
        if netloc.startswith("["):
            return "%" not in host and bool(IPv6Address(host))
        if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            return bool(IPv4Address(host))
    except ValueError:
        return False
    return _NAME.fullmatch(host) is not None


def destination(url: str) -> tuple[str, str, int | None, str, str]:
    """Return where requests to an http or https URL go: scheme, host, port, path and query. They are the same
    for all spellings of one URL (RFC 3986, section 6.2)."""
    parts = urlsplit(url)
    segments: list[str] = []
    for segment in _unescaped(parts.path).split("/"):
        if segment == "..":
            segments = segments[:1] + segments[1:-1]
        elif segment != ".":
            segments.append(segment)
    return (
        parts.scheme,
        (parts.hostname or "").rstrip("."),
        parts.port or _PORTS.get(parts.scheme),
        "/".join(segments) or "/",
        _unescaped(parts.query),
    )


def _unescaped(text: str) -> str:
    """Return the text without escapes that are not needed, and with the others in capitals."""

    def plain(escaped: re.Match[str]) -> str:
        letter = chr(int(escaped[0][1:], 16))
        return letter if _PLAIN.fullmatch(letter) else escaped[0].upper()

    return _ESCAPED.sub(plain, text)


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None

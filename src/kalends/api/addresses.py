"""The addresses that requests without a key come from."""

import ipaddress

from starlette.types import Scope


def address_of(scope: Scope) -> str:
    """Return what a sender without a key is known by: an IPv4 address, or the network of an IPv6 address,
    since each customer has a whole network."""
    sent_from = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(sent_from)
    except ValueError:
        return str(sent_from)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)

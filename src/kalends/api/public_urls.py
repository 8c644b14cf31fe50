"""URLs that this server is to call: they must lead to the public internet."""

from urllib.parse import urlsplit

from kalends.core.addresses import is_public
from kalends.network import resolve
from kalends.schemas.wrong_fields import malformed, wrong


async def must_be_public(url: str) -> None:
    """Raise Malformed if a URL leads to a private address now. A URL that leads nowhere is let in, since
    every connection is checked again."""
    parts = urlsplit(url)
    try:
        found = await resolve(parts.hostname or "", parts.port or 443)
    except OSError:
        return
    if not all(is_public(address) for address in found):
        reason = "must not lead to a private, loopback or link-local address"
        raise malformed([wrong("url", reason, "private")])

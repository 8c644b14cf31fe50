"""Slugs: names in the addresses of pages."""

import re
import unicodedata
from collections.abc import Collection

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 63
_OF_NOTHING = "booking"


def slug_of(name: str) -> str:
    """Return a slug made of the letters and digits of a name; blank if it has none that are Latin."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-")


def free_slug(name: str, taken: Collection[str]) -> str:
    """Return a slug for a name that is not among those `taken`: with a number, if need be."""
    wanted = slug_of(name) or _OF_NOTHING
    slug, number = wanted, 2
    while slug in taken:
        slug, number = f"{wanted[: _LONGEST - 8]}-{number}", number + 1
    return slug

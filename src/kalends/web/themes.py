"""The stylesheet that one colour makes."""

from dataclasses import fields
from functools import lru_cache

from kalends.core.caller import Host
from kalends.core.colors import DARK, LIGHT, Palette, normal, palette

DEFAULT = "#2456c8"
"""The colour of an organization that has chosen none. `book.css` has its palette."""


def color_of(host: Host) -> str:
    """Return the colour of an organization's pages."""
    return host.color or DEFAULT


def version(color: str) -> str:
    """Return what stands for a colour in the address of its stylesheet."""
    return normal(color).removeprefix("#")


@lru_cache(64)
def theme(color: str) -> str:
    """Return the stylesheet of a colour (`#rrggbb` or `#rgb`), for both schemes. Raises ValueError for what
    is no such colour."""
    light, dark = palette(color, LIGHT), palette(color, DARK)
    names = [field.name for field in fields(Palette)]
    lines = [
        f"--{name.replace('_', '-')}:light-dark({getattr(light, name)},{getattr(dark, name)})"
        for name in names
    ]
    return f":root{{{';'.join(lines)}}}\n"

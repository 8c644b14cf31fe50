"""The stylesheets that colours make."""

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


def mark(color: str | None) -> str:
    """Return the class by which a colour (`#rrggbb`) of a type or a calendar is known; nothing for none."""
    return "" if color is None else f"k-{version(color)}"


@lru_cache(64)
def marks(versions: str) -> str:
    """Return the stylesheet of some colours, which are named by their versions, separated by hyphens: for
    each what the edge and the background are of what has its class. Raises ValueError for what is no
    colour."""
    lines = []
    for each in versions.split("-"):
        light, dark = palette(f"#{each}", LIGHT), palette(f"#{each}", DARK)
        edge, tint = (f"light-dark({getattr(light, of)},{getattr(dark, of)})" for of in ("edge", "tint"))
        lines.append(f".{mark(f'#{each}')}{{--own-edge:{edge};--own-tint:{tint}}}\n")
    return "".join(lines)

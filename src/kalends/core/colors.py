"""Colours that can be read: from one colour, those of a page, with the contrast that WCAG 2.2 asks for."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

TEXT_CONTRAST = 4.5
"""For text (WCAG 2.2, 1.4.3)."""
SHAPE_CONTRAST = 3.0
"""For what has to be seen, but not read, such as the edge of a field (1.4.11)."""
_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_STEPS = 128
_BLACK, _WHITE = "#000000", "#ffffff"
_TINT = 0.1
"""How much of the colour is in the faintest background."""

Linear = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a page looks like without a colour of its own: its backgrounds, and the text on them. `toward` is
    the lightness that stands out from them most."""

    surface: str
    raised: str
    text: str
    toward: float


LIGHT = Scheme(surface="#ffffff", raised="#f4f5f7", text="#1b1c20", toward=0)
DARK = Scheme(surface="#15171b", raised="#1f2227", text="#e8e9ec", toward=1)


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours that one colour becomes in a scheme: `fill` is the colour itself, behind text in `on_fill`;
    `accent` is for text, and `edge` for lines, on every background; `tint` is a faint background for text in
    the scheme's own colour or in `accent`."""

    fill: str
    on_fill: str
    accent: str
    edge: str
    tint: str


@lru_cache(256)
def palette(color: str, scheme: Scheme) -> Palette:
    """Return the palette of a colour (`#rrggbb` or `#rgb`). Hues stay; lightness changes only where it is too
    near to the background. Raises ValueError for what is no such colour."""
    fill = normal(color)
    tint = _mixed(scheme.surface, fill, _TINT)
    backgrounds = (scheme.surface, scheme.raised, tint)
    return Palette(
        fill=fill,
        # One of them always has 4.58 : 1 or more.
        on_fill=max(_WHITE, _BLACK, key=lambda each: contrast(each, fill)),
        accent=_legible(fill, backgrounds, TEXT_CONTRAST, scheme.toward),
        edge=_legible(fill, backgrounds, SHAPE_CONTRAST, scheme.toward),
        tint=tint,
    )


def normal(color: str) -> str:
    """Return a colour as `#rrggbb`. Raises ValueError for what is neither that nor `#rgb`."""
    if not _COLOR.fullmatch(color):
        raise ValueError("a colour must be #rrggbb or #rgb")
    digits = color[1:].lower()
    return f"#{digits}" if len(digits) == 6 else "#" + "".join(each * 2 for each in digits)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def hue(color: str) -> tuple[float, float]:
    """Return the hue of a colour in degrees, and its chroma (Oklch): near a chroma of 0 it is grey."""
    _, a, b = _oklab(_linear(normal(color)))
    return math.degrees(math.atan2(b, a)) % 360, math.hypot(a, b)


def _legible(color: str, backgrounds: Iterable[str], ratio: float, toward: float) -> str:
    """Return the colour, made lighter or darker until it has that contrast to every background."""
    backgrounds = tuple(backgrounds)
    lightness, a, b = _oklab(_linear(color))
    for step in range(_STEPS + 1):
        tried = color if step == 0 else _shade(lightness + (toward - lightness) * step / _STEPS, a, b)
        if all(contrast(tried, each) >= ratio for each in backgrounds):
            break
    return tried


def _shade(lightness: float, a: float, b: float) -> str:
    """Return the colour of that lightness and hue that is as strong as (a, b), or as screens can show it."""
    within, beyond = 0.0, 1.0
    if not _is_shown(_rgb(lightness, a, b)):
        for _ in range(12):
            share = (within + beyond) / 2
            if _is_shown(_rgb(lightness, a * share, b * share)):
                within = share
            else:
                beyond = share
    else:
        within = 1.0
    return _hex(_rgb(lightness, a * within, b * within))


def _luminance(color: str) -> float:
    red, green, blue = _linear(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: str, other: str, share: float) -> str:
    parts = zip(_bytes(one), _bytes(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


def _bytes(color: str) -> bytes:
    return bytes.fromhex(color[1:])


def _linear(color: str) -> Linear:
    """Return red, green and blue as amounts of light, from 0 to 1."""
    red, green, blue = (_light(each / 255) for each in _bytes(color))
    return red, green, blue


def _light(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _hex(light: Linear) -> str:
    return "#" + "".join(f"{round(_stored(min(1.0, max(0.0, each))) * 255):02x}" for each in light)


def _stored(light: float) -> float:
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def _is_shown(light: Linear) -> bool:
    return all(-0.0005 <= each <= 1.0005 for each in light)


# Oklab (Björn Ottosson, 2020): equal steps in it look equal.


def _oklab(light: Linear) -> Linear:
    """Return lightness, and the two axes of colour."""
    red, green, blue = light
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _rgb(lightness: float, a: float, b: float) -> Linear:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )

"""Colours that can be read, whatever colour an organization has."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kalends.core.colors import (
    DARK,
    LIGHT,
    SHAPE_CONTRAST,
    TEXT_CONTRAST,
    Scheme,
    contrast,
    hue,
    normal,
    palette,
)

COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


@SCHEMES
@given(color=COLORS)
@example(color="#000000")
@example(color="#ffffff")
@example(color="#777777")
@example(color="#ffff00")
@example(color="#0000ff")
@example(color="#00ff00")
def test_every_colour_can_be_read(scheme: Scheme, color: str) -> None:
    made = palette(color, scheme)
    assert contrast(made.on_fill, made.fill) >= TEXT_CONTRAST
    for background in (scheme.surface, scheme.raised, made.tint):
        assert contrast(scheme.text, background) >= TEXT_CONTRAST
        assert contrast(made.accent, background) >= TEXT_CONTRAST
        assert contrast(made.edge, background) >= SHAPE_CONTRAST


@SCHEMES
@given(color=COLORS)
def test_the_hue_stays(scheme: Scheme, color: str) -> None:
    made = palette(color, scheme)
    before, chroma = hue(color)
    assert made.fill == color
    for each in (made.accent, made.edge):
        after, left = hue(each)
        if min(chroma, left) > 0.03:  # below, it is grey, and bytes are too coarse to have a hue
            assert abs((after - before + 180) % 360 - 180) < 12


@SCHEMES
def test_what_is_legible_already_stays_as_it_is(scheme: Scheme) -> None:
    color = scheme.text
    assert palette(color, scheme).accent == palette(color, scheme).edge == color


@given(color=COLORS)
def test_it_is_changed_no_further_than_needed(color: str) -> None:
    """What had to be changed is near to the limit."""
    for scheme in (LIGHT, DARK):
        made = palette(color, scheme)
        if made.accent != color:
            backgrounds = (scheme.surface, scheme.raised, made.tint)
            assert min(contrast(made.accent, each) for each in backgrounds) < TEXT_CONTRAST + 0.5


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21),
        ("#ffffff", "#000000", 21),
        ("#777777", "#ffffff", 4.478),
        ("#ff0000", "#ffffff", 3.998),
        ("#336699", "#336699", 1),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.001)


def test_colours_have_two_spellings() -> None:
    assert normal("#AbC") == normal("#aabbcc") == "#aabbcc"
    assert palette("#abc", LIGHT) == palette("#AABBCC", LIGHT)


@pytest.mark.parametrize(
    "wrong", ["", "#", "abc", "#ab", "#abcd", "#abcde", "#ggg", "#aabbccdd", "#abc\n", "red"]
)
def test_what_is_no_colour_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        normal(wrong)


def test_palettes_are_colours() -> None:
    made = palette("#2456c8", DARK)
    for each in (made.fill, made.on_fill, made.accent, made.edge, made.tint):
        assert re.fullmatch(r"#[0-9a-f]{6}", each)

"""What people type and paste, made fit to be stored: without what forges lines or can't be seen."""

import re

from kalends.core.errors import Malformed

LONGEST_NAME = 255

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Unicode's Bidi_Control, for a set of a regular expression: they make text look other than it is."""
INVISIBLE = (
    r"\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
)
"""Spaces, controls and Unicode's Default_Ignorable_Code_Point: a text of these alone shows nothing."""

# NUL is in none of them: it is refused by its name.
_BREAKS = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")
_LINE_ENDS = re.compile("[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
_CONTROLS = re.compile(f"[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f{BIDI_CONTROLS}]")
_VISIBLE = re.compile(f"[^{INVISIBLE}]")


def one_line(text: str) -> str:
    """Return the text in one line, trimmed: line breaks and tabs become a space; other control characters,
    and those that turn the direction of text, go. Joiners stay, since names and emoji need them."""
    if text.isprintable():  # as almost every text is
        return text.strip()
    parts = (part.strip(" ") for part in _BREAKS.split(_CONTROLS.sub("", text)))
    return " ".join(part for part in parts if part).strip()


def in_lines(text: str) -> str:
    """Return the text in its lines, without control characters and those that turn the direction of text.
    Tabs stay."""
    return text if text.isprintable() else _LINE_ENDS.sub("\n", _CONTROLS.sub("", text))


def is_blank(text: str) -> bool:
    """Return whether there is nothing to be seen in a text."""
    return _VISIBLE.search(text) is None and "\x00" not in text


def named(text: str) -> str:
    """Return a name in one line. Raises Malformed if it is blank, too long, or can't be stored."""
    name = one_line(text)
    storable = "\x00" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)
    if is_blank(name) or len(name) > LONGEST_NAME or not storable:
        raise Malformed(f"The name must have 1 to {LONGEST_NAME} characters.")
    return name


def storable(text: str) -> str:
    """Return a text as every database stores it, whatever bytes another server sent."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")

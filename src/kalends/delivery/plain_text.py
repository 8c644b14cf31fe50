"""What people have typed, made fit for headers and calendar files, where lines have a meaning."""

import re

_NEWLINE = re.compile("\r\n|\r|\n")
_JOINERS = "\u200c\u200d"
"""They are invisible, but names in some scripts are spelt with them."""


def one_line(text: str) -> str:
    """Return the text in one line."""
    return " ".join(_visible(text).split())


def lines(text: str) -> str:
    """Return the text with line ends that every program takes for one."""
    return "\n".join(_visible(line) for line in _NEWLINE.split(text))


def _visible(text: str) -> str:
    return "".join(each if each.isprintable() or each in _JOINERS else " " for each in text)

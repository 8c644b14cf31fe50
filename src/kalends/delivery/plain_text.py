"""What people have typed, made fit for where lines have a meaning: headers, and calendar files."""

import re

_NEWLINE = re.compile("\r\n|\r|\n")
_JOINERS = "\u200c\u200d"
"""They can't be seen, but names in some scripts are spelt with them."""


def one_line(text: str) -> str:
    """The text in one line."""
    return " ".join(_visible(text).split())


def lines(text: str) -> str:
    """The text in its lines, each of which is one to every program."""
    return "\n".join(_visible(line) for line in _NEWLINE.split(text))


def _visible(text: str) -> str:
    return "".join(each if each.isprintable() or each in _JOINERS else " " for each in text)

"""How clients are reached: addresses and numbers as people mean them."""

import unicodedata
from urllib.parse import unquote

from kalends.core.text import one_line

_JOINERS = "\u200c\u200d"
_NO_BREAK_SPACES = "\xa0\u2007\u202f"
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_MORE_DASHES = "\u02d7\u2043\u2053\u2212\u30fc"
"""Dashes that Unicode does not class as such; the last one is what Japanese keyboards have."""


def folded(address: str) -> str:
    """Return an e-mail address in the form in which addresses are compared: without regard to capitals, in
    any script (Unicode's caseless matching, D146)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).casefold())


def digits(number: str) -> str:
    """Return a phone number in the form in which numbers are compared: its digits, those of an extension
    included."""
    return "".join(each for each in number if each in "0123456789")


def is_same(one: str | None, other: str | None) -> bool:
    """Return whether two addresses are the same person's, or both are missing."""
    return one == other or (one is not None and other is not None and folded(one) == folded(other))


def is_replaced(before: str | None, after: str | None) -> bool:
    """Return whether there was an address `before`, and the one `after` is another person's or missing."""
    return before is not None and not is_same(before, after)


def plain_address(text: str) -> str:
    """Return an e-mail address as it was meant if it was copied from a page or a phone: without `mailto:`,
    without invisible characters and no-break spaces, in ordinary letters, with ordinary hyphens."""
    plain = _plain_address(text)
    if plain[:7].lower() != "mailto:":
        return plain
    return _plain_address(unquote(plain[7:].partition("?")[0]))


def plain_phone(text: str) -> str:
    """Return a phone number as it was meant if it was copied from a page or a phone: without `tel:`,
    without invisible characters, with the digits, spaces and hyphens of ASCII. What else people put between
    the digits stays."""
    plain = _plain_phone(text)
    if plain[:4].lower() != "tel:":
        return plain
    return _plain_phone(unquote(plain[4:]).replace(";ext=", " ext "))


def _plain_address(text: str) -> str:
    text = one_line(text)
    if text.isascii():
        return text
    kept = (each for each in text if each in _JOINERS or not (each in _NO_BREAK_SPACES or _is_format(each)))
    plain = unicodedata.normalize("NFKC", "".join(kept)).translate(_HYPHENS).strip(_JOINERS + " ")
    local, at, domain = plain.rpartition("@")
    # Some domains are spelt with joiners: without them it would be another's.
    ordinary = _without_joiners(domain)
    return _without_joiners(local) + at + (ordinary if ordinary.isascii() else domain)


def _without_joiners(text: str) -> str:
    return "".join(each for each in text if each not in _JOINERS)


def _plain_phone(text: str) -> str:
    text = one_line(text)
    if text.isascii():
        return text
    kept = (each for each in unicodedata.normalize("NFKC", text) if not _is_format(each))
    return "".join(_of_phones(each) for each in kept).strip()


def _of_phones(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    if unicodedata.category(letter) == "Pd" or letter in _MORE_DASHES:
        return "-"
    return " " if letter.isspace() else letter


def _is_format(letter: str) -> bool:
    """Return whether a character shows nothing and takes no place, as zero-width ones, marks of direction and
    variation selectors do."""
    return unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f"

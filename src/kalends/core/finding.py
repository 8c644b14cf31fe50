"""How appointments and clients are found by words: texts in the form in which they are compared."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from kalends.core.contacts import digits

LONGEST_SEARCH = 200
_MOST = 10_000
"""So many characters of an appointment can be searched: first the name, the address and the number, then the
notes."""
_LONGEST_KEY = 300
"""An index takes about 2,700 bytes."""
_PHONE = frozenset("0123456789+-()/.")
_SEARCHED = ("client_name", "client_email", "client_phone", "client_notes", "internal_notes")
KEYED = (*_SEARCHED, "client_email_folded", "client_phone_digits")
"""The columns of an appointment of which its columns for searching are made."""


def plain(text: str) -> str:
    """Return a text as it is searched: without regard to capitals and accents, in one line."""
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(each for each in letters if unicodedata.category(each) != "Mn").split())


def words(text: str) -> list[str]:
    """Return the words that are searched for, as they are compared, each once."""
    found = list(dict.fromkeys(plain(text[:LONGEST_SEARCH]).split()))
    return [each for each in found if not any(each != other and each in other for other in found)]


def readings(word: str) -> list[str]:
    """Return what may be found in place of a word: part of a phone number may be written in other groups, and
    without the zeros that are dialled before it within a country."""
    number = digits(word)
    if not number or not _PHONE.issuperset(word):
        return [word]
    abroad = number.lstrip("0")
    return list(dict.fromkeys([word, number, *([abroad] if len(abroad) > 1 else [])]))


def found_by(fields: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the columns by which an appointment is found: its words, and the key of its client, who is one
    by their e-mail address, else by their phone number, else by their name. A hold has no client."""
    said = [fields[name] for name in _SEARCHED]
    said.insert(3, fields["client_phone_digits"])
    text = " ".join(plain(each[:_MOST]) for each in said if each)[:_MOST]
    return {"client_key": _key(fields), "client_words": text}


def _key(fields: Mapping[str, Any]) -> str | None:
    if fields["client_email_folded"]:
        key = f"e:{fields['client_email_folded']}"
    elif fields["client_phone_digits"]:
        key = f"p:{fields['client_phone_digits']}"
    elif fields["client_name"]:
        key = f"n:{plain(fields['client_name'])}"
    else:
        return None
    return key[:_LONGEST_KEY]

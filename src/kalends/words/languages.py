"""Which language people read, and how their country writes it."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from babel import Locale
from babel.core import get_global
from babel.localedata import locale_identifiers

LANGUAGES = ("en", "es", "fr", "de", "pt")
"""What mails and pages are written in; the first is that of the sentences themselves."""
_LOCALES = frozenset(locale_identifiers())
LONGEST_TAG = 35
"""In characters; RFC 5646 asks for no more to be kept."""
_MOST_RANGES = 20
"""How many languages of a browser are looked at: nobody reads more."""
_REGION = re.compile(r"(?:[a-z]{3}-)*(?:[a-z]{4}-)?([a-z]{2}|[0-9]{3})(?:-|$)", re.IGNORECASE)
_TAG = re.compile(r"[a-z]{1,8}(?:-[a-z0-9]{1,8})*", re.IGNORECASE)


@lru_cache(maxsize=100)
def known_language(tag: str) -> str | None:
    """Return the language that is written here for a BCP 47 tag; None if there is none."""
    return nearest(tag, LANGUAGES)


def nearest(tag: str, among: Iterable[str]) -> str | None:
    """Return which of some tags serves a BCP 47 tag, by lookup (RFC 4647, section 3.4): the tag is shortened
    until it matches. Returns None if nothing does."""
    known = {each.lower(): each for each in among}
    parts = tag.lower().split("-")
    while parts:
        if (found := known.get("-".join(parts))) is not None:
            return found
        parts.pop()
    return None


def language_of(tag: str) -> str:
    """Return the same, or English if nothing matches."""
    return known_language(tag) or LANGUAGES[0]


def region_of(tag: str) -> str | None:
    """Return the region that a BCP 47 tag names, such as GB or 419; None if it names none. Other codes of a
    country (UK, 826) become its own."""
    found = _REGION.match(tag.partition("-")[2])
    if found is None:
        return None
    region = found[1].upper()
    known: str = get_global("territory_aliases").get(region, [region])[0]
    return known


@lru_cache(maxsize=100)
def locale_of(tag: str) -> Locale:
    """Return how dates, clock times and zones are written for a BCP 47 tag: as in its country, if that
    country's way to write the language is known, and always in the language of the text. (Babel keeps all
    that it ever read, so nobody may choose from the hundreds of other languages.)"""
    written_in, region = language_of(tag), region_of(tag)
    is_written = tag.partition("-")[0].lower() == written_in
    return Locale(written_in, region if is_written and f"{written_in}_{region}" in _LOCALES else None)


def preferred(accepted: str) -> Iterator[str]:
    """Yield the tags of a header `Accept-Language` that are written here, with their regions, the most wanted
    first. What is no such header yields nothing."""
    weighed = []
    for position, each in enumerate(accepted.split(",")[:_MOST_RANGES]):
        tag, _, parameter = each.partition(";")
        weight = _weight(parameter)
        is_tag = len(tag := tag.strip()) <= LONGEST_TAG and _TAG.fullmatch(tag)
        if is_tag and known_language(tag) is not None and weight > 0:
            weighed.append((-weight, position, tag))
    for _, _, tag in sorted(weighed):
        yield tag


def chosen(asked: str | None, accepted: str, otherwise: str) -> str:
    """Return the tag of the language to write in: what was asked for, if it is written here; else what the
    header `Accept-Language` (`accepted`) wants most; else `otherwise`. If a language is asked for without a
    region, and the browser names one for it, that region counts."""
    wanted = list(preferred(accepted))
    if asked is None or not _TAG.fullmatch(asked) or (language := known_language(asked)) is None:
        return wanted[0] if wanted else otherwise
    if region_of(asked) is None:
        return next((tag for tag in wanted if known_language(tag) == language and region_of(tag)), asked)
    return asked


def own_name(language: str) -> str:
    """Return what a language calls itself, as a label: `Deutsch`."""
    name = Locale.parse(language).get_display_name() or language
    return name[:1].upper() + name[1:]


def _weight(parameter: str) -> float:
    """Return how much a language is wanted, from 0 to 1 (RFC 9110, section 12.4.2)."""
    name, _, value = parameter.partition("=")
    if name.strip().lower() != "q" or not re.fullmatch(r"[01](\.[0-9]{0,3})?", value.strip()):
        return 1.0
    return min(1.0, float(value))

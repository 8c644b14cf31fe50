"""Zones as people call them: by a city whose clocks they know."""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from babel import Locale
from babel.core import get_global

from kalends.core.hours import zone_names
from kalends.words import dates

_ETC = "Etc/"
_LANGUAGES = 8
"""For the cities of so many languages, names are kept."""


def zone_called(text: str, locale: Locale) -> str | None:
    """Return the IANA name of the zone that somebody means: by that name, or by that of its city, in English
    or as the locale calls it, in any capitals and without accents. Returns None if it is not known."""
    wanted = _plain(text)
    return _by_name().get(wanted) or _by_city(locale).get(wanted)


@lru_cache(1)
def _by_name() -> Mapping[str, str]:
    # `Etc/GMT+2` is two hours behind, the reverse of what people mean by GMT+2.
    return {_plain(name): name for name in sorted(zone_names()) if not name.startswith(_ETC)}


@lru_cache(_LANGUAGES)
def _by_city(locale: Locale) -> Mapping[str, str]:
    known = [name for name in sorted(get_global("zone_territories")) if name in _by_name().values()]
    english = {_plain(name.rpartition("/")[2]): name for name in known if "/" in name}
    return {_plain(dates.place(name, locale)): name for name in known} | english


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.replace("_", " ").replace("-", " "))
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    return " ".join(plain.split()).casefold()

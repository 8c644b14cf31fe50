"""Who reads a page: their language, region, clock, zone and look. All of it is in the request; nothing is
stored in the browser."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Self
from urllib.parse import quote, urlencode, urlsplit

from babel import Locale
from starlette.datastructures import Headers, QueryParams
from starlette.types import Scope

from kalends.api.context import context_of
from kalends.core.hours import zone_names
from kalends.web.forms import ANSWER, OWN
from kalends.words import dates, languages, prices, zones
from kalends.words.dates import Clock
from kalends.words.sentences import translate

Theme = Literal["light", "dark"]
_THEMES: Mapping[str, Theme] = {"light": "light", "dark": "dark"}
_CLOCKS: Mapping[str, Clock] = {"12": 12, "24": 24}
_VALID: Mapping[str, Callable[[str], bool]] = {
    "lang": lambda sent: len(sent) <= languages.LONGEST_TAG and languages.known_language(sent) is not None,
    "zone": lambda sent: sent in zone_names(),
    "clock": lambda sent: sent in _CLOCKS,
    "theme": lambda sent: sent in _THEMES,
    "embed": lambda sent: sent == "1",
}
"""The parameters that links carry along. One with another value is as if it had not been sent."""
OF_THE_CHOICE = ("month", "date", "with", "replaces")
"""The parameters that say what is looked at, and not who looks."""
NEWS = ("booked", "moved", "confirmed", "saved", "cancelled")
"""The parameters that say what was just done."""
_KNOWN = frozenset({*_VALID, *OF_THE_CHOICE, *OWN, *NEWS, "to", "city"})
_LONGEST_QUERY = 2_000
"""In characters. A page repeats its query in dozens of links."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The person for whom a page is written. `tag` is a BCP 47 tag, of a language that is written here.
    `path` is where they are, and `query` has the parameters that pages know; `carried` are those that every
    link repeats. `prefix` is the path below which the server is reached. `week_start` is the organization's,
    0 for Sunday … 6 for Saturday."""

    tag: str
    carried: Mapping[str, str]
    path: str = "/"
    query: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    week_start: int = 1

    @classmethod
    def of(
        cls, scope: Scope, *, own: str | None = None, language: str | None = None, week_start: int = 1
    ) -> Self:
        """Return who sent a request. `own` is the language (BCP 47) that is known of them, which counts more
        than what their browser says. `language` and `week_start` are the organization's, for readers who name
        none."""
        sent = QueryParams(scope["query_string"])
        carried = {name: sent[name] for name, is_valid in _VALID.items() if name in sent}
        carried = {name: value for name, value in carried.items() if _VALID[name](value)}
        accepted = ",".join(Headers(scope=scope).getlist("accept-language"))
        tag = languages.chosen(carried.get("lang", own), accepted, language or languages.LANGUAGES[0])
        prefix = urlsplit(context_of(scope).settings.public_url).path
        return cls(tag, carried, scope["path"], _known(sent), prefix, week_start)

    @property
    def language(self) -> str:
        """The language of the page: one of those that are written here."""
        return languages.language_of(self.tag)

    @property
    def locale(self) -> Locale:
        """How dates, numbers and prices are written."""
        return languages.locale_of(self.tag)

    @property
    def direction(self) -> str:
        """The direction of text: `ltr` or `rtl`."""
        return self.locale.text_direction

    @property
    def zone(self) -> str | None:
        """The IANA zone that was asked for, if one was."""
        return self.carried.get("zone")

    @property
    def clock(self) -> Clock:
        """How many hours clocks have: as asked for, or as in the reader's country."""
        return _CLOCKS.get(self.carried.get("clock", ""), 12 if dates.has_12_hours(self.locale) else 24)

    @property
    def theme(self) -> Theme | None:
        """The look that was asked for; None to follow the device."""
        return _THEMES.get(self.carried.get("theme", ""))

    @property
    def is_embedded(self) -> bool:
        """Whether the page is part of another site's page."""
        return "embed" in self.carried

    @property
    def first_weekday(self) -> int:
        """The day on which weeks begin: in the reader's region if it is known, else as the organization has
        it. 0 is Sunday."""
        return dates.first_weekday(self.tag, self.week_start)

    def link(self, path: str, **query: str | None) -> str:
        """Return the address of a path of this server, with what was asked for and `query`; what is None
        there is left out."""
        return self._address(path, {**self.carried, **query})

    def below(self, path: str) -> Callable[[str], str]:
        """Return what gives the address of each thing below a path, by its id: for pages that list many."""
        address, mark, query = self.link(path).partition("?")
        return lambda id_: f"{address}/{id_}{mark}{query}"

    def here(self, **query: str | None) -> str:
        """Return the address of the page itself, with `query` in place of some of its parameters; what is
        None there is left out."""
        return self._address(quote(self.path), {**self.query, **query})

    def say(self, sentence: str) -> str:
        """Return a sentence in the reader's language."""
        return translate(self.language, sentence)

    def long_day(self, day: date) -> str:
        """Return `Thursday, 3 December 2026`."""
        return dates.long_day(day, self.locale)

    def short_day(self, day: date, today: date | None = None) -> str:
        """Return `Thu 3 Dec`; with its year, if that is not the year of `today`."""
        with_year = today is not None and day.year != today.year
        return dates.short_day(day, self.locale, with_year=with_year)

    def month(self, day: date) -> str:
        """Return `December 2026`."""
        return dates.month(day, self.locale)

    def weekdays(self) -> list[tuple[str, str]]:
        """Return the short and the full names of the days of a week, in the reader's order."""
        return dates.weekdays(self.first_weekday, self.locale)

    def time(self, when: datetime) -> str:
        """Return a local time by the reader's clock; in an hour that happens twice, it says which."""
        return dates.clock_time(when, self.locale, self._asked_clock)

    def zone_name(self, zone: str, now: datetime) -> str:
        """Return `Central European Time (Europe/Berlin)`."""
        return dates.zone_in_words(zone, now, self.locale)

    def zone_called(self, text: str) -> str | None:
        """Return the IANA name of the zone that is meant by a text; None if it is not known."""
        return zones.zone_called(text, self.locale) if text else None

    def places(self, now: datetime) -> list[tuple[str, str]]:
        """Return the zones to choose from, with their offsets: `("Europe/Berlin", "GMT+01:00")`."""
        return dates.places(now, self.locale)

    def length(self, minutes: int) -> str:
        """Return `60 min`."""
        return dates.length(minutes, self.locale)

    def price(self, amount: Decimal, currency: str) -> str:
        """Return `€80`; `currency` is an ISO 4217 code."""
        return prices.price(amount, currency, self.locale)

    def wait(self, seconds: int) -> str:
        """Return `in 5 minutes`."""
        return dates.wait(seconds, self.locale)

    def _address(self, path: str, query: Mapping[str, str | None]) -> str:
        sent = {name: value for name, value in query.items() if value is not None}
        path = f"/{path.lstrip('/')}"  # two slashes would lead to another host
        return f"{self.prefix}{path}{f'?{urlencode(sent)}' if sent else ''}"

    @property
    def _asked_clock(self) -> Clock | None:
        return _CLOCKS.get(self.carried.get("clock", ""))


def _known(sent: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that pages know; the longest are left out if they don't fit into an address."""
    known = {name: value for name, value in sent.items() if name in _KNOWN or name.startswith(ANSWER)}
    length, fitting = 0, set()
    for name in sorted(known, key=lambda each: len(known[each])):
        length += len(urlencode({name: known[name]})) + 1
        if length <= _LONGEST_QUERY:
            fitting.add(name)
    return {name: value for name, value in known.items() if name in fitting}

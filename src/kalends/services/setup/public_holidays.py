"""Public holidays, from the library `holidays`; the server's own language has no influence.

Countries and subdivisions are ISO 3166 codes in any usual spelling; a source has the standard one: DE, DE-BY.
"""

from collections.abc import Collection, Mapping
from datetime import date

import holidays

from kalends.core.errors import Malformed
from kalends.schemas.wrong_fields import malformed, wrong


def of_year(
    country: str, subdivision: str | None, year: int, language: str | None
) -> tuple[str, Mapping[date, str]]:
    """Return the source and the public holidays of a year by date, named in `language` (BCP 47) if the
    library has the country's names in it, else in the country's own.

    Raises Malformed for an unknown country or subdivision, and for a year that the library does not cover.
    """
    known = _known(country)
    code = str(known.country)
    part = _subdivision(known, {code, country.upper()}, subdivision)
    if not known.start_year <= year <= known.end_year:
        raise Malformed(
            f"The public holidays of {code} are known for the years {known.start_year} to {known.end_year}, "
            f"not for {year}; add the days as overrides.",
            first_year=known.start_year,
            last_year=known.end_year,
        )
    named_in = _language(known, language)
    found = holidays.country_holidays(code, subdiv=part, years=year, observed=True, language=named_in)
    return "-".join(filter(None, (code, part))), dict(sorted(found.items()))


def _known(country: str) -> holidays.HolidayBase:
    try:
        return holidays.country_holidays(country.upper())
    except NotImplementedError:
        raise malformed(
            [wrong("country", "is not known", "option")],
            f"The country '{country}' is not known; send its ISO 3166-1 code, such as DE.",
        ) from None


def _subdivision(known: holidays.HolidayBase, codes: Collection[str], wanted: str | None) -> str | None:
    """Return a subdivision's code as the library has it. It may be sent with or without one of the country's
    `codes`, in upper or lower case, or as its name."""
    if not wanted:
        return None
    spellings = {code.casefold(): code for code in known.subdivisions}
    spellings |= {name.casefold(): code for name, code in known.subdivisions_aliases.items()}
    spellings |= {f"{each}-{name}".casefold(): code for name, code in spellings.items() for each in codes}
    code = spellings.get(wanted.casefold())
    if code is None:
        there = ", ".join(known.subdivisions)
        raise malformed(
            [wrong("subdivision", "is not known", "option")],
            f"The subdivision '{wanted}' of {known.country} is not known; "
            + (f"known are {there}." if there else "it has none."),
            subdivisions=list(known.subdivisions),
        )
    return code


def _language(known: holidays.HolidayBase, tag: str | None) -> str | None:
    """Return the language of names. It is always given: without one, the library takes the server's own."""
    wanted = (tag or "").replace("-", "_").lower()
    base = wanted.partition("_")[0]
    own = known.default_language
    spoken = [each for each in known.supported_languages if each.lower().partition("_")[0] == base]
    exact = [each for each in spoken if each.lower() == wanted]
    return next(iter(exact or ([own] if own in spoken else spoken)), own)


def regions(country: str) -> Collection[str]:
    """Return the subdivisions of a country as people there name them, or else their codes; all of them can be
    sent. Returns none for an unknown country."""
    try:
        known = _known(country)
    except Malformed:
        return ()
    named: dict[str, str] = {}
    for name, code in known.subdivisions_aliases.items():
        if len(name) > len(code) and not name.isupper():
            named.setdefault(code, name)
    return sorted(named.get(code, code) for code in known.subdivisions)


def countries() -> Collection[str]:
    """Return the ISO 3166 codes, of two letters, of the countries whose holidays are known."""
    return [code for code in holidays.list_supported_countries() if len(code) == 2]

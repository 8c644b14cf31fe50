"""Days, clock times and zones as pages show them."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel.localedata import locale_identifiers

from kalends.core.hours import zone_names
from kalends.words import dates
from kalends.words.languages import LANGUAGES, locale_of
from kalends.words.prices import price

DAY = date(2026, 12, 3)
NOON = datetime(2026, 12, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "long", "month", "monday"),
    [
        ("en", "Thursday, December 3, 2026", "December 2026", ("Mo", "Monday")),
        ("en-GB", "Thursday, 3 December 2026", "December 2026", ("Mo", "Monday")),
        ("es", "jueves, 3 de diciembre de 2026", "diciembre de 2026", ("LU", "lunes")),
        ("fr", "jeudi 3 décembre 2026", "décembre 2026", ("lu", "lundi")),
        ("de", "Donnerstag, 3. Dezember 2026", "Dezember 2026", ("Mo", "Montag")),
        ("pt", "quinta-feira, 3 de dezembro de 2026", "dezembro de 2026", ("seg", "segunda-feira")),
    ],
)
def test_days_in_words(tag: str, long: str, month: str, monday: tuple[str, str]) -> None:
    locale = locale_of(tag)
    assert dates.long_day(DAY, locale) == long
    assert dates.month(DAY, locale) == month
    assert dates.weekdays(1, locale)[0] == monday


@pytest.mark.parametrize("first", range(7))
def test_a_week_begins_on_any_day(first: int) -> None:
    names = [full for _, full in dates.weekdays(first, locale_of("en"))]
    assert names[-first % 7] == "Sunday"
    assert len(set(names)) == 7


@pytest.mark.parametrize(
    ("tag", "first"),
    [
        ("en-US", 0),
        ("en-GB", 1),
        ("pt-BR", 0),
        ("de-AT", 1),
        ("en-AE", 1),
        ("en-EG", 6),
        ("en-MV", 5),
        ("en-UK", 1),
        ("en-840", 0),
        ("en-XK", 1),
        ("en-XX", 4),
        ("en", 4),
        ("de", 4),
    ],
)
def test_the_week_of_a_region_or_else_of_the_organization(tag: str, first: int) -> None:
    assert dates.first_weekday(tag, 4) == first


def test_weeks_begin_as_the_languages_of_the_regions_have_it() -> None:
    for name in locale_identifiers():
        language, _, region = name.partition("_")
        # Babel takes the weeks of Brazil for those of every country that speaks Portuguese.
        if language in ("en", "es", "fr", "de") and re.fullmatch("[A-Z]{2}", region):
            tag = f"{language}-{region}"
            assert dates.first_weekday(tag, -1) == (locale_of(tag).first_week_day + 1) % 7, tag


@pytest.mark.parametrize(
    ("tag", "clock", "shown"),
    [
        ("en", None, "2:05 PM"),
        ("en-GB", None, "14:05"),
        ("de", None, "14:05"),
        ("en", 24, "14:05"),
        ("en-GB", 12, "2:05 pm"),
        ("fr-CA", None, "14 h 05"),
    ],
)
def test_the_clock_of_a_country_or_as_asked_for(tag: str, clock: dates.Clock | None, shown: str) -> None:
    when = dates.local(datetime(2026, 12, 3, 13, 5, tzinfo=UTC), "Europe/Berlin")
    assert " ".join(dates.clock_time(when, locale_of(tag), clock).split()) == shown


@pytest.mark.parametrize(
    ("zone", "instant", "shown"),
    [
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "02:30 CEST"),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "02:30 CET"),
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 30, tzinfo=UTC), "03:30"),
        ("Europe/Berlin", datetime(2026, 10, 24, 23, 30, tzinfo=UTC), "01:30"),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "03:30"),
        ("Europe/Berlin", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "01:30"),
        ("America/Sao_Paulo", datetime(2019, 2, 17, 1, 30, tzinfo=UTC), "23:30 GMT-02:00"),
        ("America/Sao_Paulo", datetime(2019, 2, 17, 2, 30, tzinfo=UTC), "23:30 GMT-03:00"),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, 45, tzinfo=UTC), "01:45 GMT+11:00"),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 15, tzinfo=UTC), "01:45 GMT+10:30"),
        ("Asia/Tokyo", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "10:30"),
    ],
)
def test_in_a_repeated_hour_a_time_says_which(zone: str, instant: datetime, shown: str) -> None:
    assert dates.clock_time(dates.local(instant, zone), locale_of("en-GB")) == shown


@pytest.mark.parametrize(
    ("tag", "zone", "shown"),
    [
        ("en", "Europe/Berlin", "Central European Time (Europe/Berlin)"),
        ("de", "Europe/Berlin", "Mitteleuropäische Zeit (Europe/Berlin)"),
        ("en", "UTC", "Coordinated Universal Time (UTC)"),
        ("en", "Asia/Kathmandu", "Nepal Time (Asia/Kathmandu)"),
        ("en", "America/New_York", "Eastern Time (America/New_York)"),
        ("en", "Asia/Calcutta", "India Time (Asia/Calcutta)"),
    ],
)
def test_the_name_of_a_zone(tag: str, zone: str, shown: str) -> None:
    assert dates.zone_in_words(zone, NOON, locale_of(tag)) == shown


def test_every_zone_has_a_name() -> None:
    for zone in sorted(zone_names()):
        assert "Unknown" not in dates.zone_in_words(zone, NOON, locale_of("en"))


def test_places_to_choose_from() -> None:
    found = dict(dates.places(NOON, locale_of("en")))
    assert len(found) > 300
    assert found["Europe/Berlin"] == "GMT+01:00"
    assert found["Asia/Kathmandu"] == "GMT+05:45"
    assert "UTC" not in found
    assert found.keys() <= zone_names()


def test_places_are_read_and_worded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    locale = locale_of("de-AT")
    found = dates.places(NOON, locale)

    def again(*_: object, **__: object) -> None:
        raise AssertionError

    for name in ("core.hours.ZoneInfo", "words.dates.ZoneInfo", "words.dates.get_timezone_gmt"):
        monkeypatch.setattr(f"kalends.{name}", again)
    assert dates.places(NOON, locale) == found


def test_the_ends_of_the_calendar_are_told_in_utc() -> None:
    for instant in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)):
        for zone in ("America/New_York", "Asia/Tokyo"):
            when = dates.local(instant, zone)
            assert dates.clock_time(when, locale_of("en"), 24)


@pytest.mark.parametrize(
    ("hour", "part"), [(0, "morning"), (11, "morning"), (12, "afternoon"), (17, "afternoon"), (18, "evening")]
)
def test_parts_of_the_day(hour: int, part: str) -> None:
    assert dates.part_of_day(NOON.replace(hour=hour)) == part


@pytest.mark.parametrize(
    ("tag", "amount", "currency", "shown"),
    [
        ("en", "80.00", "EUR", "€80"),
        ("en", "80.5", "EUR", "€80.50"),
        ("de", "80", "EUR", "80\xa0€"),
        ("de", "1234.56", "EUR", "1.234,56\xa0€"),
        ("en", "1200", "JPY", "¥1,200"),
        ("en", "0", "USD", "$0"),
        ("en", "1.250", "KWD", "KWD1.250"),
    ],
)
def test_prices(tag: str, amount: str, currency: str, shown: str) -> None:
    assert price(Decimal(amount), currency, locale_of(tag)) == shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_how_long_and_when(language: str) -> None:
    locale = locale_of(language)
    assert "60" in dates.length(60, locale)
    assert "5" in dates.wait(300, locale)
    assert dates.short_day(DAY, locale)


def test_a_time_of_the_day_is_put_in_words_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day may have 1,440 starts, and a page shows them all."""
    made = []

    def put_in_words(*_: object, **__: object) -> str:
        made.append(1)
        return "4:13"

    monkeypatch.setattr(dates, "format_skeleton", put_in_words)
    for day in range(1, 9):
        when = datetime(2024, 1, day, 4, 13, tzinfo=UTC)
        assert dates.clock_time(when, locale_of("es-UY"), 24) == "4:13"
    assert len(made) == 1
    dates._clock_face.cache_clear()

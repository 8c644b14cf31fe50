"""Who reads a page, by what the address and the browser say; nonsense is as if it had not been sent."""

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalends.web.pages import About, Site, render
from kalends.web.readers import Reader
from kalends.words.dates import local


def reader(
    query: str = "", accepted: str = "", *, path: str = "/sun", public_url: str = "", **organization: object
) -> Reader:
    """Who sends a request with this query and `Accept-Language`."""
    context = SimpleNamespace(settings=SimpleNamespace(public_url=public_url))
    scope = {
        "type": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"accept-language", accepted.encode())],
        "app": SimpleNamespace(state=SimpleNamespace(context=context)),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kalends.web.readers.context_of", lambda _scope: context)
        return Reader.of(scope, **organization)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "accepted", "language", "tag"),
    [
        ("", "", None, "en"),
        ("", "", "de-AT", "de-AT"),
        ("", "fr-CH, de", "de", "fr-CH"),
        ("lang=es", "fr-CH, de", "de", "es"),
        ("lang=de", "fr, de-CH;q=0.5", None, "de-CH"),
        ("lang=xx", "fr", "de", "fr"),
        ("lang=", "", "de", "de"),
        ("lang=es&lang=fr", "", None, "fr"),
        (f"lang=de-{'x' * 8}-{'x' * 8}-{'x' * 8}-{'x' * 8}", "", None, "en"),
    ],
)
def test_the_language(query: str, accepted: str, language: str | None, tag: str) -> None:
    assert reader(query, accepted, language=language).tag == tag


def test_zone_clock_theme_and_embedding_are_checked() -> None:
    good = reader("zone=America/New_York&clock=12&theme=dark&embed=1")
    assert (good.zone, good.clock, good.theme, good.is_embedded) == ("America/New_York", 12, "dark", True)
    bad = reader("zone=Mars/Olympus&clock=13&theme=pink&embed=yes&lang=tlh", "en-GB")
    assert (bad.zone, bad.clock, bad.theme, bad.is_embedded) == (None, 24, None, False)
    assert bad.link("/sun") == "/sun"


@pytest.mark.parametrize(
    ("query", "accepted", "clock", "shown"),
    [
        ("", "en-US", 12, "2:05\u202fPM"),
        ("", "en-GB", 24, "14:05"),
        ("", "de", 24, "14:05"),
        ("clock=24", "en-US", 24, "14:05"),
        ("clock=12", "de", 12, "2:05 PM"),
    ],
)
def test_the_clock(query: str, accepted: str, clock: int, shown: str) -> None:
    who = reader(query, accepted)
    when = local(datetime(2026, 12, 3, 13, 5, tzinfo=UTC), "Europe/Berlin")
    assert who.clock == clock
    assert " ".join(who.time(when).split()) == " ".join(shown.split())


@pytest.mark.parametrize(("accepted", "first"), [("en-US", 0), ("en-GB", 1), ("en", 6), ("", 6)])
def test_the_week_begins_as_in_the_readers_region_or_else_as_the_organization_has_it(
    accepted: str, first: int
) -> None:
    who = reader("", accepted, week_start=6)
    assert who.first_weekday == first
    assert who.weekdays()[0][1] == ["Sunday", "Monday", "", "", "", "", "Saturday"][first]


def test_links_carry_along_what_was_asked_for_and_nothing_else() -> None:
    who = reader("lang=de&zone=Asia/Tokyo&month=2026-12&name=Jane&x=1")
    assert who.link("/sun/tax") == "/sun/tax?lang=de&zone=Asia%2FTokyo"
    assert who.link("/sun/tax", month="2027-01", zone=None) == "/sun/tax?lang=de&month=2027-01"
    assert who.here(lang="fr") == "/sun?lang=fr&zone=Asia%2FTokyo&month=2026-12&name=Jane"
    assert who.here(zone=None, name=None, x=None) == "/sun?lang=de&month=2026-12"


def test_links_begin_with_the_path_below_which_the_server_is() -> None:
    who = reader("lang=de", public_url="https://clinic.example/booking", path="/sun/a b")
    assert who.link("/sun") == "/booking/sun?lang=de"
    assert who.here() == "/booking/sun/a%20b?lang=de"


@pytest.mark.parametrize("path", ["//evil.example/x", "///evil.example/x"])
@pytest.mark.parametrize("public_url", ["", "https://clinic.example/booking"])
def test_no_path_makes_a_link_to_another_host(path: str, public_url: str) -> None:
    who = reader("lang=de", public_url=public_url, path=path)
    assert who.here() == urlsplit(public_url).path + "/evil.example/x?lang=de"


def test_words_for_pages() -> None:
    who = reader("", "de-AT")
    assert who.say("Privacy") == "Datenschutz"
    assert who.long_day(date(2026, 12, 3)) == "Donnerstag, 3. Dezember 2026"
    assert who.month(date(2026, 1, 1)) == "Jänner 2026"
    assert who.short_day(date(2026, 12, 3)).startswith("Do")
    assert "2026" not in who.short_day(date(2026, 12, 3), date(2026, 1, 1))
    assert who.short_day(date(2026, 12, 3), date(2025, 12, 31)).endswith("2026")
    assert who.zone_name("Europe/Vienna", datetime(2026, 12, 3, tzinfo=UTC)) == (
        "Mitteleuropäische Zeit (Europe/Vienna)"
    )
    assert who.length(60).startswith("60")
    assert who.price(Decimal(80), "EUR").replace("\xa0", " ") == "€ 80"
    assert who.wait(300) == "in 5 Minuten"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_is_sent_somebody_reads(query: bytes, accepted: bytes) -> None:
    who = reader(query.decode("latin-1"), accepted.decode("latin-1"))
    page = render("refusal.html", who, About("<b>"), Site("<i>", "/sun"), sentence="<u>", again=None)
    text = bytes(page.body).decode()
    for each in ("<b>", "<i>", "<u>", "<script>"):
        assert each not in text
    for address in (who.link("/sun", a="b"), who.here(a="b")):
        assert parse_qs(urlsplit(address).query)["a"] == ["b"]


def test_what_does_not_fit_into_an_address_is_left_out() -> None:
    many = "&".join(f"q.{number}=Yes" for number in range(1_000))
    assert len(reader(many).here()) < 2_100
    who = reader(f"name=Jane&notes={'x' * 3_000}&q.topic=Tax&zone={'x' * 3_000}&replaces=hold_1")
    assert who.here() == "/sun?name=Jane&q.topic=Tax&replaces=hold_1"


def test_the_page_of_zones_keeps_the_city_in_its_links_to_other_languages() -> None:
    who = reader("city=Nowhere", path="/sun/tax/zone")
    assert who.here(lang="de") == "/sun/tax/zone?city=Nowhere&lang=de"

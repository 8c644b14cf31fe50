"""Which language a reader gets, by what their browser says and what the address says."""

from itertools import product
from string import ascii_uppercase

import pytest
from babel import localedata
from hypothesis import given
from hypothesis import strategies as st

from kalends.words.dates import first_weekday
from kalends.words.languages import (
    LANGUAGES,
    chosen,
    known_language,
    language_of,
    locale_of,
    own_name,
    preferred,
    region_of,
)


@pytest.mark.parametrize(
    ("accepted", "tags"),
    [
        ("", []),
        ("de", ["de"]),
        ("en-GB,en;q=0.9,de;q=0.8", ["en-GB", "en", "de"]),
        ("de;q=0.3, en-GB", ["en-GB", "de"]),
        ("zh-TW, fr-CA ; q=0.5, *;q=0.1", ["fr-CA"]),
        ("de;q=0, en;q=0.001", ["en"]),
        ("*", []),
        ("de;q=nonsense, en;q=0.5", ["de", "en"]),
        ("de<script>, en/../x, pt\u00e9", []),
        (", ,;,es", ["es"]),
    ],
)
def test_what_a_browser_accepts(accepted: str, tags: list[str]) -> None:
    assert list(preferred(accepted)) == tags


def test_only_the_first_languages_of_a_long_list_are_looked_at() -> None:
    assert list(preferred(",".join(["xx"] * 19 + ["de"]))) == ["de"]
    assert list(preferred(",".join(["xx"] * 20 + ["de"]))) == []


@pytest.mark.parametrize(
    ("asked", "accepted", "otherwise", "tag"),
    [
        (None, "", "pt-BR", "pt-BR"),
        (None, "zh", "de", "de"),
        (None, "fr-CH, de", "de", "fr-CH"),
        ("de", "fr", "en", "de"),
        ("de-AT", "de-CH", "en", "de-AT"),
        ("de", "fr, de-CH;q=0.5", "en", "de-CH"),
        ("zh", "fr", "en", "fr"),
        ("", "fr", "en", "fr"),
        ("de\n", "fr", "en", "fr"),
    ],
)
def test_the_chosen_language(asked: str | None, accepted: str, otherwise: str, tag: str) -> None:
    assert chosen(asked, accepted, otherwise) == tag


@given(st.text(), st.text(), st.sampled_from(LANGUAGES))
def test_whatever_is_sent_leads_to_a_language_that_is_written(
    asked: str, accepted: str, otherwise: str
) -> None:
    tag = chosen(asked, accepted, otherwise)
    assert known_language(tag) is not None
    assert locale_of(tag).language == language_of(tag)


@pytest.mark.parametrize(
    ("tag", "region"),
    [
        ("en", None),
        ("en-GB", "GB"),
        ("es-419", "419"),
        ("fr-Latn-CA", "CA"),
        ("de-1996", None),
        ("de-at", "AT"),
        ("en-uk", "GB"),
        ("en-826", "GB"),
    ],
)
def test_the_region_of_a_tag(tag: str, region: str | None) -> None:
    assert region_of(tag) == region


def test_whatever_region_is_sent_only_the_languages_that_are_written_are_read() -> None:
    before = set(localedata._cache)  # there is nothing public that says what Babel keeps
    for first, second in product(ascii_uppercase, repeat=2):
        for language in LANGUAGES:
            tag = f"{language}-{first}{second}"
            assert locale_of(tag).language == language
            assert locale_of(tag).first_week_day in range(7)
            first_weekday(tag, 0)
    read = set(localedata._cache) - before
    assert {each.partition("_")[0] for each in read} <= {"root", *LANGUAGES}
    assert len(read) < 300


def test_languages_are_named_in_themselves() -> None:
    assert [own_name(each) for each in LANGUAGES] == [
        "English",
        "Español",
        "Français",
        "Deutsch",
        "Português",
    ]

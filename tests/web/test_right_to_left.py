"""A language that runs the other way changes only the direction."""

import httpx
import pytest

from kalends.words.languages import LANGUAGES
from tests.support.databases import on_sqlite
from tests.support.right_to_left import LANGUAGE, arabic, said

pytestmark = pytest.mark.anyio


@on_sqlite
async def test_a_page_runs_from_right_to_left_where_its_language_does(browser: httpx.AsyncClient) -> None:
    asked = {"Accept-Language": LANGUAGE}
    with arabic():
        page = (await browser.get("/nothing", headers=asked)).text
    assert f'<html lang="{LANGUAGE}" dir="rtl">' in page
    assert f"<h1>{said('There is nothing here')}</h1>" in page
    assert 'href="/nothing?lang=ar" lang="ar"' in page

    page = (await browser.get("/nothing", headers=asked)).text
    assert '<html lang="en" dir="ltr">' in page
    assert "lang=ar" not in page
    assert LANGUAGE not in LANGUAGES


def test_its_sentences_keep_what_is_filled_in() -> None:
    assert said("Time zone: {zone}").endswith(" {zone}")
    rest = said("Try {when}, or {then}!").replace("{when}", "").replace("{then}", "")
    assert not any(letter.isascii() and letter.isalpha() for letter in rest)

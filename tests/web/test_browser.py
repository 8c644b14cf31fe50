"""The browser that the tests have, and that it notices what is wrong."""

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser

from tests.support.browser import PHONE, SETTING, Visit, program, served, visiting
from tests.support.databases import on_sqlite

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@on_sqlite
async def test_a_page_has_nothing_to_complain_about(visit: Visit) -> None:
    visitor = await visit(locale="de-DE", viewport=PHONE, color_scheme="dark")
    assert (await visitor.go("/nothing")).status == 404
    assert await visitor.page.text_content("h1") == "Hier ist nichts"
    assert await visitor.violations() == []
    assert not await visitor.is_too_wide()
    assert len(visitor.requests) <= 4
    assert all(each.startswith(visitor.base) for each in visitor.requests)


@on_sqlite
async def test_what_is_broken_on_purpose_is_found(chromium: Browser, app: FastAPI) -> None:
    async with served(app) as base:
        with pytest.raises(AssertionError, match="Content Security Policy"):  # noqa: PT012
            async with visiting(chromium, base) as visit:
                visitor = await visit()
                await visitor.go("/nothing")
                await visitor.page.evaluate(
                    "() => { const broken = document.createElement('div');"
                    " broken.setAttribute('style', 'inline-size: 3000px');"
                    " broken.append(document.createElement('input'));"
                    " document.querySelector('main').append(broken) }"
                )
                assert any(each.startswith("label:") for each in await visitor.violations())


def test_without_a_browser_tests_are_skipped_but_not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="chromium-headless-shell"):
        program()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=SETTING):
        program()
    monkeypatch.setenv(SETTING, "/opt/chromium")
    assert program() == "/opt/chromium"

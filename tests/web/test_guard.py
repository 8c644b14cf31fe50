"""No page of another site sends a form here."""

import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from kalends.api.paths import is_for_people
from kalends.app import create_app
from kalends.settings import Settings
from tests.support.answers import refused
from tests.support.databases import on_sqlite
from tests.web.browsers import FOREIGN, OURS, browser_of

pytestmark = [pytest.mark.anyio, on_sqlite]


def changing(app: FastAPI) -> list[tuple[str, str]]:
    """The method and path of every page that may change something."""
    return [
        (method, re.sub(r"\{\w+(:\w+)?\}", "some", route.path or ""))
        for route in iter_route_contexts(app.routes)
        for method in sorted(set(route.methods or ()) - {"GET", "HEAD"})
        if is_for_people(route.path or "")
    ]


async def test_a_foreign_form_is_refused_on_every_page(url: str) -> None:
    app = create_app(Settings(database_url=url, worker=False, public_requests_per_hour=1_000_000))
    calls = [*changing(app), ("POST", "/some"), ("PUT", "/"), ("DELETE", "/some/thing"), ("X", "/static/x")]
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        for method, path in calls:
            for headers in FOREIGN:
                answer = await browser.request(method, path, headers=headers, content=b"name=x")
                assert (answer.status_code, answer.headers["content-type"]) == (
                    403,
                    "text/html; charset=utf-8",
                )
                assert "our own pages" in answer.text


async def test_programs_are_told_in_json(browser: httpx.AsyncClient) -> None:
    refused(await browser.post("/some", headers={"Accept": "*/*"}), 403, "foreign_page")


@pytest.mark.parametrize(
    "headers",
    [
        OURS,
        OURS | {"Origin": "null"},
        {"Origin": "http://kalends.test"},
        {"Origin": "https://kalends.test"},  # a proxy has taken the encryption off
        {"Origin": "HTTP://Kalends.Test"},
    ],
)
async def test_our_own_forms_come_in(browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await browser.post("/some/where/else", headers=headers)).status_code == 404


async def test_two_answers_to_where_it_comes_from_are_none(browser: httpx.AsyncClient) -> None:
    for name, value in (("sec-fetch-site", "same-origin"), ("origin", "http://kalends.test")):
        answer = await browser.post("/some", headers=[(name, value), (name, value)])
        assert answer.status_code == 403


async def test_the_public_address_is_ours_whatever_a_proxy_says(url: str) -> None:
    app = create_app(Settings(database_url=url, worker=False, public_url="https://clinic.example/booking"))
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        for origin, status in (
            ("https://clinic.example", 404),
            ("http://kalends.test", 404),
            ("http://clinic.example", 403),
            ("https://clinic.example/booking", 403),
        ):
            answer = await browser.post("/some/where/else", headers={"Origin": origin})
            assert answer.status_code == status


async def test_looking_needs_no_proof_and_the_api_has_its_own(browser: httpx.AsyncClient) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await browser.get("/robots.txt", headers=foreign)).status_code == 200
    assert (await browser.head("/robots.txt", headers=foreign)).status_code == 200
    for path, status in (("/v1/public/nobody/holds", 400), ("/v1/keys", 401), ("/healthz", 405)):
        assert (await browser.post(path, headers=foreign)).status_code == status

"""What browsers send."""

import httpx
from fastapi import FastAPI

HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
OURS = {"Sec-Fetch-Site": "same-origin"}
"""What goes with a form that is sent from our own page."""
FOREIGN: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://kalends.test"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "http://kalends.test.evil.example"},
    {"Origin": "http://evil.example/http://kalends.test"},
    {"Origin": "http://kalends.test:8080"},
    {"Origin": "http://["},
    {"Referer": "http://kalends.test/"},
]
"""What goes with a form that comes from elsewhere, or from nobody knows where."""


def browser_of(app: FastAPI, *, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
    """A browser that speaks English, is at http://kalends.test, and asks from a network address."""
    sent = {"Accept": HTML, "Accept-Language": "en-GB,en;q=0.9"} | headers
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 123)),
        base_url="http://kalends.test",
        headers=sent,
    )

"""Text that is read is sent compressed to those who can read it, and means the same."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from kalends.api.compression import LONG, SMALLEST, Compression, accepts_gzip
from tests.support.clients import client_of
from tests.support.desk import BASE, Desk

pytestmark = pytest.mark.anyio

GZIP, PLAIN = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}
JSON = "application/json"


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        (["gzip"], True),
        (["GZip, deflate, br"], True),
        (["br;q=1.0, gzip;q=0.8, *;q=0.1"], True),
        (["br", "gzip"], True),
        (["*"], True),
        (["gzip;q=0.001"], True),
        ([], False),
        ([""], False),
        (["identity"], False),
        (["br, deflate"], False),
        (["gzip;q=0"], False),
        (["gzip; q=0.0, *"], False),
        (["*;q=0"], False),
        (["gzip;q=much"], False),
        (["notgzip"], False),
    ],
)
def test_who_can_read_it(values: list[str], accepted: bool) -> None:
    assert accepts_gzip(values) is accepted


@dataclass
class Sent:
    """An answer as it was on the wire."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def encoding(self) -> str | None:
        found: str | None = self.headers.get("content-encoding")
        return found


async def asked(client: httpx.AsyncClient, path: str, method: str = "GET", **headers: str) -> Sent:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.stream(method, path, headers=GZIP | named) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    return Sent(answer.status_code, answer.headers, raw)


async def through(response: Response, method: str = "GET", **headers: str) -> Sent:
    """What becomes of a response."""
    transport = httpx.ASGITransport(Compression(response))
    async with httpx.AsyncClient(transport=transport, base_url="https://book.example") as client:
        return await asked(client, "/", method, **headers)


@pytest.mark.parametrize("size", [SMALLEST, LONG - 1, LONG, 3 * LONG + 7])
async def test_text_is_compressed(size: int) -> None:
    text = (b"Kalends " * size)[:size]
    sent = await through(Response(text, media_type="text/html"))
    assert (sent.encoding, sent.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert int(sent.headers["content-length"]) == len(sent.body) < size / 8
    assert gzip.decompress(sent.body) == text
    plain = await through(Response(text, media_type="text/html"), Accept_Encoding="identity")
    assert (plain.encoding, plain.body, plain.headers["vary"]) == (None, text, "Accept-Encoding")
    assert int(plain.headers["content-length"]) == size


@pytest.mark.parametrize(
    ("media_type", "is_text"),
    [
        (JSON, True),
        ("application/json; charset=utf-8", True),
        ("application/problem+json", True),
        ("text/html; charset=utf-8", True),
        ("text/css", True),
        ("text/javascript", True),
        ("application/javascript", True),
        ("text/calendar; charset=utf-8", True),
        ("text/plain; version=1.0.0", True),
        ("image/svg+xml", True),
        ("text/event-stream", False),
        ("image/png", False),
        ("application/octet-stream", False),
        ("application/gzip", False),
        ("font/woff2", False),
    ],
)
async def test_what_is_text(media_type: str, is_text: bool) -> None:
    sent = await through(Response(b"x" * 5_000, headers={"Content-Type": media_type}))
    assert (sent.encoding == "gzip") is is_text
    assert ("vary" in sent.headers) is is_text
    assert is_text or sent.body == b"x" * 5_000


async def test_what_is_left_as_it_is() -> None:
    long = b"x" * 5_000
    for response, method in (
        (Response(b"x" * (SMALLEST - 1), media_type=JSON), "GET"),
        (Response(media_type=JSON), "GET"),
        (Response(status_code=204), "GET"),
        (Response(long, media_type=JSON, headers={"Content-Encoding": "br"}), "GET"),
        (Response(long, 206, media_type="text/css", headers={"Content-Range": "bytes 0-4999/9000"}), "GET"),
        (Response(long, media_type=JSON, headers={"Cache-Control": "private, no-transform"}), "GET"),
        (Response(long, media_type=JSON), "POST"),
        (Response(long, media_type=JSON), "PATCH"),
    ):
        before = dict(httpx.Headers(response.raw_headers))
        sent = await through(response, method)
        assert sent.body == response.body
        assert dict(sent.headers) == before


async def test_what_comes_in_parts_is_compressed_as_it_comes() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"%d" % number * (10 if number % 2 else LONG)

    whole = b"".join([part async for part in parts()])
    sent = await through(StreamingResponse(parts(), media_type="text/css"))
    assert sent.encoding == "gzip"
    assert "content-length" not in sent.headers
    assert gzip.decompress(sent.body) == whole


async def test_vary_and_tags_say_that_there_are_two_forms() -> None:
    def page(tag: str) -> Response:
        headers = {"ETag": tag, "Vary": "Origin", "Accept-Ranges": "bytes"}
        return Response(b"x" * 5_000, media_type="text/css", headers=headers)

    for tag in ('"abc"', 'W/"abc"'):
        sent = await through(page(tag))
        assert (sent.headers["etag"], sent.headers["vary"]) == ('W/"abc"', "Origin, Accept-Encoding")
        assert "accept-ranges" not in sent.headers
    plain = await through(page('"abc"'), Accept_Encoding="identity")
    assert (plain.headers["etag"], plain.headers["accept-ranges"]) == ('"abc"', "bytes")
    for known, told in (('W/"abc"', 'W/"abc"'), ('"abc"', '"abc"'), ('"x", W/"abc"', 'W/"abc"')):
        same = Response(status_code=304, headers={"ETag": '"abc"'})
        assert (await through(same, If_None_Match=known)).headers["etag"] == told


# The application's own answers.


async def test_a_list_means_the_same_in_both_forms_and_to_head(page: Desk) -> None:
    await page.set_type(slotIntervalMinutes=15)
    path = f"{page.path}/slots?appointment_type_id={page.org.type_id}&from=2024-01-22&to=2024-01-31"
    small = await asked(page.client, path)
    plain = await asked(page.client, path, Accept_Encoding="identity")
    assert small.encoding == "gzip"
    assert len(small.body) < len(plain.body) / 5
    assert gzip.decompress(small.body) == plain.body
    head = await asked(page.client, path, "HEAD")
    assert head.body == b""
    for name in ("content-length", "content-encoding", "vary", "content-type"):
        assert head.headers[name] == small.headers[name]


async def test_a_feed_is_known_again_in_either_form(page: Desk) -> None:
    for hour in range(9, 14):
        await page.booked(f"2024-01-25T{hour:02}:00:00Z", client_notes="By bike. " * 50)
    feed = (await page.staff.post(f"{BASE}/feeds", json={})).json()["url"]
    path = feed[feed.index("/v1/") :]
    small, plain = await asked(page.client, path), await asked(page.client, path, Accept_Encoding="identity")
    assert (small.encoding, plain.encoding) == ("gzip", None)
    assert gzip.decompress(small.body) == plain.body
    assert small.headers["etag"] == f"W/{plain.headers['etag']}"
    for tag in (small.headers["etag"], plain.headers["etag"]):
        same = await asked(page.client, path, If_None_Match=tag)
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)


async def test_a_version_is_matched_by_the_tag_of_a_compressed_answer(page: Desk) -> None:
    booked = await page.booked(client_notes="By bike. " * 200)
    path = f"{BASE}/appointments/{booked['id']}"
    sent = await asked(page.staff, path)
    assert (sent.encoding, sent.headers["etag"]) == ("gzip", 'W/"1"')
    for status in (200, 412):  # the second time it is another version
        changed = await page.staff.patch(
            path, json={"client_notes": f"{status}"}, headers={"If-Match": sent.headers["etag"]}
        )
        assert changed.status_code == status


async def test_what_holds_a_secret_is_never_compressed(page: Desk) -> None:
    """Each of them is an answer to a change."""
    wish = page.wish(client_notes="manage_token " * 300)
    async with page.client.stream("POST", f"{page.path}/appointments", json=wish, headers=GZIP) as booked:
        assert booked.status_code == 200
        assert "content-encoding" not in booked.headers
        assert int(booked.headers["content-length"]) > SMALLEST


async def test_pages_of_other_origins_are_told_by_what_it_varies(app: FastAPI, page: Desk) -> None:
    staff = client_of(app, page.org.key)
    path = f"{BASE}/slots?appointment_type_id={page.org.type_id}&from=2024-01-22&to=2024-02-28"
    sent = await asked(staff, path, Origin="https://app.example")
    assert sent.encoding == "gzip"
    assert {each.strip() for each in sent.headers["vary"].split(",")} == {"Origin", "Accept-Encoding"}


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/assets/swagger-ui.css"])
async def test_the_documentation_is_compressed(page: Desk, path: str) -> None:
    small, plain = await asked(page.client, path), await asked(page.client, path, Accept_Encoding="identity")
    assert (small.status, small.encoding, plain.encoding) == (200, "gzip", None)
    assert gzip.decompress(small.body) == plain.body

"""Bad input to the call that matters: a clear error, and nothing stored."""

import json
from typing import Any

import httpx
import pytest

from kalends.db.database import Database
from tests.support.answers import answered, refused
from tests.support.databases import on_sqlite
from tests.support.desk import book_jane
from tests.support.organizations import Org, make_org, stored

pytestmark = pytest.mark.anyio

PATH = "/v1/calendar/appointments"
JSON = {"Content-Type": "application/json"}
REQUIRED = "appointment_type_id, start_time, and client_name are required"


@on_sqlite
@pytest.mark.parametrize("field", ["appointment_type_id", "start_time", "client_name"])
@pytest.mark.parametrize("value", [None, "", "   ", "\t\n"])
async def test_what_is_required_is_said_in_the_contracts_sentence(
    client: httpx.AsyncClient, db: Database, org: Org, field: str, value: str | None
) -> None:
    answer = refused(await client.post(PATH, json=org.wish(**{field: value})), 400, "missing_fields")
    assert answer["error"] == REQUIRED
    wish = org.wish()
    del wish[field]
    assert refused(await client.post(PATH, json=wish), 400, "missing_fields")["error"] == REQUIRED
    assert await stored(db, org) == 0


async def test_missing_is_said_before_malformed(client: httpx.AsyncClient, org: Org) -> None:
    answer = refused(await client.post(PATH, json={"client_email": 5}), 400, "missing_fields")
    assert answer["error"] == REQUIRED
    assert refused(await client.post(PATH), 400, "missing_fields")["error"] == REQUIRED


@on_sqlite
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "is not valid JSON"),
        (b"nonsense", "is not valid JSON"),
        (b'{"a": 1,}', "is not valid JSON"),
        (b"{'a': 1}", "is not valid JSON"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"client_name": "x"}'.encode("utf-16"), "is not UTF-8"),
        (b'{"client_name": "a", "client_name": "b"}', "names the same field twice"),
        (b'{"x": {"y": 1, "y": 2}}', "names the same field twice"),
        (b'{"x": NaN}', "NaN is not a JSON value"),
        (b'{"x": -Infinity}', "Infinity is not a JSON value"),
        (b'{"x": ' + b"9" * 5_000 + b"}", "is not valid JSON"),
        (b'{"x": ' + b"[" * 100 + b"]" * 100 + b"}", "nested more than 32 deep"),
        (b'{"x": ' * 100 + b"1" + b"}" * 100, "nested more than 32 deep"),
        (b"[" * 30_000, "nested too deeply"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"5", "must be a JSON object"),
        (b"true", "must be a JSON object"),
    ],
)
async def test_bodies_that_are_not_the_json_they_should_be(
    client: httpx.AsyncClient, content: bytes, sentence: str
) -> None:
    answer = refused(await client.post(PATH, content=content, headers=JSON), 400, "invalid_json")
    assert sentence in answer["error"]


@on_sqlite
@pytest.mark.parametrize(
    "field",
    [
        "appointment_type_id",
        "start_time",
        "client_name",
        "client_email",
        "client_phone",
        "client_language",
        "client_notes",
        "internal_notes",
        "calendar_id",
        "check",
    ],
)
@pytest.mark.parametrize("value", [5, 1.5, True, ["x"], {"x": "y"}, "a\x00b", "x" * 60_000])
async def test_fields_of_the_wrong_kind(
    client: httpx.AsyncClient, db: Database, org: Org, field: str, value: Any
) -> None:
    code = "invalid_time" if field == "start_time" else "invalid_request"
    answer = refused(await client.post(PATH, json=org.wish(**{field: value})), 400, code)
    assert answer["error"].startswith(field)
    assert answer["details"]["fields"][0]["field"] == field
    assert await stored(db, org) == 0


async def test_lone_surrogates_are_refused(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    content = json.dumps(org.wish(client_name="a\ud800b"))
    assert "\\ud800" in content
    refused(await client.post(PATH, content=content, headers=JSON), 400, "invalid_request")
    assert await stored(db, org) == 0


async def test_bodies_over_the_limit_are_413(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    large = json.dumps(org.wish(client_notes="x" * 1_000_000))
    refused(await client.post(PATH, content=large, headers=JSON), 413, "body_too_large")

    async def in_pieces() -> Any:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000].encode()

    refused(await client.post(PATH, content=in_pieces(), headers=JSON), 413, "body_too_large")
    assert await stored(db, org) == 0
    fits = json.dumps(org.wish(unknown="x" * 60_000))
    answered(await client.post(PATH, content=fits, headers=JSON), "appointment")


@on_sqlite
@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
async def test_other_media_types_are_415(client: httpx.AsyncClient, org: Org, media_type: str) -> None:
    content = json.dumps(org.wish())
    response = await client.post(PATH, content=content, headers={"Content-Type": media_type})
    refused(response, 415, "unsupported_media_type")


@on_sqlite
@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "application/vnd.x+json", "APPLICATION/JSON", None]
)
async def test_json_by_any_of_its_names_is_read(
    client: httpx.AsyncClient, org: Org, media_type: str | None
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answered(await client.post(PATH, content=json.dumps(org.wish()), headers=headers), "appointment")


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "start"),
    [
        ("2024-01-25T14:00:00Z", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14:00:00z", "2024-01-25T14:00:00Z"),
        ("2024-01-25t14:00:00Z", "2024-01-25T14:00:00Z"),
        ("2024-01-25 14:00:00Z", "2024-01-25T14:00:00Z"),
        ("  2024-01-25T14:00:00Z  ", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14:00Z", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14Z", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14:00:00.999999Z", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14:00:00,5Z", "2024-01-25T14:00:00Z"),
        ("2024-01-25T14:00:00+02:00", "2024-01-25T12:00:00Z"),
        ("2024-01-25T14:00:00-0330", "2024-01-25T17:30:00Z"),
        ("2024-01-25T14:00:00+14", "2024-01-25T00:00:00Z"),
        ("20240125T140000Z", "2024-01-25T14:00:00Z"),
        ("2024-W04-4T14:00:00Z", "2024-01-25T14:00:00Z"),
        ("2024W044T140000Z", "2024-01-25T14:00:00Z"),
        ("2024-025T14:00:00Z", "2024-01-25T14:00:00Z"),
        ("2024-01-24T24:00:00Z", "2024-01-25T00:00:00Z"),
        ("2024-01-25T14:00:00", "2024-01-25T14:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T22:59:59Z", "9999-12-31T22:59:59Z"),
    ],
)
async def test_start_times_in_every_form_of_iso_8601(
    client: httpx.AsyncClient, org: Org, sent: str, start: str
) -> None:
    made = await book_jane(client, org, start_time=sent)
    assert made["start_time"] == start
    assert answered(await client.get(f"{PATH}/{made['id']}"), "appointment")["start_time"] == start


@on_sqlite
@pytest.mark.parametrize(
    "sent",
    [
        "2024-01-25",
        "20240125",
        "2024-W04-4",
        "2024",
        "2024-01",
        "tomorrow",
        "25/01/2024 14:00",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-01-25T25:00:00Z",
        "2024-01-25T14:60:00Z",
        "2024-01-25T23:59:60Z",
        "2024-01-25T24:00:01Z",
        "2024-01-25T14:00:00+25:00",
        "2024-01-25T14:00:00 Europe/Berlin",
        "2024-01-25T14:00:00Zjunk",
        "0000-01-01T00:00:00Z",
        "-2024-01-25T14:00:00Z",
        "+12024-01-25T14:00:00Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "9999-12-31T24:00:00Z",
        "9999-12-31T23:30:00Z",
        "1706191200",
        "2024-01-25T14:00:00Z/PT1H",
        "٢٠٢٤-٠١-٢٥T14:00:00Z",
        "2024-01-25T14:00:00\u2212" + "05:00",
    ],
)
async def test_start_times_that_are_none(
    client: httpx.AsyncClient, db: Database, org: Org, sent: str
) -> None:
    answer = refused(await client.post(PATH, json=org.wish(start_time=sent)), 400, "invalid_time")
    assert answer["error"]
    assert await stored(db, org) == 0


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "code", "readings"),
    [
        ("2024-03-10T02:30:00", "nonexistent_time", ["2024-03-10T06:30:00Z", "2024-03-10T07:30:00Z"]),
        ("2024-11-03T01:30:00", "ambiguous_time", ["2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z"]),
    ],
)
async def test_wall_times_without_one_meaning_name_both_readings(
    app: Any, db: Database, clock: Any, sent: str, code: str, readings: list[str]
) -> None:
    from tests.support.clients import client_of

    org = await make_org(db, clock.now(), timezone="America/New_York")
    async with client_of(app, org.key) as client:
        answer = refused(await client.post(PATH, json=org.wish(start_time=sent)), 400, code)
        assert answer["details"]["readings"] == readings
        assert all(reading in answer["error"] for reading in readings)
        assert await stored(db, org) == 0
        for reading in readings:
            await book_jane(client, org, start_time=reading)


@on_sqlite
@pytest.mark.parametrize(
    "email",
    ["jane", "jane@", "@example.com", "jane@example", "a b@example.com", "jane@@example.com", "a@b@c.de"],
)
async def test_emails_that_are_none(client: httpx.AsyncClient, db: Database, org: Org, email: str) -> None:
    answer = refused(await client.post(PATH, json=org.wish(client_email=email)), 400, "invalid_request")
    assert answer["error"].startswith("client_email must be an e-mail address")
    assert await stored(db, org) == 0


@on_sqlite
@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("mailto:jane@example.com", "jane@example.com"),
        ("\u200bjane@example.com\ufeff", "jane@example.com"),
        ("\xa0jane@exam\xadple.com\u202f", "jane@example.com"),
        ("jane\u2011doe@example.com", "jane-doe@example.com"),
        ("\uff4aane\uff20example\uff0ecom", "jane@example.com"),
        ("\u200b", None),
    ],
)
async def test_emails_as_they_are_pasted(
    client: httpx.AsyncClient, org: Org, pasted: str, kept: str | None
) -> None:
    made = await book_jane(client, org, client_email=pasted)
    assert made["client_email"] == kept
    changed = await client.patch("/v1/organization", json={"notification_email": pasted})
    assert answered(changed, "organization")["notification_email"] == kept


@on_sqlite
@pytest.mark.parametrize("email", ["anna@clinic.local", "o'neil+x@sub.example.com", "käthe@exämple.de"])
async def test_emails_people_have(client: httpx.AsyncClient, org: Org, email: str) -> None:
    made = await book_jane(client, org, client_email=email)
    assert made["client_email"] == email


@on_sqlite
@pytest.mark.parametrize(
    "phone",
    [
        *("call me", "12", "+", "+1234567890123456789012345", "12;34567", "+49 abc 123", "tel:x"),
        *("\u0661\u0662", "12\x003456", "\u2460\u2461"),
    ],
)
async def test_phones_that_are_none(client: httpx.AsyncClient, db: Database, org: Org, phone: str) -> None:
    refused(await client.post(PATH, json=org.wish(client_phone=phone)), 400, "invalid_request")
    assert await stored(db, org) == 0


@on_sqlite
@pytest.mark.parametrize(
    "phone",
    ["+1234567890", "(555) 123-4567", "+49 89 / 12 34 56-0", "112", "555.123.4567 ext 89", "12345 x9"],
)
async def test_phones_people_write(client: httpx.AsyncClient, org: Org, phone: str) -> None:
    made = await book_jane(client, org, client_phone=phone)
    assert made["client_phone"] == phone


@on_sqlite
@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("+1\xa0(234)\xa0567\u2011890", "+1 (234) 567-890"),
        ("\u202a+49\u202f89\u20131234\u202c", "+49 89-1234"),
        ("tel:+1-234-567-890", "+1-234-567-890"),
        ("\uff0b\uff14\uff19 \uff18\uff19\u30fc\uff11\uff12", "+49 89-12"),
        ("\u0660\u0661\u0662 \u0663\u0664\u0665", "012 345"),
        ("\u0966\u0967\u0968\u0969", "0123"),
        ("tel:", None),
        ("\u200b", None),
    ],
)
async def test_phones_as_they_are_pasted(
    client: httpx.AsyncClient, org: Org, pasted: str, kept: str | None
) -> None:
    made = await book_jane(client, org, client_phone=pasted)
    assert made["client_phone"] == kept
    changed = await client.patch(f"{PATH}/{made['id']}", json={"client_phone": pasted})
    assert answered(changed, "appointment") == made


@on_sqlite
@pytest.mark.parametrize("tag", ["e" * 9, "en-", "-en", "en--us", "12", "en us", "🦊", "a" * 36, "../en"])
async def test_languages_that_are_none(client: httpx.AsyncClient, db: Database, org: Org, tag: str) -> None:
    refused(await client.post(PATH, json=org.wish(client_language=tag)), 400, "invalid_request")
    assert await stored(db, org) == 0


@on_sqlite
@pytest.mark.parametrize(
    ("tag", "kept"),
    [("de", "de"), ("pt_BR", "pt-BR"), ("zh-Hant-TW", "zh-Hant-TW"), (None, "en"), ("", "en")],
)
async def test_languages(client: httpx.AsyncClient, org: Org, tag: str | None, kept: str) -> None:
    made = await book_jane(client, org, client_language=tag)
    assert made["client_language"] == kept


@pytest.mark.parametrize(
    "id_", ["../../etc/passwd", "type'; DROP TABLE appointments; --", '"', "x" * 255, "ünï🦊", "%00"]
)
async def test_unknown_ids_in_the_body_are_404(
    client: httpx.AsyncClient, db: Database, org: Org, id_: str
) -> None:
    for field in ("appointment_type_id", "calendar_id"):
        answer = refused(await client.post(PATH, json=org.wish(**{field: id_})), 404, "not_found")
        assert answer["details"] == {"field": field}
    assert await stored(db, org) == 0


async def test_an_id_of_ten_thousand_characters_is_refused(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    refused(await client.post(PATH, json=org.wish(appointment_type_id="x" * 10_000)), 400, "invalid_request")
    assert await stored(db, org) == 0

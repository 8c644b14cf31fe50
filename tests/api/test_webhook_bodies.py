"""What webhooks are made of: secrets that clients bring, and what is wrong."""

import base64
from typing import Any

import httpx
import pytest

from tests.api.hooks import HOOK, PATH, failed, make, succeeded, wrong

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("names")]


SECRETS = {
    "24 bytes": "whsec_" + base64.b64encode(bytes(range(24))).decode(),
    "25 bytes": "whsec_" + base64.b64encode(bytes(range(25))).decode(),
    "64 bytes": "whsec_" + base64.b64encode(bytes(range(192, 256))).decode(),
    "16 characters": "sixteen-letters!",
    "255 characters": "!~" * 127 + "x",
}
NO_SECRETS = {
    "15 characters": "fifteen-letters",
    "256 characters": "x" * 256,
    "23 bytes": "whsec_" + base64.b64encode(bytes(23)).decode(),
    "65 bytes": "whsec_" + base64.b64encode(bytes(65)).decode(),
    "no base64": "whsec_" + "!" * 40,
    "a space": "correct horse battery",
    "not ASCII": "Schlüssel-Schlüssel",
    "a control character": "sixteen-letters\x7f!",
    "empty": "",
    "not text": 1234567890123456,
}


@pytest.mark.parametrize("name", SECRETS)
async def test_a_client_may_bring_a_secret(client: httpx.AsyncClient, name: str) -> None:
    assert (await make(client, secret=SECRETS[name]))["secret"] == SECRETS[name]


async def test_what_is_no_secret_is_refused(client: httpx.AsyncClient) -> None:
    for secret in NO_SECRETS.values():
        wrong(await client.post(PATH, json=HOOK | {"secret": secret}), "secret")
    assert succeeded(await client.get(PATH)) == []
    assert (await make(client, secret=None))["secret"].startswith("whsec_")


NO_FIELDS: list[tuple[str, Any]] = [
    *(
        ("url", url)
        for url in (
            "hook.example",
            "ftp://hook.example",
            "https://",
            "https:///in",
            "https://hook.example:0/",
            "https://hook.example:65536/",
            "https://user@hook.example/",
            "https://user:password@hook.example/",
            "https://hook.example/#part",
            "https://hook.example/a b",
            "https://höok.example/",
            "https://hook.example/\u2028x",
            "https://[::1/",
            "javascript:alert(1)",
            "https://hook.example/" + "x" * 2_000,
            7,
        )
    ),
    ("events", []),
    ("events", "appointment.*"),
    ("events", ["*"] * 51),
    ("events.0", ["appointment.made"]),
    ("events.1", ["*", "webhook.test"]),
    ("events.0", [1]),
    ("name", ""),
    ("name", "x" * 256),
]


async def test_what_is_wrong_is_named_and_nothing_is_changed(client: httpx.AsyncClient) -> None:
    made = await make(client)
    del made["secret"]
    path = f"{PATH}/{made['id']}"
    for field, value in NO_FIELDS:
        body = {field.partition(".")[0]: value}
        wrong(await client.post(PATH, json=HOOK | body), field)
        wrong(await client.patch(path, json=body), field)
    for field in ("url", "events", "active"):
        wrong(await client.patch(path, json={field: None}), field)
    wrong(await client.patch(path, json={"active": "no"}), "active")
    assert succeeded(await client.get(PATH)) == [made]


async def test_what_is_required_is_said(client: httpx.AsyncClient) -> None:
    for body, missing in (({}, ["url", "events"]), ({"url": " ", "events": ["*"]}, ["url"])):
        error = failed(await client.post(PATH, json=body), 400, "VALIDATION_ERROR")
        assert error["message"] == "url and events are required"
        assert error["details"] == {
            "field": missing[0],
            "reason": "is required",
            "code": "missing_fields",
            "fields": [{"field": each, "reason": "is required", "code": "required"} for each in missing],
        }
    made = await make(client)
    error = failed(
        await client.post(f"{PATH}/{made['id']}/replay", json={"from": "x"}), 400, "VALIDATION_ERROR"
    )
    assert error["message"] == "from and to are required"

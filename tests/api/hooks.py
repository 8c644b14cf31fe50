"""Webhooks over HTTP, in the envelope the contract gives to these calls."""

from typing import Any

import httpx

from tests.support.desk import book_jane
from tests.support.organizations import Org

PATH = "/v1/webhooks"
HOOK = {"url": "https://hook.example/in", "events": ["appointment.*"]}
ELSEWHERE = "https://hook.example/elsewhere"
LIFE = ("webhook.created", "webhook.updated", "webhook.secret_rotated", "webhook.deleted")


def succeeded(response: httpx.Response, status: int = 200) -> Any:
    """Assert that a response is a success in the envelope, and return what is in it."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["success"] is True
    assert body.keys() - {"next_cursor", "pagination"} == {"success", "data"}
    return body["data"]


def failed(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a response is a failure in the envelope, and return its error."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"success", "error"}
    assert body["success"] is False
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"code", "message", "details"}
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert response.headers["content-type"] == "application/json"
    return error


def wrong(response: httpx.Response, field: str) -> str:
    """Assert that a field of the body was refused, and return the reason."""
    error = failed(response, 400, "VALIDATION_ERROR")
    assert error["details"]["field"] == field
    assert error["message"].startswith(field)
    reason = error["details"]["reason"]
    assert isinstance(reason, str)
    assert reason
    return reason


async def make(
    client: httpx.AsyncClient, headers: dict[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    made: dict[str, Any] = succeeded(await client.post(PATH, json=HOOK | fields, headers=headers), 201)
    return made


async def book(client: httpx.AsyncClient, org: Org, day: int) -> str:
    return str((await book_jane(client, org, f"2024-02-{day:02}T14:00:00Z"))["id"])


async def number(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Give the events their numbers; all of them, but for those of the webhooks' own lives."""
    events: list[dict[str, Any]] = (await client.get("/v1/events")).json()["events"]
    return [each for each in events if each["type"] not in LIFE]


async def listed(client: httpx.AsyncClient, made: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = succeeded(await client.get(f"{PATH}/{made['id']}/deliveries", params=query))
    return found

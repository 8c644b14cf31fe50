"""What every answer must be."""

from typing import Any

import httpx

from kalends.api.errors import STATUS, status_of
from kalends.core.errors import Refusal
from kalends.schemas.wrong_fields import CODES as FIELD_CODES


def _family(refusal: type[Refusal]) -> list[type[Refusal]]:
    """Return a refusal, and after it those that have its status because they are of its kind."""
    heirs = [each for each in refusal.__subclasses__() if each not in STATUS]
    return [refusal, *(each for heir in heirs for each in _family(heir))]


REFUSALS = [each for refusal in STATUS for each in _family(refusal)]
"""Every refusal, in the order of the table of statuses."""
CODES = {refusal.code: status_of(refusal) for refusal in REFUSALS}


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a response is a refusal in its one shape, and return it."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == {"error", "code", "details"}
    assert isinstance(body["error"], str)
    assert body["error"]
    assert isinstance(body["details"], dict)
    assert body["code"] == code
    assert CODES[code] == status
    for field in body["details"].get("fields", ()):
        assert {"field", "reason", "code"} <= field.keys() <= {"field", "reason", "code", "limit"}
        assert field["code"] in FIELD_CODES
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if status in (429, 503):
        assert int(response.headers["retry-after"]) > 0
    return body


def answered(response: httpx.Response, name: str) -> dict[str, Any]:
    """Assert that a response is a 200 holding one thing, and return that."""
    thing: dict[str, Any] = _only(response, name)
    return thing


def all_answered(response: httpx.Response, name: str) -> list[dict[str, Any]]:
    """Assert that a response is a 200 holding one list of things, and return that."""
    things: list[dict[str, Any]] = _only(response, name)
    return things


def _only(response: httpx.Response, name: str) -> Any:
    assert response.status_code == 200, response.text
    body = response.json()
    assert body.keys() == {name}
    return body[name]

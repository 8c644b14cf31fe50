"""Requests that were right, made wrong in every way that comes to mind, by the thousand: none is a 5xx, and
the server is as good afterwards as it was before."""

import asyncio
import json
import os
import random
import re
from collections import Counter, defaultdict
from typing import Any
from urllib.parse import quote

import pytest

from kalends import demo
from tests.support.databases import everyday_on_sqlite
from tests.support.stations import whole
from tests.support.tour import Tour, tour

pytestmark = pytest.mark.anyio

MANY = int(os.environ.get("KALENDS_TEST_MUTATIONS", "100000"))
AT_ONCE = 8
_ID = re.compile(r"[a-z]+_[0-9a-z]{10,}")

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, 2**64, -(2**63), 1e308, 10**40),
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud83d\ude00",
        "\u202e",
        "e\u0301",
        "x" * 300,
        "x" * 5_000,
        "%00",
        "../..",
        "' OR 1=1 --",
    ),
    *("2024-01-25T14:00:00Z", "2024-01-25", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "2024-03-31T02:30:00", "2024-10-27T02:30:00"),
    *("24:00:00", "25:00", "12:60", "Europe/Berlin", "Mars/Olympus", "UTC", "confirmed", "cancelled", "*"),
    *(
        "jane@example.com",
        "jäne@exämple.com",
        "a@b",
        "+49 170 1234567",
        "whsec_",
        "https://example.com/other",
    ),
    *([], {}, [[]], [{}], {"a": {"b": []}}, ["x"] * 200, [None], {"id": None}, {"\x00": 1}),
]
TEXTS = [
    each for each in ODD if isinstance(each, str) and each.encode("utf-8", "ignore").decode() == each
] + ["1", "-1", "true", "1000", "9" * 30, "a,b", "[]"]
HEADERS = {
    "Idempotency-Key": ["", "k", "k" * 300, "ä", "same"],
    "If-Match": ["*", '"1"', '"999999999999"', "1", 'W/"1"', "x"],
    "If-None-Match": ["*", '"x"', "x"],
    "Test-Clock": ["2024-01-25", "x", "9999-12-31T23:59:59Z"],
    "Content-Type": [
        "text/plain",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
        "x",
    ],
    "X-Forwarded-For": ["1.2.3.4", "x", "1.2.3.4, ::1"],
    "Accept": ["text/html", "*/*;q=x"],
    "Origin": ["null", "https://evil.example"],
    "Authorization": ["Bearer", "Basic x", "Bearer vst_wrong", "Bearer \xff"],
    "X-Request-Id": ["x" * 500, "ok"],
    "Range": ["bytes=0-1"],
}
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"{}" * 40_000,
    b'{"a":' * 3_000,
    b'{"a": NaN}',
    b'{"a":1,"a":2}',
]


class Mutator:
    """Makes requests of those of a tour; ids are taken from whatever was answered."""

    def __init__(self, tour: Tour, seed: int) -> None:
        self.tour = tour
        self.chance = random.Random(seed)
        self.ids: dict[str, list[str]] = defaultdict(list)
        self.own = tour.said["keys.current"]["answer"]["key"]["id"]
        """It is not to revoke itself."""
        self.learn(json.dumps(tour.said))

    def learn(self, text: str) -> None:
        for id_ in set(_ID.findall(text)) - {self.own}:
            known = self.ids[id_.partition("_")[0]]
            known.append(id_)
            del known[:-200]

    def request(self) -> tuple[str, str, dict[str, Any]]:
        chance = self.chance
        operation = chance.choice(list(self.tour.asked))
        method, path, _ = self.tour.operations[operation]
        asked = self.tour.asked[operation]
        filled = {name: self._other(value) for name, value in asked.path.items()}
        query = {name: self._other(value) for name, value in asked.query.items()}
        headers = dict(asked.headers)
        body = self._fresh(asked.body)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            what = chance.random()
            if what < 0.55 and isinstance(body, dict):
                body = self._spoilt(body)
            elif what < 0.65 and filled:
                filled[chance.choice(list(filled))] = chance.choice(TEXTS) or "x"
            elif what < 0.8:
                known = [
                    *query,
                    "dry_run",
                    "limit",
                    "cursor",
                    "from",
                    "to",
                    "timezone",
                    "with",
                    "status",
                    "order",
                ]
                query[chance.choice(known)] = chance.choice(TEXTS)
            elif what < 0.92:
                name = chance.choice(list(HEADERS))
                headers[name] = chance.choice(HEADERS[name])
            elif what < 0.96:
                body = chance.choice(BODIES)
            else:
                method = chance.choice(
                    ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND")
                )
        sent: dict[str, Any] = {
            "params": query,
            "headers": {k: v.encode("latin-1", "replace") for k, v in headers.items()},
        }
        if body is not None:
            sent["content"] = (
                body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "surrogatepass")
            )
            sent["headers"].setdefault("Content-Type", b"application/json")
        made = path.format(**{name: quote(value, safe="") or "x" for name, value in filled.items()})
        return method, made, sent

    def _other(self, value: str) -> str:
        """Mostly an id of the same kind that was seen, if it is one."""
        known = self.ids.get(str(value).partition("_")[0])
        return self.chance.choice(known) if known and self.chance.random() < 0.7 else str(value)

    def _fresh(self, body: Any) -> Any:
        """The same with other ids and times, so that not all ask for the same."""
        if isinstance(body, dict):
            return {name: self._fresh(value) for name, value in body.items()}
        if isinstance(body, list):
            return [self._fresh(value) for value in body]
        if isinstance(body, str) and _ID.fullmatch(body):
            return self._other(body)
        if isinstance(body, str) and re.fullmatch(r"2024-01-2\dT\d\d:00:00Z", body):
            month, day, hour = (self.chance.randint(*each) for each in ((1, 9), (10, 28), (8, 17)))
            return f"2024-0{month}-{day}T{hour:02}:00:00Z"
        return body

    def _spoilt(self, body: dict[str, Any]) -> dict[str, Any]:
        body = dict(body)
        name = self.chance.choice(
            [*body, "id", "status", "check", "unknown", "client_email", "end_time", "calendarIds"]
        )
        if self.chance.random() < 0.15:
            body.pop(name, None)
        elif isinstance(body.get(name), dict) and self.chance.random() < 0.6:
            body[name] = self._spoilt(body[name])
        elif isinstance(body.get(name), list) and body[name] and self.chance.random() < 0.6:
            body[name] = [
                self._spoilt(each) if isinstance(each, dict) else self.chance.choice(ODD)
                for each in body[name]
            ]
        else:
            body[name] = self.chance.choice(ODD)
        return body


@everyday_on_sqlite("many", everyday=200, torture=MANY, fixture="own_url")
async def test_no_mutation_is_a_5xx(own_url: str, many: int) -> None:
    async with tour(own_url) as walked:
        await whole(walked)
        mutator = Mutator(walked, seed=many)
        statuses: Counter[int] = Counter()
        bad: list[str] = []

        async def send(number: int) -> None:
            for _ in range(number):
                method, path, sent = mutator.request()
                client = walked.clients["staff" if not path.startswith("/v1/public") else "client"]
                response = await client.request(method, path, **sent)
                statuses[response.status_code] += 1
                if response.status_code >= 500:
                    bad.append(f"{response.status_code} {method} {path} {sent} {response.text}")
                elif response.status_code == 200 and method != "GET":
                    mutator.learn(response.text)

        await asyncio.gather(*(send(many // AT_ONCE) for _ in range(AT_ONCE)))
        print(dict(sorted(statuses.items())))
        assert bad == []
        assert statuses[200] > many // 20
        assert statuses[400] > many // 20
        health = await walked.clients["client"].get("/readyz")
        assert health.status_code == 200, health.text
        wish = {
            "appointment_type_id": demo.TYPE_ID,
            "client_name": "Jane",
            "start_time": "2031-01-25T14:00:00Z",
        }
        keys = await walked.clients["staff"].get("/v1/keys/current")
        assert keys.status_code in (200, 401), keys.text
        if keys.status_code == 200:
            booked = await walked.clients["staff"].post("/v1/calendar/appointments", json=wish)
            assert booked.status_code < 500, booked.text

"""A calendar that takes too much is given up, whatever is in it."""

import asyncio
import os
import zoneinfo
from typing import Any

import pytest

from kalends.core.sources import SourceTrouble
from kalends.reading import aside
from kalends.reading.events import Question
from tests.reading.calendars import END, START, ZONE, calendar, event, local

pytestmark = pytest.mark.anyio

QUESTION = Question((START, END), ZONE)
HOUR = ("DTSTART:20260310T080000Z", "DURATION:PT1H")


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;INTERVAL=0",
        "FREQ=HOURLY;COUNT=1000000000",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    ],
)
async def test_a_rule_without_end_ends(rule: str) -> None:
    start = "DTSTART:00010101T080000Z" if "COUNT" in rule else HOUR[0]
    body = calendar(event(start, HOUR[1], f"RRULE:{rule}")).encode()
    with pytest.raises(SourceTrouble, match="can't be worked out"):
        await aside.search("ics", body, QUESTION, cpu_seconds=1)


async def test_a_rule_that_is_too_often_is_not_begun() -> None:
    body = calendar(event(*HOUR, "RRULE:FREQ=SECONDLY;COUNT=1000000000", uid="often"), event(*HOUR)).encode()
    found = await aside.search("ics", body, QUESTION, cpu_seconds=5)
    assert local(found.busy["one@example.com"]) == ["03-10 09:00 to 03-10 10:00"]
    assert found.unreadable == [
        "The event of 2026-03-10 can't be read: RRULE: it recurs every second or minute."
    ]


async def test_the_process_has_no_secrets_and_the_same_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    start = asyncio.create_subprocess_exec

    async def note(*args: Any, env: dict[str, str], **kw: Any) -> Any:
        given.update(env)
        return await start(*args, env=env, **kw)

    monkeypatch.setenv("KALENDS_DATABASE_URL", "postgresql://jane:secret@localhost/kalends")
    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    await aside.search("ics", calendar(event(*HOUR)).encode(), QUESTION)
    assert "KALENDS_DATABASE_URL" not in given
    assert given["PYTHONTZPATH"] == os.pathsep.join(zoneinfo.TZPATH)

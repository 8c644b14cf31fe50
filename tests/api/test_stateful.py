"""Random lives of appointments against a model in memory that is simple enough to be right."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kalends.app import create_app
from kalends.core.hours import stamp
from kalends.settings import Settings
from tests.api.conftest import client_of
from tests.support.books import check_times
from tests.support.clock import StoppedClock
from tests.support.organizations import make_org

PATH = "/v1/calendar/appointments"
BASE = datetime(2024, 2, 1, tzinfo=UTC)
WAYS = {
    "confirmed": {"completed", "no_show", "cancelled"},
    "completed": {"no_show"},
    "no_show": {"completed"},
    "cancelled": {"confirmed"},
}
quarters = st.integers(0, 40).map(lambda n: n * 15)


@dataclass(frozen=True)
class Booked:
    """What the model knows of an appointment; minutes after BASE."""

    start: int
    end: int
    busy: tuple[int, int]
    status: str = "confirmed"
    version: int = 1
    notes: str | None = None


class Lives(RuleBasedStateMachine):
    """One organization, one calendar, one type whose length changes."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, Booked] = {}
        self.duration, self.before, self.after = 30, 0, 0

    @initialize()
    def open(self) -> None:
        app = create_app(Settings(database_url=self.url, worker=False), clock=StoppedClock())
        self.lifespan = app.router.lifespan_context(app)
        self.runner.run(self.lifespan.__aenter__())
        self.db = app.state.context.database
        self.org = self.runner.run(make_org(self.db, StoppedClock().now(), durationMinutes=30))
        self.client = client_of(app, self.org.key)

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.runner.run(self.client.aclose())
            self.runner.run(self.lifespan.__aexit__(None, None, None))
        self.runner.close()

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.runner.run(self.client.request(method, path, json=body))

    def taken(self, start: int) -> Booked:
        end = start + self.duration
        return Booked(start, end, (start - self.before, end + self.after))

    def free(self, busy: tuple[int, int], but: str = "") -> bool:
        others = (one.busy for id_, one in self.model.items() if id_ != but and one.status != "cancelled")
        return all(busy[1] <= other[0] or other[1] <= busy[0] for other in others)

    def same(self, shown: dict[str, Any], one: Booked) -> None:
        assert shown["start_time"] == stamp(BASE + timedelta(minutes=one.start))
        assert shown["end_time"] == stamp(BASE + timedelta(minutes=one.end))
        assert (shown["status"], shown["version"], shown["client_notes"]) == (
            one.status,
            one.version,
            one.notes,
        )
        assert (shown["cancelled_at"] is None) == (one.status != "cancelled")

    @rule(start=quarters)
    def book(self, start: int) -> None:
        wished = self.taken(start)
        at = stamp(BASE + timedelta(minutes=start))
        response = self.call("POST", PATH, self.org.wish(start_time=at))
        assert response.status_code == (200 if self.free(wished.busy) else 409)
        if response.status_code == 200:
            self.model[response.json()["appointment"]["id"]] = wished

    @precondition(lambda self: self.model)
    @rule(
        which=st.integers(0),
        start=st.none() | quarters,
        status=st.none() | st.sampled_from(sorted(WAYS)),
        notes=st.sampled_from(["same", "a", None]),
    )
    def change(self, which: int, start: int | None, status: str | None, notes: str | None) -> None:
        id_ = sorted(self.model)[which % len(self.model)]
        one = self.model[id_]
        body: dict[str, Any] = {}
        wanted = one
        if notes != "same":
            body["client_notes"] = notes
            wanted = replace(wanted, notes=notes)
        if start is not None:
            body["start_time"] = stamp(BASE + timedelta(minutes=start))
            moved = self.taken(start)
            wanted = replace(wanted, start=moved.start, end=moved.end, busy=moved.busy)
        if status is not None:
            body["status"] = status
            wanted = replace(wanted, status=status)
        legal = wanted.status == one.status or wanted.status in WAYS[one.status]
        takes_time = wanted.status != "cancelled" and (wanted.busy != one.busy or one.status == "cancelled")
        allowed = legal and not (takes_time and not self.free(wanted.busy, but=id_))
        response = self.call("PATCH", f"{PATH}/{id_}", body)
        assert response.status_code == (200 if allowed else 409), response.text
        if allowed:
            if wanted != one:
                wanted = replace(wanted, version=one.version + 1)
            self.model[id_] = wanted
            self.same(response.json()["appointment"], wanted)

    @rule(
        duration=st.sampled_from([15, 30, 45, 60]),
        before=st.sampled_from([0, 15]),
        after=st.sampled_from([0, 10]),
    )
    def edit_type(self, duration: int, before: int, after: int) -> None:
        body = {"durationMinutes": duration, "bufferBeforeMinutes": before, "bufferAfterMinutes": after}
        assert self.call("PUT", f"/v1/calendar/appointment-types/{self.org.type_id}", body).status_code == 200
        self.duration, self.before, self.after = duration, before, after

    @invariant()
    def the_list_is_the_model(self) -> None:
        if not hasattr(self, "client"):
            return
        shown = self.call("GET", f"{PATH}?limit=1000").json()["appointments"]
        assert {each["id"] for each in shown} == self.model.keys()
        for each in shown:
            self.same(each, self.model[each["id"]])

    @invariant()
    def the_database_holds_no_overlap(self) -> None:
        if hasattr(self, "client"):
            self.runner.run(self.db.read(check_times, self.org.id))


@pytest.mark.parametrize("steps", [(12, 25), pytest.param((200, 50), marks=pytest.mark.torture)])
def test_random_lives_agree_with_the_model(url: str, steps: tuple[int, int]) -> None:
    examples, length = steps
    machine = type("LivesThere", (Lives,), {"url": url})
    machine.TestCase.settings = settings(max_examples=examples, stateful_step_count=length)
    machine.TestCase().runTest()

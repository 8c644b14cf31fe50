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
from tests.support.books import check_times
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import week
from tests.support.organizations import make_org

pytestmark = pytest.mark.slow

PATH = "/v1/calendar/appointments"
BASE = datetime(2024, 1, 20, 12, tzinfo=UTC)
"""When the machine starts."""
WAYS = {
    "pending": {"confirmed", "cancelled"},
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
    asked: int | None = None
    """When a client asked for it, unless somebody has confirmed it since."""
    until: int | None = None
    """When it lapses."""


class Lives(RuleBasedStateMachine):
    """One organization, one calendar, one type whose length changes, and what clients book of it must be
    confirmed within the hour."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, Booked] = {}
        self.holds: dict[str, Booked] = {}
        self.now = 0
        self.duration, self.before, self.after = 30, 0, 0

    @initialize()
    def open(self) -> None:
        self.clock = StoppedClock()
        app = create_app(Settings(database_url=self.url, worker=False), clock=self.clock)
        self.lifespan = app.router.lifespan_context(app)
        self.runner.run(self.lifespan.__aenter__())
        self.db = app.state.context.database
        self.org = self.runner.run(
            make_org(
                self.db,
                self.clock.now(),
                durationMinutes=30,
                slotIntervalMinutes=15,
                minNoticeHours=0,
                requiresConfirmation=True,
                confirmWithinHours=1,
                maxOpenPerClient=None,
            )
        )
        self.client = client_of(app, self.org.key)
        always = {"schedules": week("00:00-24:00")}
        assert self.call("PUT", "/v1/calendar/availability", always).status_code == 200
        self.slug = self.call("GET", "/v1/organization").json()["organization"]["slug"]

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

    def present(self, id_: str) -> Booked:
        one = self.model[id_]
        if one.until is None or one.until > self.now:
            return one
        return replace(one, status="cancelled", version=one.version + 1, until=None)

    def free(self, busy: tuple[int, int], but: str = "") -> bool:
        booked = (self.present(id_) for id_ in self.model if id_ != but)
        others = [one.busy for one in booked if one.status != "cancelled"]
        others += [hold.busy for hold in self.holds.values() if hold.until and hold.until > self.now]
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
        assert (shown["expires_at"] is None) == (one.until is None)

    @rule(minutes=st.sampled_from([1, 20, 60]))
    def wait(self, minutes: int) -> None:
        self.now += minutes
        self.clock.forward(minutes=minutes)

    @rule(start=quarters, by_client=st.booleans())
    def book(self, start: int, by_client: bool) -> None:
        wished = self.taken(start)
        if by_client:
            until = min(self.now + 60, start)
            wished = replace(wished, status="pending", asked=self.now, until=until)
        path = f"/v1/public/{self.slug}/appointments" if by_client else PATH
        at = stamp(BASE + timedelta(minutes=start))
        response = self.call("POST", path, self.org.wish(start_time=at))
        free = self.free(wished.busy) and not (by_client and start <= self.now)
        assert response.status_code == (200 if free else 409), response.text
        if response.status_code == 200:
            self.model[response.json()["appointment"]["id"]] = wished

    @rule(start=quarters, minutes=st.sampled_from([1, 15]))
    def hold(self, start: int, minutes: int) -> None:
        wished = replace(self.taken(start), until=self.now + minutes)
        body = {"appointment_type_id": self.org.type_id, "ttl_seconds": minutes * 60}
        body["start_time"] = stamp(BASE + timedelta(minutes=start))
        response = self.call("POST", "/v1/calendar/holds", body)
        assert response.status_code == (200 if self.free(wished.busy) else 409), response.text
        if response.status_code == 200:
            self.holds[response.json()["hold"]["id"]] = wished

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0), book=st.booleans())
    def use_hold(self, which: int, book: bool) -> None:
        id_ = sorted(self.holds)[which % len(self.holds)]
        held = self.holds.pop(id_)
        stands = held.until is not None and held.until > self.now
        if not book:
            response = self.call("DELETE", f"/v1/calendar/holds/{id_}")
            assert response.status_code == (200 if stands else 404)
            return
        at = stamp(BASE + timedelta(minutes=held.start))
        response = self.call("POST", PATH, self.org.wish(start_time=at, hold_id=id_))
        assert response.status_code == (200 if stands else 409), response.text
        if stands:
            self.model[response.json()["appointment"]["id"]] = replace(held, until=None)

    @precondition(lambda self: self.model)
    @rule(
        which=st.integers(0),
        start=st.none() | quarters,
        status=st.none() | st.sampled_from(sorted(WAYS)),
        notes=st.sampled_from(["same", "a", None]),
    )
    def change(self, which: int, start: int | None, status: str | None, notes: str | None) -> None:
        self.change_one(sorted(self.model)[which % len(self.model)], start, status, notes)

    @precondition(lambda self: self.cancelled())
    @rule(which=st.integers(0))
    def un_cancel(self, which: int) -> None:
        cancelled = self.cancelled()
        self.change_one(cancelled[which % len(cancelled)], None, "confirmed", "same")

    def cancelled(self) -> list[str]:
        return [id_ for id_ in sorted(self.model) if self.present(id_).status == "cancelled"]

    def change_one(self, id_: str, start: int | None, status: str | None, notes: str | None) -> None:
        one = self.present(id_)
        body: dict[str, Any] = {}
        wanted = one
        if notes != "same":
            body["client_notes"] = notes
            wanted = replace(wanted, notes=notes)
        if start is not None:
            body["start_time"] = stamp(BASE + timedelta(minutes=start))
        if start is not None and start != one.start:  # else it stays as long as it is
            moved = self.taken(start)
            wanted = replace(wanted, start=moved.start, end=moved.end, busy=moved.busy)
            if one.status == "pending" and one.asked is not None:
                wanted = replace(wanted, until=min(one.asked + 60, start))
        if status is not None:
            body["status"] = status
            wanted = replace(wanted, status=status, until=one.until if status == one.status else None)
        legal = wanted.status == one.status or wanted.status in WAYS[one.status]
        if wanted.asked is not None and wanted.start <= self.now:  # nobody could confirm it any more
            legal &= wanted.status == "cancelled" or wanted == replace(one, notes=wanted.notes)
        takes_time = wanted.status != "cancelled" and (wanted.busy != one.busy or one.status == "cancelled")
        allowed = legal and not (takes_time and not self.free(wanted.busy, but=id_))
        response = self.call("PATCH", f"{PATH}/{id_}", body)
        assert response.status_code == (200 if allowed else 409), response.text
        if allowed:
            if wanted.status == "confirmed":
                wanted = replace(wanted, asked=None)
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
            self.same(each, self.present(each["id"]))

    @invariant()
    def the_database_holds_no_overlap(self) -> None:
        if hasattr(self, "client"):
            self.runner.run(self.db.read(check_times, self.org.id, self.clock.now()))


@pytest.mark.parametrize("steps", [(8, 25), pytest.param((200, 50), marks=pytest.mark.torture)])
def test_random_lives_agree_with_the_model(url: str, steps: tuple[int, int]) -> None:
    examples, length = steps
    machine: type[Lives] = type("LivesThere", (Lives,), {"url": url})
    machine.TestCase.settings = settings(max_examples=examples, stateful_step_count=length)
    machine.TestCase().runTest()

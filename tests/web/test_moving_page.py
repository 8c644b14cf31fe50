"""The page on which clients move their appointment."""

import re
from datetime import datetime, timedelta

import httpx
import pytest

from tests.support.databases import on_sqlite
from tests.support.desk import START, Desk, at, week
from tests.web.clients import Client, alert_of, days_of, links_of, main_of, starts_of, words_of
from tests.web.owners import Owner, owner_by_staff, owner_of, version_on

pytestmark = pytest.mark.anyio

TEN = at("10:00")
CALL = {"kind": "link", "value": "https://meet.example/sun"}


def offered_of(page: httpx.Response) -> list[str]:
    """The times that the page offers for the day that it shows; not those in place of a refused one."""
    return starts_of(httpx.Response(200, text=page.text.partition('class="times"')[2]))


async def free(owner: Owner, day: str, zone: str = "UTC") -> list[str]:
    """The starts to which the API would move the appointment on a day of a zone, but for its own."""
    first = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(days=1)
    found = await owner.ask(
        "/slots",
        **{"from": first.isoformat(), "to": (first + timedelta(days=3)).isoformat(), "timezone": zone},
    )
    own = (await owner.ask())["appointment"]["start_time"]
    return [
        each["start_time"]
        for each in found["slots"]
        if each["local_start_time"].startswith(day) and each["start_time"] != own
    ]


async def test_a_client_moves_the_appointment(client: Client) -> None:
    owner = await owner_of(client)
    await client.desk.booked(at("09:00"))
    page = await owner.open("/move")
    assert page.status_code == 200
    words = words_of(page)
    assert "Tax Consultation Thursday, 25 January 2024, 14:00 – 15:00" in words
    assert "14:00 now" in words
    offered = starts_of(page)
    assert offered == await free(owner, "2024-01-25")
    assert START not in offered
    assert at("09:00") not in offered
    assert "Thursday, 25 January 2024, 7 times free (your appointment)" in page.text
    assert (await owner.seen())["start_time"] == START
    answer = await owner.send("/move", start=TEN)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{owner.path}?moved=1")
    page = await client.browser.get(answer.headers["location"])
    assert words_of(page).startswith(
        "Moved Tax Consultation Confirmed Thursday, 25 January 2024, 10:00 – 11:00"
    )
    assert (await owner.seen())["start_time"] == TEN
    assert (await owner.send("/move", start=TEN)).status_code == 303  # pressed twice
    seen = await owner.seen()
    assert (seen["start_time"], seen["version"]) == (TEN, 2)


async def test_another_day_and_month(client: Client) -> None:
    owner = await owner_of(client)
    page = await owner.open("/move")
    assert len(days_of(page)) == 11
    page = await owner.open("/move", date="2024-01-30")
    assert starts_of(page) == await free(owner, "2024-01-30")
    assert '<td aria-selected="true"><a id="d2024-01-30"' in page.text
    assert re.search(r'<td data-own><a id="d2024-01-25"', page.text)
    page = await owner.open("/move", month="2024-02")
    assert starts_of(page)[0] == "2024-02-01T09:00:00Z"
    assert "data-own" not in page.text
    assert f"{owner.path}/move?month=2024-01" in links_of(page)
    for nonsense in ({"date": "x"}, {"month": "2024-99"}, {"date": "2023-01-01"}):
        assert starts_of(await owner.open("/move", **nonsense)) == await free(owner, "2024-01-25")


async def test_a_time_that_was_taken_meanwhile(client: Client) -> None:
    owner = await owner_of(client)
    await client.desk.booked(TEN)
    answer = await owner.send("/move?date=2024-01-25", start=TEN)
    assert answer.status_code == 409
    assert alert_of(answer) == "10:00 has just been taken."
    instead = [each for each in starts_of(answer) if each not in offered_of(answer)] or starts_of(answer)[:5]
    assert starts_of(answer)[:5] == [at("11:00"), at("12:00"), at("13:00"), START, at("15:00")]
    assert instead
    assert offered_of(answer) == await free(owner, "2024-01-25")
    assert (await owner.seen())["start_time"] == START
    assert (await owner.send("/move", start=at("11:00"))).status_code == 303
    assert (await owner.seen())["start_time"] == at("11:00")


@on_sqlite
@pytest.mark.parametrize(
    ("start", "status", "said"),
    [
        (at("20:00"), 409, "20:00 can no longer be booked."),
        (at("10:07"), 409, "10:07 can no longer be booked."),
        ("2024-01-20T13:00:00Z", 409, "It is too late to book 13:00 online."),
        ("nonsense", 400, ""),
        ("", 400, ""),
    ],
)
async def test_a_time_that_is_none_of_those_offered(
    client: Client, start: str, status: int, said: str
) -> None:
    await client.desk.set_type(minNoticeHours=24)
    owner = await owner_of(client)
    answer = await owner.send("/move", start=start)
    assert answer.status_code == status
    if said:
        assert alert_of(answer) == said
        assert offered_of(answer) == await free(owner, "2024-01-25")
    assert (await owner.seen())["version"] == 1


async def test_where_staff_have_put_it_meanwhile_it_stays(client: Client) -> None:
    owner = await owner_of(client)
    version = version_on(await owner.open("/move"))
    await client.desk.changed(owner.id, start_time=at("11:00"))
    answer = await owner.send("/move?date=2024-01-25", start=TEN, version=version)
    assert answer.status_code == 409
    assert alert_of(answer).startswith("Your appointment was changed meanwhile.")
    assert "Thursday, 25 January 2024, 11:00 – 12:00" in words_of(answer)
    assert offered_of(answer) == await free(owner, "2024-01-25")
    seen = await owner.seen()
    assert (seen["start_time"], seen["version"]) == (at("11:00"), 2)
    # Who has looked again may move it; and if it is there already, nothing is said against it.
    assert version_on(answer) == "2"
    for _ in range(2):
        sent = await owner.send("/move", start=TEN, version="2")
        assert sent.headers["location"] == f"{owner.path}?moved=1"
    seen = await owner.seen()
    assert (seen["start_time"], seen["version"]) == (TEN, 3)


@on_sqlite
async def test_what_staff_have_cancelled_or_moved_from_reach_is_not_moved(client: Client) -> None:
    owner = await owner_of(client)
    for wrong in ("0", "x", "-1", "9" * 5000, "\x00"):
        assert (await owner.send("/move", start=TEN, version=wrong)).status_code == 409
    await client.desk.book(TEN)
    taken = await owner.send("/move", start=TEN, version="1")
    assert alert_of(taken) == "10:00 has just been taken."
    assert taken.text.count('name="version" value="1"') == 2  # the times in its place, and those of the day
    await client.desk.changed(owner.id, status="cancelled")
    answer = await owner.send("/move", start=at("11:00"), version="1")
    assert answer.status_code == 409
    assert "This appointment is cancelled already." in words_of(answer)
    assert (await owner.seen())["start_time"] == START


@on_sqlite
async def test_what_is_cancelled_is_not_moved(client: Client) -> None:
    owner = await owner_of(client)
    await owner.send("/cancel")
    for answer, status in ((await owner.open("/move"), 200), (await owner.send("/move", start=TEN), 409)):
        assert answer.status_code == status
        assert "This appointment is cancelled already." in words_of(answer)
        assert "<form" not in main_of(answer)


@on_sqlite
async def test_moving_again_and_again_ends(client: Client) -> None:
    owner = await owner_of(client)
    for hour in (9, 10) * 5:
        assert (await owner.send("/move", start=at(f"{hour:02}:00"))).status_code == 303
    answer = await owner.send("/move", start=at("11:00"))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert alert_of(answer).startswith("This appointment was moved too often")
    assert "10:00 now" in words_of(answer)
    assert (await owner.seen())["start_time"] == TEN


@on_sqlite
async def test_one_that_has_to_be_confirmed_again_says_so(client: Client) -> None:
    owner = await owner_of(client)
    await client.desk.set_type(requiresConfirmation=True, confirmWithinHours=5)
    answer = await owner.send("/move", start=TEN)
    page = words_of(await client.browser.get(answer.headers["location"]))
    assert page.startswith("Requested We confirm by Sat 20 Jan, 17:00.")


@on_sqlite
async def test_one_that_staff_booked_where_clients_cannot(client: Client) -> None:
    """At night, on a day on which nothing is free: the first days that can be had are shown."""
    desk: Desk = client.desk
    await desk.open(*[each for each in week("09:00-11:00") if each["day_of_week"] != 4])
    owner = await owner_by_staff(client, at("03:00"))
    page = await owner.open("/move")
    assert starts_of(page)[0] == "2024-01-22T09:00:00Z"
    assert "now" not in re.findall(r'<p class="now">', page.text)
    assert re.search(r"<td data-own><span>25</span>", page.text)
    await desk.set_type(isActive=False)
    page = await owner.open("/move")
    assert page.status_code == 200
    assert starts_of(page) == []
    assert "nothing is free online" in words_of(page)


@on_sqlite
async def test_days_and_times_are_those_of_a_caller(client: Client) -> None:
    desk = client.desk
    await desk.set_organization(timezone="Europe/Berlin")
    await desk.set_type(location=CALL)
    owner = await owner_of(client, client_timezone="Asia/Kathmandu")
    page = await owner.open("/move")
    assert "19:45 now" in words_of(page)
    assert starts_of(page) == await free(owner, "2024-01-25", "Asia/Kathmandu")
    assert f"{owner.path}/zone?to=move" in links_of(page)
    page = await owner.open("/move", zone="Pacific/Auckland", date="2024-01-27")
    assert starts_of(page) == await free(owner, "2024-01-27", "Pacific/Auckland")
    assert "Time zone: New Zealand Time (Pacific/Auckland)" in words_of(page)
    assert all("zone=Pacific" in each for each in links_of(page) if "date=" in each)
    answer = await owner.send("/move?zone=Pacific/Auckland", start=starts_of(page)[0])
    assert answer.headers["location"] == f"{owner.path}?zone=Pacific%2FAuckland&moved=1"
    await desk.set_type(location={"kind": "client_address"})
    page = await owner.open("/move", zone="Pacific/Auckland", date="2024-01-26")
    assert starts_of(page) == await free(owner, "2024-01-26", "Europe/Berlin")


@on_sqlite
async def test_an_hour_that_happens_twice_is_offered_twice(client: Client) -> None:
    desk = client.desk
    await desk.set_organization(timezone="Europe/Berlin")
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(location={"kind": "address", "value": "x"}, maxDaysAhead=400)
    owner = await owner_of(client, "2024-10-27T00:00:00Z")
    page = await owner.open("/move")
    assert starts_of(page) == await free(owner, "2024-10-27", "Europe/Berlin")
    assert "02:00 CEST now 02:00 CET 03:00" in words_of(page)


@on_sqlite
async def test_the_page_has_what_the_api_has_wherever_clocks_change(client: Client) -> None:
    desk = client.desk
    await desk.set_organization(timezone="Europe/Berlin")
    await desk.open(*week("00:00-24:00"))
    await desk.set_type(location=CALL, maxDaysAhead=400)
    owner = await owner_of(client)
    for zone, *days in (
        ("Europe/Berlin", "2024-03-31", "2024-10-27"),
        ("America/New_York", "2024-03-10", "2024-11-03"),
        ("America/St_Johns", "2024-03-10", "2024-11-03"),
        ("America/Santiago", "2024-04-06", "2024-09-08"),
        ("Africa/Casablanca", "2024-03-10", "2024-04-14"),
        ("Africa/Cairo", "2024-04-26", "2024-10-31"),
        ("Asia/Beirut", "2024-03-31", "2024-10-26"),
        ("Asia/Kathmandu", "2024-03-31"),
        ("Australia/Lord_Howe", "2024-04-07", "2024-10-06"),
        ("Pacific/Auckland", "2024-04-07", "2024-09-29"),
        ("Pacific/Chatham", "2024-04-07", "2024-09-29"),
        ("Pacific/Kiritimati", "2024-03-31"),
    ):
        for day in days:
            page = await owner.open("/move", zone=zone, date=day)
            expected = await free(owner, day, zone)
            assert starts_of(page) == expected, (zone, day)
            assert len(expected) >= 23


@on_sqlite
@pytest.mark.parametrize("start", ["9999-12-15T10:00:00Z", "9999-12-31T10:00:00Z"])
async def test_one_that_staff_booked_at_the_end_of_the_calendar(client: Client, start: str) -> None:
    await client.desk.set_type(location=CALL, maxDaysAhead=None)
    owner = await owner_by_staff(client, start, check="none")
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Niue"):
        for below in ("", "/move", "/cancel", "/details", "/zone", "/appointment.ics"):
            assert (await owner.open(below, zone=zone)).status_code == 200, (zone, below)
    moved = await owner.send("/move", start="9999-12-30T10:00:00Z")
    assert moved.status_code == 303
    assert (await owner.open("/move")).status_code == 200

"""The part of a mail that is for calendar programs."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from dateutil import tz
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from kalends.core.hours import zone_names
from kalends.delivery import calendar_files
from tests.support.components import value
from tests.support.letters import SENDER, appointment, feed_of

SINCE = datetime(1975, 1, 1, tzinfo=UTC)


@settings(max_examples=60)
@given(
    start=st.integers(0, 60 * 365 * 24 * 60).map(lambda minutes: SINCE + timedelta(minutes=minutes)),
    zone=st.sampled_from(sorted(zone_names())),
)
@example(start=datetime(2024, 10, 27, 0, 30, tzinfo=UTC), zone="Europe/Berlin")
@example(start=datetime(2024, 10, 27, 1, 30, tzinfo=UTC), zone="Europe/Berlin")
@example(start=datetime(2024, 3, 31, 1, tzinfo=UTC), zone="Europe/Berlin")
@example(start=datetime(2024, 4, 6, 15, 15, tzinfo=UTC), zone="Australia/Lord_Howe")
@example(start=datetime(2011, 12, 30, 10, tzinfo=UTC), zone="Pacific/Apia")
def test_calendar_programs_read_the_instant_that_is_meant(start: datetime, zone: str) -> None:
    """By the zone's rules as the file has them, not by the program's own."""
    content = calendar_files.own(appointment(start=start), "Clinic", zone).decode()
    [event] = Calendar.from_ical(content).events
    for name, instant in (("DTSTART", start), ("DTEND", start + timedelta(hours=1))):
        told = value(event, name)
        if "TZID" not in told.params:
            assert told.dt == instant
            continue
        rules = tz.tzical(io.StringIO(content)).get(told.params["TZID"])
        assert told.dt.replace(tzinfo=rules).astimezone(UTC) == instant


def test_a_cancelled_appointment_leaves_the_time_free() -> None:
    for status, transparent in (("confirmed", None), ("pending", None), ("cancelled", "TRANSPARENT")):
        about = appointment(status=status)
        for content in (
            calendar_files.own(about, "Clinic", "UTC"),
            feed_of("Clinic", [about], "UTC"),
            calendar_files.invitation(about, "Clinic", "UTC", method="CANCEL", organizer=SENDER, url=None),
        ):
            [event] = Calendar.from_ical(content).events
            assert event.get("TRANSP") == transparent


def test_the_clocks_of_vancouver_are_spelled_out_as_they_are() -> None:
    """In the years around their last change there is no pair of rules; afterwards there is one offset."""
    start = datetime(2027, 1, 15, 16, tzinfo=UTC)
    content = calendar_files.own(appointment(start=start), "Clinic", "America/Vancouver")
    assert b"DTSTART:20270115T160000Z" in content
    content = calendar_files.own(appointment(start=start.replace(year=2029)), "Clinic", "America/Vancouver")
    assert b"DTSTART;TZID=America/Vancouver:20290115T090000" in content
    assert b"TZOFFSETTO:-0700" in content
    assert b"DAYLIGHT" not in content


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/Dublin"])
def test_a_zone_is_one_pair_of_yearly_rules(zone: str) -> None:
    """Some programs, Outlook among them, understand nothing else."""
    content = calendar_files.own(appointment(), "Clinic", zone)
    [spelled] = Calendar.from_ical(content).timezones
    assert sorted(part.name for part in spelled.subcomponents) == ["DAYLIGHT", "STANDARD"]
    for observance in spelled.subcomponents:
        assert value(observance, "RRULE")["FREQ"] == ["YEARLY"]
        assert "RDATE" not in observance


def test_a_zone_without_such_rules_is_told_in_utc() -> None:
    """Morocco's clocks go by the moon."""
    content = calendar_files.own(appointment(), "Clinic", "Africa/Casablanca")
    assert b"VTIMEZONE" not in content
    assert b"DTSTART:20240125T140000Z" in content

"""What of a calendar is busy: each kind of event that other programs write, with the right answer."""

from datetime import UTC, datetime, timedelta

import pytest

from kalends.core.sources import SourceTrouble
from kalends.reading.events import MOST_INSTANCES, Question, search
from tests.reading.calendars import END, START, WINDOW, ZONE, busy, calendar, event, local, searched

HOUR = ("DTSTART;TZID=Europe/Berlin:20260310T090000", "DTEND;TZID=Europe/Berlin:20260310T100000")
TAKEN = "03-10 09:00 to 03-10 10:00"
DAY = "DTSTART;VALUE=DATE:20260310"
CUSTOM_ZONE = """BEGIN:VTIMEZONE
TZID:{}
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:{daylight}
TZOFFSETTO:{standard}
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:{standard}
TZOFFSETTO:{daylight}
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE""".replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("lines", "taken"),
    [
        pytest.param(HOUR, [TAKEN], id="an event"),
        pytest.param((*HOUR, "TRANSP:OPAQUE"), [TAKEN], id="shown as busy"),
        pytest.param((*HOUR, "TRANSP:TRANSPARENT"), [], id="shown as free"),
        pytest.param((*HOUR, "STATUS:CANCELLED"), [], id="cancelled"),
        pytest.param((*HOUR, "STATUS:TENTATIVE"), [TAKEN], id="tentative"),
        pytest.param((*HOUR, "X-MICROSOFT-CDO-BUSYSTATUS:FREE"), [], id="free in Outlook"),
        pytest.param((*HOUR, "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE"), [TAKEN], id="tentative in Outlook"),
        pytest.param((*HOUR, "X-MICROSOFT-CDO-BUSYSTATUS:OOF"), [TAKEN], id="out of office in Outlook"),
        pytest.param((*HOUR, "transp:transparent"), [], id="in small letters"),
        pytest.param((DAY,), ["03-10 00:00 to 03-11 00:00"], id="a day without an end"),
        pytest.param((DAY, "DTEND;VALUE=DATE:20260311"), ["03-10 00:00 to 03-11 00:00"], id="a day"),
        pytest.param(
            (DAY, "DTEND;VALUE=DATE:20260310"), ["03-10 00:00 to 03-11 00:00"], id="a day, no longer"
        ),
        pytest.param((DAY, "DTEND;VALUE=DATE:20260314"), ["03-10 00:00 to 03-14 00:00"], id="several days"),
        pytest.param((DAY, "DURATION:P2D"), ["03-10 00:00 to 03-12 00:00"], id="days by duration"),
        pytest.param(
            ("DTSTART;VALUE=DATE:20260329",), ["03-29 00:00 to 03-30 00:00"], id="the day the clocks change"
        ),
        pytest.param(("DTSTART:20260310T080000Z",), [], id="no end takes no time"),
        pytest.param(("DTSTART:20260310T080000Z", "DURATION:PT0S"), [], id="no length takes no time"),
        pytest.param(("DTSTART:20260310T080000Z", "DURATION:PT1H"), [TAKEN], id="a duration"),
        pytest.param(("DTSTART:20260310T090000", "DURATION:PT1H"), [TAKEN], id="floating"),
        pytest.param(
            ("DTSTART;TZID=W. Europe Standard Time:20260310T090000", "DURATION:PT1H"),
            [TAKEN],
            id="Windows zone",
        ),
        pytest.param(("DTSTART;TZID=Nowhere:20260310T090000", "DURATION:PT1H"), [TAKEN], id="unknown zone"),
        pytest.param(
            ("DTSTART;TZID=America/New_York:20260310T040000", "DURATION:PT1H"), [TAKEN], id="another zone"
        ),
        pytest.param(
            ("DTSTART:20260228T220000Z", "DTEND:20260301T020000Z"),
            ["03-01 01:00 to 03-01 03:00"],
            id="begun before",
        ),
        pytest.param(
            ("DTSTART:20250101T000000Z", "DTEND:20270101T000000Z"),
            ["03-01 01:00 to 05-01 02:00"],
            id="all the time",
        ),
        pytest.param(("DTSTART:20260228T220000Z", "DTEND:20260301T000000Z"), [], id="over before"),
        pytest.param(("DTSTART:26990310T080000Z", "DURATION:PT1H"), [], id="the year 2699"),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:26990310T080000", "DURATION:PT1H", "RRULE:FREQ=YEARLY"),
            [],
            id="from 2699 on",
        ),
        pytest.param(("DTSTART:99991231T230000Z", "DURATION:PT2H"), [], id="the end of the calendar"),
        pytest.param(("DTSTART:00010101T000000Z", "DURATION:PT2H"), [], id="its beginning"),
    ],
)
def test_one_event(lines: tuple[str, ...], taken: list[str]) -> None:
    assert busy(event(*lines)) == taken


WEEKLY = (*HOUR, "RRULE:FREQ=WEEKLY;COUNT=4")
WEEKS = [f"{day} 09:00 to {day} 10:00" for day in ("03-10", "03-17", "03-24", "03-31")]


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        pytest.param(["RRULE:FREQ=WEEKLY;COUNT=4"], WEEKS, id="at its wall time, as the clocks change"),
        pytest.param(
            ["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;TZID=Europe/Berlin:20260317T090000"],
            [WEEKS[0], *WEEKS[2:]],
            id="EXDATE",
        ),
        pytest.param(
            ["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE:20260317T080000Z,20260324T080000Z"],
            [WEEKS[0], WEEKS[3]],
            id="EXDATE in another zone",
        ),
        pytest.param(
            ["RDATE;TZID=Europe/Berlin:20260402T140000"], [WEEKS[0], "04-02 14:00 to 04-02 15:00"], id="RDATE"
        ),
        pytest.param(
            ["RDATE;VALUE=PERIOD:20260402T120000Z/20260402T150000Z,20260403T120000Z/PT30M"],
            [WEEKS[0], "04-02 14:00 to 04-02 17:00", "04-03 14:00 to 04-03 14:30"],
            id="RDATE with periods",
        ),
        pytest.param(["RRULE:FREQ=WEEKLY;UNTIL=20260324T080000Z"], WEEKS[:3], id="UNTIL in UTC"),
        pytest.param(["RRULE:FREQ=WEEKLY;UNTIL=20260324T075959Z"], WEEKS[:2], id="UNTIL a second before"),
        pytest.param(["RRULE:FREQ=WEEKLY;UNTIL=20260324"], WEEKS[:3], id="UNTIL a day includes it"),
        pytest.param(["RRULE:FREQ=WEEKLY;UNTIL=20260324T090000"], WEEKS[:3], id="UNTIL in local time"),
        pytest.param(["RRULE:FREQ=WEEKLY;UNTIL=20200101T000000Z"], [], id="UNTIL before its start"),
        pytest.param(["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"], WEEKS[:1], id="a day that never is"),
    ],
)
def test_a_series(rules: list[str], taken: list[str]) -> None:
    assert busy(event(*HOUR, *rules)) == taken


def test_until_of_a_zone_far_away_includes_the_last() -> None:
    evening = ("DTSTART;TZID=America/Los_Angeles:20260310T200000", "DURATION:PT1H")
    [first, second] = busy(event(*evening, "RRULE:FREQ=DAILY;UNTIL=20260311"))
    assert (first, second) == ("03-11 04:00 to 03-11 05:00", "03-12 04:00 to 03-12 05:00")


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        pytest.param(
            ["DTSTART:20260317T120000Z", "DURATION:PT2H"], ["03-17 13:00 to 03-17 15:00"], id="moved"
        ),
        pytest.param(["DTSTART:20270317T120000Z", "DURATION:PT2H"], [], id="moved out of the window"),
        pytest.param([*HOUR, "STATUS:CANCELLED"], [], id="cancelled"),
        pytest.param([*HOUR, "TRANSP:TRANSPARENT"], [], id="free"),
    ],
)
def test_an_instance_that_was_changed(changed: list[str], taken: list[str]) -> None:
    instance = event("RECURRENCE-ID;TZID=Europe/Berlin:20260317T090000", *changed)
    assert busy(event(*WEEKLY), instance) == sorted([WEEKS[0], *taken, *WEEKS[2:]])


def test_an_instance_is_moved_into_the_window() -> None:
    early = ("DTSTART;TZID=Europe/Berlin:20250310T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4")
    moved = event("RECURRENCE-ID;TZID=Europe/Berlin:20250317T090000", *HOUR)
    assert busy(event(*early), moved) == [TAKEN]


def test_a_changed_instance_counts_though_its_series_is_not_there() -> None:
    assert busy(event("RECURRENCE-ID:20260301T090000Z", *HOUR)) == [TAKEN]


def test_this_and_all_later_ones_are_moved() -> None:
    later = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260324T090000",
        "DTSTART;TZID=Europe/Berlin:20260324T110000",
        "DTEND;TZID=Europe/Berlin:20260324T123000",
    )
    moved = [f"{day} 11:00 to {day} 12:30" for day in ("03-24", "03-31")]
    assert busy(event(*WEEKLY), later) == [*WEEKS[:2], *moved]


def test_days_are_the_owners_and_local_times_their_zones() -> None:
    assert busy(event(DAY), zone="America/New_York") == ["03-10 00:00 to 03-11 00:00"]
    assert busy(event("DTSTART:20260310T090000", "DURATION:PT1H"), zone="Asia/Tokyo") == [TAKEN]
    told = ("X-WR-TIMEZONE:America/New_York", event("DTSTART:20260310T040000", "DURATION:PT1H"))
    assert busy(*told) == [TAKEN]
    assert busy("X-WR-TIMEZONE:../../etc/passwd", told[1]) == ["03-10 04:00 to 03-10 05:00"]


def test_whole_days_of_a_series() -> None:
    series = event(DAY, "RRULE:FREQ=DAILY;UNTIL=20260312")
    assert busy(series) == [f"03-{day} 00:00 to 03-{day + 1} 00:00" for day in (10, 11, 12)]


def test_a_zone_of_its_own_is_as_it_is_spelled_out() -> None:
    own = event(
        "DTSTART;TZID=Customized Time Zone:20260310T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4"
    )
    west = calendar(CUSTOM_ZONE.format("Customized Time Zone", standard="-0500", daylight="-0400"), own)
    east = calendar(CUSTOM_ZONE.format("Customized Time Zone", standard="+0100", daylight="+0200"), own)
    found = search([west, east], Question((START, END), ZONE))
    in_the_west = [f"{day} 15:00 to {day} 16:00" for day in ("03-10", "03-17", "03-24", "03-31")]
    assert local(found.busy["one@example.com"]) == sorted(WEEKS + in_the_west)


def test_timed_events_are_free_if_the_source_says_so() -> None:
    both = event(*HOUR), event("DTSTART;VALUE=DATE:20260311", uid="two")
    assert busy(*both, free_timed_events=True) == ["03-11 00:00 to 03-12 00:00"]


def test_what_events_are_about_does_not_matter() -> None:
    talkative = event(
        *HOUR,
        "SUMMARY:BEGIN:VEVENT\u2028END:VEVENT\x0bDTSTART:20260401T000000Z",
        "DESCRIPTION:folded\r\n  END:VEVENT\r\n\tDURATION:P1Y",
        "ATTACH:nonsense",
        "GEO:far away",
        "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:P1Y\r\nRRULE:FREQ=NEVER\r\nEND:VALARM",
    )
    task = "BEGIN:VTODO\r\nDTSTART:20260401T090000Z\r\nDUE:20260402T090000Z\r\nEND:VTODO"
    assert busy("X-WR-CALNAME:Jane", talkative, task) == [TAKEN]


def test_line_ends_marks_and_letters_of_all_kinds() -> None:
    text = calendar(event(*HOUR))
    question = Question((START, END), ZONE)
    for written in (
        text.replace("\r\n", "\n"),
        text.replace("\r\n", "\r"),
        f"\ufeff\r\n{text}\r\n\r\n",
        text.rstrip(),
    ):
        assert local(search([written], question).busy["one@example.com"]) == [TAKEN]
    twice = text + calendar(event(*HOUR, uid="two"))
    assert set(search([twice], question).busy) == {"one@example.com", "two"}


@pytest.mark.parametrize(
    "wrong",
    [
        ("DTSTART:tomorrow",),
        ("DTSTART:PT1H",),
        ("DTSTART:120000",),
        ("DTSTART;VALUE=PERIOD:20260310T080000Z/PT1H",),
        ("SUMMARY:without a start",),
        (*HOUR, "RRULE:FREQ=SOMETIMES"),
        (*HOUR, "RRULE:FREQ=SECONDLY"),
        ("DTSTART:20260310T080000Z", "DURATION:an hour"),
        # Lines that can't even be split into a name and a value.
        ("DTSTART:20260310T080000Z", "DTEND 20260310T090000Z"),
        ("DTSTART:20260310T080000Z", "DTEND;TZID:20260310T090000Z"),
        ("DTSTART:20260310T080000Z", "DURATION;:PT1H"),
        (*HOUR, "RRULE;X:FREQ=DAILY;COUNT=3"),
        (*HOUR, "RDATE:someday"),
        ("DTSTART:20260310T080000Z", "DTEND:20261310T080000Z"),
        ("DTSTART:20260310T080000Z", "DTSTART:20260311T080000Z", "DURATION:PT1H"),
    ],
)
def test_an_event_that_cant_be_read_is_named_and_the_others_count(wrong: tuple[str, ...]) -> None:
    found = searched(event(*wrong, uid="wrong"), event(*HOUR))
    assert local(found.busy["one@example.com"]) == [TAKEN]
    assert "wrong" not in found.busy
    [sentence] = found.unreadable
    assert sentence.startswith(("The event of 2026-03-10 can't be read: ", "The event wrong can't be read: "))
    assert not searched(event(*wrong, "TRANSP:TRANSPARENT"), event(*HOUR, uid="two")).unreadable
    with pytest.raises(SourceTrouble, match=r"^None of its events can be read"):
        searched(event(*wrong))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The answer is empty"),
        ("<!doctype html><html></html>", "web page"),
        ("\ufeff <html>", "web page"),
        ('{"error": "no"}', "not a calendar"),
        (calendar(event(*HOUR))[:-20], "cut off"),
        (calendar(event(*HOUR))[:120], "cut off"),
        ("BEGIN:VCALENDAR\r\n", "cut off"),
        (calendar("BEGIN:VFREEBUSY\r\nEND:VFREEBUSY"), "VFREEBUSY"),
        (calendar(event(*HOUR).replace("END:VEVENT", "END:VTODO")), "ends what did not begin"),
        (calendar() + "and more\r\n" + calendar(), "before its begin or after its end"),
    ],
)
def test_what_is_no_whole_calendar(text: str, sentence: str) -> None:
    with pytest.raises(SourceTrouble, match=sentence):
        search([text], Question((START, END), ZONE))


def test_an_empty_calendar_is_a_calendar() -> None:
    assert not searched().busy


@pytest.mark.slow
def test_no_calendar_has_more_events_than_most() -> None:
    often = event("DTSTART:20260302T000000Z", "DURATION:PT1M", "RRULE:FREQ=HOURLY;BYMINUTE=0,15,30,45")
    assert searched(often).instances < MOST_INSTANCES
    with pytest.raises(SourceTrouble, match="more than 10,000 events"):
        searched(often, often.replace("one@", "two@"))


def test_the_past_is_dropped_before_it_is_parsed() -> None:
    """What can't be parsed is not even seen there, and the window's edges are not dropped."""
    past = event("DTSTART:20250310T080000Z", "DTEND:20250310T090000Z", "SEQUENCE:x", uid="past")
    future = event("DTSTART:20270310T080000Z", "DURATION:x", uid="future")
    edges = [
        event(f"DTSTART:{at - timedelta(minutes=30):%Y%m%dT%H%M%SZ}", "DURATION:PT1H", uid=f"{at:%m}")
        for at in WINDOW
    ]
    assert busy(past, future, *edges) == ["03-01 01:00 to 03-01 01:30", "05-01 01:30 to 05-01 02:00"]
    assert datetime(2026, 3, 1, tzinfo=UTC) == WINDOW[0]


def test_two_events_with_one_uid_are_both_busy() -> None:
    second = ("DTSTART:20260311T080000Z", "DTEND:20260311T090000Z")
    assert busy(event(*HOUR), event(*second)) == [TAKEN, "03-11 09:00 to 03-11 10:00"]
    assert busy(event(*HOUR), event(*HOUR)) == [TAKEN] * 2

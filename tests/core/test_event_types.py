import pytest

from kalends.core.event_types import APPOINTMENT_EVENTS, EVENTS, is_filter, matches

KINDS = (
    "appointment",
    "appointment_type",
    "availability",
    "schedule",
    "override",
    "calendar",
    "source",
    "block",
    "webhook",
    "feed",
    "key",
    "person",
    "organization",
)


@pytest.mark.parametrize("text", [*EVENTS, *(f"{kind}.*" for kind in KINDS), "*"])
def test_events_kinds_and_all_are_filters(text: str) -> None:
    assert is_filter(text)


@pytest.mark.parametrize(
    "text",
    ["", "**", "*.*", ".*", "*.created", "appointment", "appointment.", "appointment*", "appointment.made"],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_filter(text)


@pytest.mark.parametrize(
    "text",
    ["APPOINTMENT.*", "appointment.created ", "appointment.created.*", "appointments.*", "webhook.test"],
)
def test_nor_is_what_looks_like_one(text: str) -> None:
    assert not is_filter(text)


def test_a_kind_matches_its_own_events_only() -> None:
    by_kind = {kind: [event for event in EVENTS if matches(event, [f"{kind}.*"])] for kind in KINDS}
    assert by_kind["appointment"] == list(APPOINTMENT_EVENTS)
    assert sorted(event for events in by_kind.values() for event in events) == sorted(EVENTS)


def test_an_event_matches_its_name_and_all_and_nothing_else() -> None:
    for event in EVENTS:
        assert [other for other in EVENTS if matches(other, [event])] == [event]
        assert matches(event, ["*"])
        assert not matches(event, [])
    assert matches("calendar.updated", ["appointment.*", "calendar.updated"])
    assert not matches("calendar.updated", ["appointment.*", "calendar.created"])

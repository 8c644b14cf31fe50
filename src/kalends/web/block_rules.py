"""The weekly rule of a block: as a form says it, and in words."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from babel.lists import format_list

from kalends.core.blocks import MOST_DAYS
from kalends.schemas.blocks import Block, BlockedTime, ShownWeeklyRule
from kalends.web.forms import Form
from kalends.web.readers import Reader
from kalends.web.setting_forms import whole
from kalends.web.staff_pages import day_in
from kalends.words import dates
from kalends.words.sentences import marked

ONCE, WEEKLY = "once", "weekly"
"""What the field `repeat` says."""
FIELDS = ("repeat", "weeks", "until")
DAYS = "days"
"""The fields of a rule, and the boxes of its days: 0 for Sunday … 6 for Saturday."""
_WEEK = 7
_EVERY_WEEK = marked("It comes every week on {days}.")
_EVERY_WEEKS = marked("It comes every {count} weeks on {days}.")


def weekly(form: Form) -> bool:
    """Return whether a form says that a block comes again."""
    return form.text("repeat") == WEEKLY


def rule_in(form: Form) -> dict[str, Any]:
    """Return the rule that a form says, as the API takes it. Without a last day, it goes on for as long as it
    can. Whatever is no number or day is refused with the rest."""
    until = form.text("until").strip()
    first = day_in(form.text("date"))
    rule: dict[str, Any] = {"until": until or _open_end(first)}
    if days := form.all(DAYS):
        rule["days_of_week"] = [whole(each) for each in days]
    if (weeks := form.text("weeks")).strip():
        rule["interval_weeks"] = whole(weeks)
    return rule


def changed_rule(form: Form, shown: Mapping[str, str], present: ShownWeeklyRule | None) -> dict[str, Any]:
    """Return the rule that a form says of a block, which may have one at `present`. What the form does not
    show stays: days that are left out, and how many times it comes, if neither its days nor its end were
    touched."""
    rule = rule_in(form)
    if present is None:
        return rule
    rule["except_dates"] = present.except_dates
    if set(form.all(DAYS)) != set(_days(present)):
        return rule
    if len(present.days_of_week) == 1:  # which follows the first time
        rule.pop("days_of_week", None)
    if present.count is not None and form.typed("weeks", "until") == {
        name: shown[name] for name in ("weeks", "until")
    }:
        rule["count"] = present.count
        del rule["until"]
    return rule


def with_day(present: ShownWeeklyRule, day: date, *, left_out: bool) -> dict[str, Any]:
    """Return a rule that leaves out a day, or does so no longer."""
    others = set(present.except_dates) - {day.isoformat()}
    return present.model_dump() | {
        "except_dates": sorted(others | ({day.isoformat()} if left_out else set()))
    }


def fields_of(block: Block, zone: str) -> tuple[dict[str, str], Sequence[str]]:
    """Return what the fields and the boxes of a form say of a block."""
    if (rule := block.rule) is None:
        return {"repeat": ONCE, "weeks": "1", "until": ""}, ()
    until = rule.until or dates.local(block.instances[-1].start_time, zone).date().isoformat()
    return {"repeat": WEEKLY, "weeks": str(rule.interval_weeks), "until": until}, _days(rule)


def in_words(rule: ShownWeeklyRule, reader: Reader) -> str:
    """Return on which days a block comes again."""
    named = [name for number, name in weekdays(reader) if int(number) in rule.days_of_week]
    days = format_list(named, locale=reader.locale)
    if rule.interval_weeks == 1:
        return reader.say(_EVERY_WEEK).format(days=days)
    return reader.say(_EVERY_WEEKS).format(days=days, count=rule.interval_weeks)


def weekdays(reader: Reader) -> list[tuple[str, str]]:
    """Return the days of a week in the reader's order: the number that a box sends, and the name."""
    return [
        (str((reader.first_weekday + offset) % _WEEK), full)
        for offset, (_, full) in enumerate(reader.weekdays())
    ]


def day_of(time: BlockedTime, block: Block) -> date:
    """Return on which day of the rule one of the times of a block is."""
    return dates.local(time.start_time, block.timezone).date()


def _days(rule: ShownWeeklyRule) -> Sequence[str]:
    return [str(each) for each in rule.days_of_week]


def _open_end(first: date | None) -> str | None:
    try:
        return None if first is None else (first + timedelta(days=MOST_DAYS)).isoformat()
    except OverflowError:
        return None

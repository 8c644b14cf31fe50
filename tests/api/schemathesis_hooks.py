"""What JSON Schema can't say of valid requests, and what there is in the demo to be found."""

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import schemathesis

from kalends.core.text import is_blank

SLUG = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
EXAMPLES = ("2024-01-25T14:00:00Z", "2024-01-26T14:00:00Z")
CALENDARS = ("calendarIds", "calendar_ids")
ADDRESSES = (
    *("client_email", "notification_email", "contact_email", "phone", "client_phone"),
    *("redirectUrl", "privacy_url", "terms_url", "manage_url_template"),
)
EVERY = int(os.environ.get("KALENDS_TEST_COVERAGE_EVERY", "1"))
COUNTS: dict[tuple[str, str], Iterator[int]] = defaultdict(itertools.count)
STARTS = itertools.cycle(
    f"2030-{month:02}-{day:02}T09:00:00Z" for month in range(1, 13) for day in range(2, 29)
)


@schemathesis.hook
def filter_body(_context: Any, body: Any) -> bool:
    """The ids of booking questions and the names of requirements are unique, and each calendar is named
    once."""
    if not isinstance(body, dict):
        return True
    needs = [each for each in _list(body, "requirements") if isinstance(each, dict)]
    needed = [id_ for each in needs for id_ in _list(each, "calendarIds")]
    if not (_once([each.get("name") for each in needs]) and _once(needed)):
        return False
    questions = _list(body, "bookingQuestions")
    return _once([each.get("id") for each in questions if isinstance(each, dict)]) and all(
        _once(_list(body, name)) for name in CALENDARS
    )


def _list(body: dict[str, Any], name: str) -> list[Any]:
    found = body.get(name)
    return found if isinstance(found, list) else []


def _is_one_repeated(things: list[Any]) -> bool:
    """Whether it is a list that the coverage phase filled with one thing, as long as it may be."""
    return 1 < len(things) <= 100 and all(each == things[0] for each in things)


def _once(ids: list[Any]) -> bool:
    return len({str(each).strip() for each in ids}) == len(ids)


def _are_answers(value: Any) -> bool:
    """Whether it is a list as staff may send it."""
    return isinstance(value, list) and len(value) <= 100 and all(map(_is_answer, value))


def _is_answer(value: Any) -> bool:
    if not (isinstance(value, dict) and {"id", "answer"} <= value.keys()):
        return False
    return all(isinstance(value.get(name, ""), str) for name in ("id", "label"))


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Ask every day only some of the thousands of cases of the coverage phase: of each operation, and of what
    is right and what is wrong, the first and every so many more."""
    meta = case.meta
    if EVERY == 1 or meta is None or meta.phase.name.value != "coverage":
        return True
    return next(COUNTS[case.operation.label, meta.generation.mode.value]) % EVERY == 0


@schemathesis.hook
def filter_query(_context: Any, query: Any) -> bool:
    """A rehearsal answers as the real call does but makes nothing, so nothing can be found afterwards."""
    return not (isinstance(query, dict) and query.get("dry_run") == "true")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """What is valid stays so, but means something in the demo: it keeps its slug, its types ask no questions,
    the examples' times are such that can be booked, and some links are good. And the key of this run is not
    revoked by it."""
    body, ids = case.body, case.path_parameters or {}
    if isinstance(body, dict):
        if isinstance(body.get("slug"), str) and SLUG.fullmatch(body["slug"]):
            body["slug"] = "demo"
        if isinstance(body.get("answers"), dict) and len(body["answers"]) <= 100:
            body["answers"] = {}
        if _are_answers(body.get("answers")):
            body["answers"] = []
        _mean_what_the_schema_says(body)
        if body.get("start_time") in EXAMPLES and case.path.startswith("/v1/public/"):
            body["start_time"] = next(STARTS)
    token = ids.get("token")
    if isinstance(token, str) and len(token) <= 100 and len(token) % 4:
        ids["token"] = os.environ["KALENDS_TEST_TOKEN"]
    if ids.get("id") == os.environ["KALENDS_TEST_KEY_ID"]:
        ids["id"] = "key_unknown"


def _mean_what_the_schema_says(body: dict[str, Any]) -> None:
    """A blank address is invalid by its format but means none: another that is invalid takes its place. And
    the coverage phase, which does not ask `filter_body`, fills lists with one id: number them."""
    for name in ADDRESSES:
        if isinstance(body.get(name), str) and is_blank(body[name]):
            body[name] = "nobody"
    for name in CALENDARS:
        if _is_one_repeated(calendars := _list(body, name)):
            body[name] = [f"{id_}{number}" for number, id_ in enumerate(calendars)]
    _need_what_can_be_needed(body)
    if _is_one_repeated(questions := _list(body, "bookingQuestions")):
        body["bookingQuestions"] = [
            {**question, "id": f"{question['id']}{number}"} for number, question in enumerate(questions)
        ]


def _need_what_can_be_needed(body: dict[str, Any]) -> None:
    """Number what names requirements and their calendars, count no more of them than there are, and let
    `calendarIds` be those of the first."""
    needs = _list(body, "requirements")
    if not all(isinstance(each, dict) and isinstance(each.get("calendarIds"), list) for each in needs):
        return
    if len(needs) > 1 and _is_one_repeated(needs):
        needs = [
            each | {"name": str(n), "calendarIds": [f"{id_}{n}" for id_ in each["calendarIds"]]}
            for n, each in enumerate(needs)
        ]
    for n, each in enumerate(needs):
        ids = each["calendarIds"]
        if _is_one_repeated(ids):
            ids = [f"{id_}{number}" for number, id_ in enumerate(ids)]
        count = each.get("count", 1)
        fits = not ids or count not in range(1, 11) or count <= len(ids)
        needs[n] = each | {"calendarIds": ids} | ({} if fits else {"count": 1})
    if needs:
        body["requirements"] = needs
        if all(isinstance(id_, str) for id_ in _list(body, "calendarIds")):
            body["calendarIds"] = needs[0]["calendarIds"]

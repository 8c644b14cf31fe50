"""The feeds: addresses at which calendar programs read the appointments."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.feeds import without_url
from kalends.core.errors import IdempotencyKeyReused, Malformed, NotFound
from kalends.db.database import Tx
from kalends.schemas.calendars import Calendar
from kalends.schemas.feeds import Feed, FeedCreate, NewFeedAnswer
from kalends.schemas.wire import Deleted
from kalends.services.leaving import feeds
from kalends.services.setup import calendars
from kalends.web import problems, staff_problems
from kalends.web.forms import form_of, validated
from kalends.web.grids import at
from kalends.web.plain_sheets import PlainSheet, cut, shown_once
from kalends.web.readers import Reader
from kalends.web.sent import Name, id_in
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in
from kalends.web.staff_visits import Entered, EnteredCall, EnteredDeleting, EnteredWriting
from kalends.web.told_history import who
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

router = APIRouter(prefix="/staff/settings/feeds", include_in_schema=False)

PATH = "/staff/settings/feeds"
_FIELDS = ("kind", "calendar_id")
_LABELS = {"kind": marked("What"), "calendar_id": marked("Calendar")}
_KINDS: Mapping[str, str] = {
    "appointments": marked("Appointments, with their clients"),
    "busy": marked("Only when time is taken"),
}


@router.get("")
async def see_all(call: Entered) -> Response:
    """List the feeds, with the form that makes one."""
    return await _list(call, PlainSheet({"kind": "appointments", "calendar_id": ""}))


@router.post("")
async def create(change: EnteredWriting) -> Response:
    """Make a feed, once for each form. The answer shows its address, this once."""
    form = await form_of(change.request)
    reader = reader_of(change)
    try:
        wish = validated(FeedCreate, form.sent(*_FIELDS))
        once = change.for_form(f"feed:{key_in(form)}").keeping(without_url)
        answer = await once.make(
            lambda made: NewFeedAnswer(feed=made[0], url=f"{change.base}/v1/public/feeds/{made[1]}.ics"),
            feeds.create,
            change.party,
            wish,
            change.now,
        )
    except (Malformed, NotFound, IdempotencyKeyReused) as refusal:
        sheet = PlainSheet.filled(form, _FIELDS).refused(refusal, reader, _LABELS)
        return await _list(change, sheet, status=problems.noted(change.request, refusal))
    made = NewFeedAnswer.model_validate_json(bytes(answer.body))
    return shown_once(
        change,
        reader,
        "feeds",
        reader.say(_KINDS[made.feed.kind]),
        back=reader.link(PATH),
        label=reader.say("Address"),
        secret=made.url,
        hint=reader.say(
            "Copy it into a calendar program, where calendars are subscribed to or added from an address. "
            "Whoever has the address can read the feed."
        ),
    )


@router.get("/{feed_id}/remove")
async def ask_again(feed_id: Name, call: Entered) -> Response:
    """Ask whether a feed is to be deleted."""
    feed, names = await call.db.read(_feed, call.org_id, feed_id)
    reader = reader_of(call)
    return asked_again(
        call,
        reader,
        "feeds",
        _called(feed, names, reader),
        action=reader.link(f"{PATH}/{feed_id}/remove"),
        back=reader.link(PATH),
        hint=marked("Its address stops working."),
    )


@router.post("/{feed_id}/remove")
async def remove(feed_id: Name, change: EnteredDeleting) -> Response:
    """Delete a feed, and lead to the list."""
    await change.make(Deleted.of, feeds.remove, change.party, feed_id, change.now)
    return lead_to(change, reader_of(change).link(PATH))


async def _list(call: EnteredCall, sheet: PlainSheet, status: int = 200) -> Response:
    cursor = id_in(call.request.query_params.get("cursor"))
    reader = at(reader_of(call), PATH, cursor=cursor)

    def read(tx: Tx) -> tuple[list[Feed], list[Calendar], Mapping[str, str]]:
        every = feeds.all_of(tx, call.org_id)
        return every, calendars.all_of(tx, call.org_id), calendars.names(tx, call.org_id)

    every, known, names = await call.db.read(read)
    found, following = cut(every, cursor)
    return settings_page(
        call,
        "staff/settings/feeds.html",
        reader.say("Feeds"),
        reader,
        room="feeds",
        status=status,
        sheet=sheet,
        rows=[_row(each, names, call, reader) for each in found],
        kinds=[(kind, reader.say(words)) for kind, words in _KINDS.items()],
        calendars=[(each.id, each.name) for each in known],
        may_delete=call.member.may("delete"),
        following=following and reader.here(cursor=following),
    )


def _row(feed: Feed, names: Mapping[str, str], call: EnteredCall, reader: Reader) -> dict[str, Any]:
    return {
        "kind": reader.say(_KINDS[feed.kind]),
        "calendar": _calendar(feed, names, reader),
        "made_by": who(feed.created_by, reader) if feed.created_by else "",
        "made": staff_problems.moment(feed.created_at, reader, call.timezone, call.now),
        "remove": reader.link(f"{PATH}/{feed.id}/remove"),
        "called": _called(feed, names, reader),
    }


def _feed(tx: Tx, org_id: str, feed_id: str) -> tuple[Feed, Mapping[str, str]]:
    """Return a feed, and the names of calendars by their ids. Raises NotFound."""
    found = next((each for each in feeds.all_of(tx, org_id) if each.id == feed_id), None)
    if found is None:
        raise NotFound("There is no feed with this id.")
    return found, calendars.names(tx, org_id)


def _calendar(feed: Feed, names: Mapping[str, str], reader: Reader) -> str:
    return reader.say("All calendars") if feed.calendar_id is None else names.get(feed.calendar_id, "")


def _called(feed: Feed, names: Mapping[str, str], reader: Reader) -> str:
    return f"{reader.say(_KINDS[feed.kind])} – {_calendar(feed, names, reader)}"

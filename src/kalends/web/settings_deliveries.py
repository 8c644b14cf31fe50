"""What was delivered to a webhook, what waits, what failed; and delivering it again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import IdempotencyKeyReused, Malformed
from kalends.db.database import Tx
from kalends.schemas.webhooks import Delivery, DeliveryAnswer, Replay, Replayed, ReplayedAnswer, Webhook
from kalends.services.leaving import webhooks
from kalends.web import plain_sheets, problems, staff_problems
from kalends.web.forms import form_of, validated
from kalends.web.grids import at
from kalends.web.plain_sheets import PlainSheet
from kalends.web.readers import Reader
from kalends.web.sent import Name, id_in
from kalends.web.settings_pages import settings_page
from kalends.web.settings_webhooks import PATH, called, number
from kalends.web.staff_pages import key_in, moment_in, new_key
from kalends.web.staff_visits import Entered, EnteredCall, EnteredWriting
from kalends.web.visits import lead_to, reader_of
from kalends.words import dates
from kalends.words.sentences import marked

router = APIRouter(prefix="/staff/settings/webhooks/{webhook_id}/deliveries", include_in_schema=False)

STATUSES: Mapping[str, str] = {
    "pending": marked("Waiting"),
    "delivered": marked("Delivered"),
    "failed": marked("Failed"),
    "skipped": marked("Not sent, since nobody wanted it any more"),
}
"""What becomes of deliveries and mails."""
_SECOND = timedelta(seconds=1)
"""What happened just now is delivered once more, too: times are cut to seconds, and their end is left out."""
_KNOWN = get_args(Delivery.model_fields["status"].annotation)
_FIELDS = ("date", "time")
_LABELS = {"date": marked("From"), "time": marked("From (time)")}
_TOO_MANY = {"invalid_request": marked("That is too much at once. Please choose a later time.")}


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery in words: what happened, what became of it, how often it was tried, and when."""

    delivery: Delivery
    href: str
    status: str
    made: str
    tried: str
    following: str
    answer: str


@router.get("")
async def see_all(webhook_id: Name, call: Entered) -> Response:
    """List deliveries, newest first, with the form that delivers once more what happened since a time."""
    today = dates.local(call.now, call.timezone).date().isoformat()
    return await _list(call, webhook_id, PlainSheet({"date": today, "time": "00:00"}))


@router.post("")
async def replay(webhook_id: Name, change: EnteredWriting) -> Response:
    """Deliver once more what happened since a time, once for each form."""
    await change.db.read(webhooks.get, change.org_id, webhook_id)
    form = await form_of(change.request)
    reader = reader_of(change)
    try:
        since = moment_in(form, "date", "time", change.timezone)
        wish = validated(Replay, {"from": since, "to": change.real_now + _SECOND})
        once = change.for_form(f"replay:{key_in(form)}")
        await number(once)
        await once.make(
            lambda count: ReplayedAnswer.of(Replayed(deliveries=count)),
            webhooks.replay,
            change.party,
            webhook_id,
            wish,
            change.real_now,
            mail=change.settings.mail,
        )
    except (Malformed, IdempotencyKeyReused) as refusal:
        sheet = PlainSheet.filled(form, _FIELDS).refused(refusal, reader, _LABELS, _TOO_MANY)
        return await _list(change, webhook_id, sheet, status=problems.noted(change.request, refusal))
    return lead_to(change, reader.link(f"{PATH}/{webhook_id}/deliveries"))


@router.get("/{delivery_id}")
async def see(webhook_id: Name, delivery_id: Name, call: Entered) -> Response:
    """Show a delivery, and what is sent."""
    reader = reader_of(call)

    def read(tx: Tx) -> tuple[Webhook, Delivery, str]:
        webhook = webhooks.get(tx, call.org_id, webhook_id)
        return webhook, *webhooks.delivery(tx, call.org_id, webhook_id, delivery_id)

    webhook, delivery, body = await call.db.read(read)
    path = f"{PATH}/{webhook_id}/deliveries"
    return settings_page(
        call,
        "staff/settings/delivery.html",
        delivery.event,
        reader,
        room="webhooks",
        row=_row(delivery, path, call, reader),
        webhook=called(webhook),
        body=json.dumps(json.loads(body), indent=2, ensure_ascii=False),
        back=reader.link(path),
        replay=reader.link(f"{path}/{delivery_id}/replay"),
        key=new_key(),
    )


@router.get("/{delivery_id}/replay")
async def back(webhook_id: Name, delivery_id: Name, call: Entered) -> Response:
    """Lead to the delivery, whose page has the button."""
    return lead_to(call, reader_of(call).link(f"{PATH}/{webhook_id}/deliveries/{delivery_id}"))


@router.post("/{delivery_id}/replay")
async def replay_one(webhook_id: Name, delivery_id: Name, change: EnteredWriting) -> Response:
    """Deliver an event once more, once for each form, and lead to the list, where it is the first."""
    once = change.for_form(f"delivery:{key_in(await form_of(change.request))}")
    await once.make(
        DeliveryAnswer.of, webhooks.replay_one, change.party, webhook_id, delivery_id, change.real_now
    )
    return lead_to(change, reader_of(change).link(f"{PATH}/{webhook_id}/deliveries"))


async def _list(call: EnteredCall, webhook_id: str, sheet: PlainSheet, status: int = 200) -> Response:
    query, path = call.request.query_params, f"{PATH}/{webhook_id}/deliveries"
    wanted = query["status"] if query.get("status") in _KNOWN else None
    cursor = id_in(query.get("cursor"))
    reader = at(reader_of(call), path, status=wanted, cursor=cursor)

    def read(tx: Tx) -> tuple[Webhook, list[Delivery]]:
        limit = plain_sheets.PAGE + 1
        found = webhooks.deliveries_of(tx, call.org_id, webhook_id, wanted, cursor, limit)
        return webhooks.get(tx, call.org_id, webhook_id), found

    webhook, found = await call.db.read(read)
    shown = found[: plain_sheets.PAGE]
    following = shown[-1].id if len(found) > len(shown) else None
    return settings_page(
        call,
        "staff/settings/deliveries.html",
        reader.say("Deliveries"),
        reader,
        room="webhooks",
        status=status,
        sheet=sheet,
        webhook=called(webhook),
        rows=[_row(each, path, call, reader) for each in shown],
        action=reader.link(path),
        ways=[
            (reader.say(words), reader.link(path, status=name), name == (wanted or ""))
            for name, words in (("", marked("Any")), *STATUSES.items())
            if name in ("", *_KNOWN)
        ],
        back=reader.link(f"{PATH}/{webhook_id}"),
        following=following and reader.here(cursor=following),
    )


def _row(delivery: Delivery, path: str, call: EnteredCall, reader: Reader) -> Row:
    def time(moment: datetime | None) -> str:
        return "" if moment is None else staff_problems.moment(moment, reader, call.timezone, call.now)

    answer = delivery.error or delivery.answer or ""
    if delivery.answer_code is not None:
        answer = f"{delivery.answer_code} {answer}".strip()
    return Row(
        delivery,
        reader.link(f"{path}/{delivery.id}"),
        reader.say(STATUSES[delivery.status]),
        time(delivery.created_at),
        time(delivery.last_attempt_at),
        time(delivery.next_attempt_at) if delivery.status == "pending" else "",
        answer,
    )

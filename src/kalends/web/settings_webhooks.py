"""The webhooks: where programs are told what happens, and of which events."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.public_urls import must_be_public
from kalends.api.webhooks import without_secret
from kalends.core.errors import Conflict, IdempotencyKeyReused, Malformed, PreconditionFailed
from kalends.schemas.webhooks import (
    DeletedAnswer,
    DeletedWebhook,
    DeliveryAnswer,
    NewWebhookAnswer,
    Webhook,
    WebhookAnswer,
    WebhookChange,
    WebhookCreate,
)
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_order
from kalends.services.setup import as_seen
from kalends.web import problems, staff_problems
from kalends.web.forms import form_of, validated
from kalends.web.grids import at
from kalends.web.plain_sheets import PlainSheet, cut, shown_once
from kalends.web.readers import Reader
from kalends.web.sent import Name, id_in
from kalends.web.setting_forms import MEANWHILE, seen_in
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_pages import key_in
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredDeleting, EnteredWriting
from kalends.web.told_history import who
from kalends.web.visits import lead_to, reader_of
from kalends.web.webhook_sheets import FIELDS, LABELS, body_of, groups_of, sheet_of
from kalends.words.sentences import marked

router = APIRouter(prefix="/staff/settings/webhooks", include_in_schema=False)

PATH = "/staff/settings/webhooks"
_SAID = {
    "already_exists": marked("Another webhook goes to this address already."),
    "precondition_failed": MEANWHILE,
    "conflict": marked("There are as many webhooks as there may be."),
}
_PAUSED = {"conflict": marked("This webhook is paused. Let it go on first.")}


@router.get("")
async def see_all(call: Entered) -> Response:
    """List the webhooks, with the form that adds one."""
    return await _list(call, PlainSheet({"url": "https://", "name": ""}, {"events": ["appointment.*"]}))


@router.post("")
async def create(change: EnteredWriting) -> Response:
    """Add a webhook, once for each form. The answer shows its secret, this once."""
    form = await form_of(change.request)
    try:
        wish = validated(WebhookCreate, body_of(form))
        await _must_be_public(change, wish.url)
        once = change.for_form(f"webhook:{key_in(form)}").keeping(without_secret)
        await number(once)
        answer = await once.make(
            NewWebhookAnswer.of,
            webhooks.create,
            change.party,
            wish,
            change.real_now,
            mail=change.settings.mail,
            vault=change.settings.vault,
        )
    except (Malformed, Conflict, IdempotencyKeyReused) as refusal:
        sheet = PlainSheet.filled(form, FIELDS, ["events"])
        refused = sheet.refused(refusal, reader_of(change), LABELS, _SAID)
        return await _list(change, refused, status=problems.noted(change.request, refusal))
    return _with_secret(change, bytes(answer.body))


@router.get("/{webhook_id}")
async def see(webhook_id: Name, call: Entered) -> Response:
    """Show a webhook, with the form that changes it."""
    return _webhook(call, await call.db.read(webhooks.get, call.org_id, webhook_id))


@router.post("/{webhook_id}")
async def change_one(webhook_id: Name, change: EnteredWriting) -> Response:
    """Change a webhook."""
    before = await change.db.read(webhooks.get, change.org_id, webhook_id)
    form = await form_of(change.request)
    try:
        wish = validated(WebhookChange, body_of(form))
        if wish.url != before.url:
            await _must_be_public(change, wish.url)
        await _change(change, webhook_id, wish, form.text("seen"))
    except (Malformed, Conflict, PreconditionFailed) as refusal:
        if isinstance(refusal, PreconditionFailed):
            before = await change.db.read(webhooks.get, change.org_id, webhook_id)
        sheet = PlainSheet.filled(form, FIELDS, ["events"])
        refused = sheet.refused(refusal, reader_of(change), LABELS, _SAID)
        mark = seen_in(form, refusal, as_seen.mark(_settings_of(before)))
        return _webhook(change, before, refused, status=problems.noted(change.request, refusal), mark=mark)
    return _lead(change, webhook_id)


@router.get("/{webhook_id}/active")
@router.get("/{webhook_id}/secret")
@router.get("/{webhook_id}/test")
async def back(webhook_id: Name, call: Entered) -> Response:
    """Lead to the webhook, whose page has the buttons."""
    return lead_to(call, reader_of(call).link(f"{PATH}/{webhook_id}"))


@router.post("/{webhook_id}/active")
async def set_active(webhook_id: Name, change: EnteredWriting) -> Response:
    """Pause a webhook, or let it go on: then it gets what it missed."""
    active = (await form_of(change.request)).text("active") == "1"
    await _change(change, webhook_id, WebhookChange(active=active))
    return _lead(change, webhook_id)


@router.post("/{webhook_id}/secret")
async def rotate(webhook_id: Name, change: EnteredWriting) -> Response:
    """Make a new secret, once for each form. It is shown this once."""
    before = await change.db.read(webhooks.get, change.org_id, webhook_id)
    form = await form_of(change.request)
    try:
        once = change.for_form(f"secret:{key_in(form)}").keeping(without_secret)
        answer = await once.make(
            NewWebhookAnswer.of,
            webhooks.rotate,
            change.party,
            webhook_id,
            change.real_now,
            vault=change.settings.vault,
        )
    except (Malformed, IdempotencyKeyReused) as refusal:
        refused = sheet_of(before).refused(refusal, reader_of(change), {})
        return _webhook(change, before, refused, status=problems.noted(change.request, refusal))
    return _with_secret(change, bytes(answer.body))


@router.post("/{webhook_id}/test")
async def test(webhook_id: Name, change: EnteredWriting) -> Response:
    """Send a test event to the webhook, and lead to its deliveries."""
    before = await change.db.read(webhooks.get, change.org_id, webhook_id)
    try:
        await number(change)
        await change.make(
            DeliveryAnswer.of,
            webhooks.test,
            change.party,
            webhook_id,
            change.real_now,
            mail=change.settings.mail,
        )
    except Conflict as refusal:
        refused = sheet_of(before).refused(refusal, reader_of(change), {}, _PAUSED)
        return _webhook(change, before, refused, status=problems.noted(change.request, refusal))
    return lead_to(change, reader_of(change).link(f"{PATH}/{webhook_id}/deliveries"))


@router.get("/{webhook_id}/remove")
async def ask_again(webhook_id: Name, call: Entered) -> Response:
    """Ask whether a webhook is to be deleted."""
    webhook = await call.db.read(webhooks.get, call.org_id, webhook_id)
    reader = reader_of(call)
    return asked_again(
        call,
        reader,
        "webhooks",
        called(webhook),
        action=reader.link(f"{PATH}/{webhook_id}/remove"),
        back=reader.link(f"{PATH}/{webhook_id}"),
        hint=marked("Everything that waits to be delivered to it is deleted, too."),
    )


@router.post("/{webhook_id}/remove")
async def remove(webhook_id: Name, change: EnteredDeleting) -> Response:
    """Delete a webhook with its deliveries, and lead to the list."""
    await change.db.read(webhooks.get, change.org_id, webhook_id)
    await change.ahead(webhooks.empty, change.party, webhook_id)
    await change.make(
        lambda gone: DeletedAnswer.of(DeletedWebhook(id=gone)),
        webhooks.remove,
        change.party,
        webhook_id,
        change.real_now,
    )
    return lead_to(change, reader_of(change).link(PATH))


def called(webhook: Webhook) -> str:
    """Return what a webhook is called: by its name, if it has one."""
    return webhook.name or webhook.url


async def number(change: EnteredChange) -> None:
    """Number what has happened before, in batches, as `/v1/webhooks` does."""
    await change.ahead(event_order.number, change.org_id, change.real_now, mail=change.settings.mail)


async def _change(change: EnteredChange, webhook_id: str, wish: WebhookChange, seen: str = "") -> None:
    vault = change.settings.vault
    await change.make(
        WebhookAnswer.of,
        as_seen.change,
        change.org_id,
        seen,
        lambda tx: _settings_of(webhooks.get(tx, change.org_id, webhook_id)),
        lambda tx: webhooks.change(tx, change.party, webhook_id, wish, change.real_now, vault=vault),
    )


def _settings_of(webhook: Webhook) -> Webhook:
    """Return a webhook without what becomes of it."""
    return webhook.model_copy(update={"disabled_reason": None, "failing_since": None, "active": True})


async def _must_be_public(change: EnteredChange, url: str) -> None:
    if not change.settings.webhooks_allow_private:
        await must_be_public(url)


async def _list(call: EnteredCall, sheet: PlainSheet, status: int = 200) -> Response:
    cursor = id_in(call.request.query_params.get("cursor"))
    reader = at(reader_of(call), PATH, cursor=cursor)
    found, following = cut(await call.db.read(webhooks.all_of, call.org_id), cursor)
    return settings_page(
        call,
        "staff/settings/webhooks.html",
        reader.say("Webhooks"),
        reader,
        room="webhooks",
        status=status,
        sheet=sheet,
        rows=[
            (called(each), each.url, reader.link(f"{PATH}/{each.id}"), _state(each, call, reader))
            for each in found
        ],
        groups=groups_of(sheet, reader),
        following=following and reader.here(cursor=following),
    )


def _webhook(
    call: EnteredCall,
    webhook: Webhook,
    sheet: PlainSheet | None = None,
    status: int = 200,
    mark: str | None = None,
) -> Response:
    reader, path = reader_of(call), f"{PATH}/{webhook.id}"
    sheet = sheet or sheet_of(webhook)
    return settings_page(
        call,
        "staff/settings/webhook.html",
        called(webhook),
        reader,
        room="webhooks",
        status=status,
        sheet=sheet,
        webhook=webhook,
        mark=mark or as_seen.mark(_settings_of(webhook)),
        state=_state(webhook, call, reader),
        made_by=who(webhook.created_by, reader) if webhook.created_by else None,
        groups=groups_of(sheet, reader),
        at=lambda deed="": reader.link(f"{path}{deed}"),
        back=reader.link(PATH),
        may_delete=call.member.may("delete"),
    )


def _with_secret(call: EnteredCall, answer: bytes) -> Response:
    made, reader = NewWebhookAnswer.model_validate_json(answer).data, reader_of(call)
    return shown_once(
        call,
        reader,
        "webhooks",
        called(made),
        back=reader.link(f"{PATH}/{made.id}"),
        label=reader.say("Secret"),
        secret=made.secret,
        hint=reader.say("Copy it now into the program that is told. By it, it knows that a message is ours."),
    )


def _state(webhook: Webhook, call: EnteredCall, reader: Reader) -> str:
    if not webhook.active:
        why = webhook.disabled_reason
        return reader.say("Stopped: {reason}").format(reason=why) if why else reader.say("Paused")
    if webhook.failing_since is not None:
        time = staff_problems.moment(webhook.failing_since, reader, call.timezone, call.now)
        return reader.say("Nothing has arrived since {time}").format(time=time)
    return reader.say("Active")


def _lead(call: EnteredCall, webhook_id: str) -> Response:
    return lead_to(call, reader_of(call).link(f"{PATH}/{webhook_id}", saved="1"))

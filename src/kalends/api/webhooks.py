"""`/v1/webhooks`: where events are delivered, in the envelope that the contract gives to these calls."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, StaffChange, Writing
from kalends.api.errors import TIMES, deleting, failure, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.api.public_urls import must_be_public
from kalends.core import errors
from kalends.db.database import Tx
from kalends.schemas.fields import Id
from kalends.schemas.webhooks import (
    DeletedAnswer,
    DeletedWebhook,
    DeliveriesAnswer,
    DeliveryAnswer,
    NewWebhookAnswer,
    Pagination,
    Replay,
    Replayed,
    ReplayedAnswer,
    WebhookAnswer,
    WebhookChange,
    WebhookCreate,
    WebhooksAnswer,
)
from kalends.services.leaving import webhooks
from kalends.services.outbox import event_order

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=JsonRoute)


@router.get("", name="list", **reading(WebhooksAnswer, shape=failure))
async def list_page(
    call: Reading,
    page: Annotated[int, Query(ge=1, description="From 1 on; one beyond the last is empty.")] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> WebhooksAnswer:
    """List the webhooks, oldest first, page by page."""
    # There may be so few of them that a page is cut from all.
    every = await call.db.read_one(webhooks.all_of, call.org_id)
    before = (page - 1) * limit
    return WebhooksAnswer(
        data=every[before : before + limit],
        pagination=Pagination(page=page, limit=limit, total=len(every)),
    )


@router.post(
    "", status_code=201, **writing(NewWebhookAnswer, errors.Conflict, errors.AlreadyExists, shape=failure)
)
async def create(body: WebhookCreate, change: Writing) -> Response:
    """Ask to get events at a URL. The secret that signs them is shown this once."""
    await _must_be_public(change, body.url)
    await _number(change)
    return (
        await change.answering(201)
        .keeping(without_secret)
        .make(
            NewWebhookAnswer.of,
            webhooks.create,
            change.party,
            body,
            change.real_now,
            mail=change.settings.mail,
            vault=change.settings.vault,
        )
    )


@router.get("/{id}", **reading(WebhookAnswer, errors.NotFound, shape=failure))
async def get(id: PathId, call: Reading) -> WebhookAnswer:
    """Show one webhook, without its secret."""
    return WebhookAnswer.of(await call.db.read(webhooks.get, call.org_id, id))


@router.patch("/{id}", **writing(WebhookAnswer, errors.NotFound, errors.AlreadyExists, shape=failure))
async def change_one(id: PathId, body: WebhookChange, change: Writing) -> Response:
    """Change a webhook; only what is sent."""
    if "url" in body.sent():
        await _must_be_public(change, body.url)
    party, now, vault = change.party, change.real_now, change.settings.vault
    return await change.make(WebhookAnswer.of, webhooks.change, party, id, body, now, vault=vault)


@router.delete("/{id}", **deleting(DeletedAnswer, shape=failure))
async def delete(id: PathId, change: Deleting) -> Response:
    """Delete a webhook, and everything that waits to be delivered to it."""
    await change.ahead(webhooks.empty, change.party, id)
    return await change.make(
        lambda gone: DeletedAnswer.of(DeletedWebhook(id=gone)),
        # There may be many deliveries, and nobody should wait until they are removed only for show.
        webhooks.known if change.rehearsed else webhooks.remove,
        change.party,
        id,
        change.real_now,
    )


@router.post("/{id}/rotate-secret", **writing(NewWebhookAnswer, errors.NotFound, shape=failure))
async def rotate_secret(id: PathId, change: Writing) -> Response:
    """Make a new secret, which is shown this once. For 24 hours `webhook-signature` has both signatures."""
    party, now, vault = change.party, change.real_now, change.settings.vault
    keeping = change.keeping(without_secret)
    return await keeping.make(NewWebhookAnswer.of, webhooks.rotate, party, id, now, vault=vault)


@router.get("/{id}/deliveries", **reading(DeliveriesAnswer, errors.NotFound, shape=failure))
async def deliveries(
    id: PathId,
    call: Reading,
    status: Literal["pending", "delivered", "failed"] | None = None,
    cursor: Annotated[Id | None, Query(description="The `next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Response:
    """List the deliveries that were made and that are to come, newest first."""

    def page(tx: Tx) -> DeliveriesAnswer:
        found = webhooks.deliveries_of(tx, call.org_id, id, status, cursor, limit + 1)
        following = found[limit - 1].id if len(found) > limit else None
        return DeliveriesAnswer(data=found[:limit], next_cursor=following)

    return await call.listing(limit, page)


@router.post(
    "/{id}/deliveries/{delivery_id}/replay", **writing(DeliveryAnswer, errors.NotFound, shape=failure)
)
async def replay_delivery(id: PathId, delivery_id: PathId, change: Writing) -> Response:
    """Deliver the event of a delivery again, with the same `webhook-id`."""
    return await change.make(
        DeliveryAnswer.of, webhooks.replay_one, change.party, id, delivery_id, change.real_now
    )


@router.post("/{id}/replay", **writing(ReplayedAnswer, errors.NotFound, *TIMES, shape=failure))
async def replay(id: PathId, body: Replay, change: Writing) -> Response:
    """Deliver the events of a time again, those that the webhook wants."""
    await _number(change)
    return await change.make(
        lambda count: ReplayedAnswer.of(Replayed(deliveries=count)),
        webhooks.replay,
        change.party,
        id,
        body,
        change.real_now,
        mail=change.settings.mail,
    )


@router.post("/{id}/test", **writing(DeliveryAnswer, errors.NotFound, errors.Conflict, shape=failure))
async def test(id: PathId, change: Writing) -> Response:
    """Send a `webhook.test` event to this webhook only."""
    await _number(change)
    party, now, mail = change.party, change.real_now, change.settings.mail
    return await change.make(DeliveryAnswer.of, webhooks.test, party, id, now, mail=mail)


async def _number(change: StaffChange) -> None:
    """Number what has happened before: in batches, so that it holds nobody up, however much it is."""
    await change.ahead(event_order.number, change.org_id, change.real_now, mail=change.settings.mail)


async def _must_be_public(change: StaffChange, url: str) -> None:
    if not change.settings.webhooks_allow_private:
        await must_be_public(url)


def without_secret(answer: str) -> str:
    """Return an answer as it is stored: without the secret."""
    kept = NewWebhookAnswer.model_validate_json(answer)
    return kept.model_copy(update={"data": kept.data.model_copy(update={"secret": None})}).model_dump_json()

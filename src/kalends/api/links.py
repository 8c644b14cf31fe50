"""Bookings that are answered with the client's secret link."""

from typing import TypeVar

from kalends.api.changes import Change
from kalends.db.database import Tx
from kalends.schemas.appointments import BookedByStaffAnswer
from kalends.schemas.public import BookedAnswer
from kalends.services import manage_links

C = TypeVar("C", bound=Change)


def keeping_no_link(change: C, shape: type[BookedAnswer | BookedByStaffAnswer]) -> C:
    """Have a change keep its answer, of this shape, without the link, which is stored nowhere. A replay makes
    one more; the links that the client was given or mailed meanwhile go on working."""

    def without_link(answer: str) -> str:
        kept = shape.model_validate_json(answer)
        return kept.model_copy(update={"manage_url": "", "manage_token": ""}).model_dump_json()

    def with_new_link(tx: Tx, answer: str) -> str:
        kept = shape.model_validate_json(answer)
        token = manage_links.issue(tx, change.org_id, kept.appointment.id, change.now)
        told = {"manage_url": change.link(token), "manage_token": token}
        return kept.model_copy(update=told).model_dump_json()

    return change.keeping(without_link, with_new_link)

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
    one more, unless the appointment has another e-mail address by then. The links that the client was given
    or mailed meanwhile go on working."""

    def without_link(answer: str) -> str:
        kept = shape.model_validate_json(answer)
        return kept.model_copy(update={"manage_url": None, "manage_token": None}).model_dump_json()

    def with_new_link(tx: Tx, answer: str) -> str:
        kept = shape.model_validate_json(answer)
        booked = kept.appointment
        token = manage_links.issue_for(tx, change.org_id, booked.id, booked.client_email, change.now)
        if token is None:
            return answer
        told = {"manage_url": change.link(token), "manage_token": token}
        return kept.model_copy(update=told).model_dump_json()

    return change.keeping(without_link, with_new_link)

"""Answers that hold the secret link of an appointment's client."""

from typing import Any, TypeVar

from kalends.api.changes import Change
from kalends.db.database import Tx
from kalends.ids import digest
from kalends.schemas.appointments import BookedByStaffAnswer, ManageLinkAnswer
from kalends.schemas.public import BookedAnswer
from kalends.services.booking import manage_links

C = TypeVar("C", bound=Change[Any])
NOTHING_KEPT = '{"manage_url": null, "manage_token": null}'
"""What stands for the empty text that 0.1.0 stored of a link for staff, before it stored digests."""


def keeping_no_link(change: C, shape: type[BookedAnswer | BookedByStaffAnswer | ManageLinkAnswer]) -> C:
    """Have a change store its answer, of this shape, with the digest of the link's token, since the token is
    stored nowhere. A replay makes another link as long as the first one works: a link that was ended, by
    staff or together with the e-mail address that it was for, does not come back. A rehearsal has none."""

    def with_digest(answer: str) -> str:
        made = shape.model_validate_json(answer)
        token = made.manage_token  # none if only a mail may bring it
        kept = {"manage_url": None, "manage_token": None if token is None else digest(token).hex()}
        return made.model_copy(update=kept).model_dump_json()

    def with_one_more(tx: Tx, answer: str) -> str:
        kept = shape.model_validate_json(answer or NOTHING_KEPT)
        token = manage_links.issue_beside(tx, bytes.fromhex(kept.manage_token or ""), change.now)
        link = {"manage_url": None if token is None else change.link(token), "manage_token": token}
        return kept.model_copy(update=link).model_dump_json()

    def without_link(answer: str) -> str:
        made = shape.model_validate_json(answer)
        return made.model_copy(update={"manage_url": None, "manage_token": None}).model_dump_json()

    return change.keeping(with_digest, with_one_more, without_link)

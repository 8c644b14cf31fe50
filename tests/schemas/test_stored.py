"""What earlier versions stored is read again: events become mails weeks later, kept answers are replayed.

So a field that is new in one of these shapes needs a default. `stored_by_0_1_0.json` is what 0.1.0 stored. It
is never renewed: a later version adds a file of its own.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.appointments import Actor, Appointment, BookedByStaffAnswer, ManageLinkAnswer
from kalends.schemas.feeds import NewFeedAnswer
from kalends.schemas.organizations import NewKeyAnswer
from kalends.schemas.public import BookedAnswer
from kalends.schemas.webhooks import NewWebhookAnswer

SHAPES = (
    Actor,
    Appointment,
    BookedAnswer,
    BookedByStaffAnswer,
    BookingQuestion,
    ManageLinkAnswer,
    NewFeedAnswer,
    NewKeyAnswer,
    NewWebhookAnswer,
)
STORED: dict[str, Any] = json.loads(Path(__file__).with_name("stored_by_0_1_0.json").read_text())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_what_0_1_0_stored_can_be_read(shape: type[BaseModel]) -> None:
    assert shape.model_validate_json(json.dumps(STORED[shape.__name__]))

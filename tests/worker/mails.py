"""What mails are expected to say, and to whom."""

from tests.support.mailbox import Received
from tests.support.practice import Practice

JANE = "jane@example.com"
ON_THURSDAY = "Tax Consultation, Thursday, January 25, 2024, 2:00 PM (Coordinated Universal Time, UTC)"
TO_BE_CONFIRMED = {"requiresConfirmation": True, "confirmWithinHours": 12}


def told(mails: list[Received], address: str) -> list[str]:
    """What mails to an address say in the first words of their subjects; each goes to nobody else."""
    assert all(len(mail.recipients) == 1 for mail in mails)
    return [mail.subject.partition(":")[0] for mail in mails if mail.recipients == [address]]


async def travel(practice: Practice, mails: int = 0, **units: float) -> list[Received]:
    """What arrives after some time."""
    practice.clock.forward(**units)
    arrived = await practice.mails()
    assert len(arrived) == mails
    return arrived

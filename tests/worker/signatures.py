"""What receivers do to know that a delivery is genuine."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import standardwebhooks

from tests.support.receiver import Got

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"


def library(secret: str) -> standardwebhooks.Webhook:
    """The library of Standard Webhooks, with the key that a secret means."""
    return standardwebhooks.Webhook(secret if secret.startswith("whsec_") else secret.encode())


def is_standard(got: Got, secret: str, **changed: Any) -> bool:
    """Whether the library of Standard Webhooks takes it for genuine."""
    try:
        library(secret).verify(changed.get("body", got.body), got.headers | changed.get("headers", {}))
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def documented() -> Callable[[bytes, str, str], bool]:
    """The recipe of the documentation, word for word."""
    [recipe] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    known: dict[str, Any] = {}
    exec(recipe, known)
    is_genuine: Callable[[bytes, str, str], bool] = known["is_genuine"]
    return is_genuine

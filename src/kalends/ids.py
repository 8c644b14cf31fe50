"""New ids, which sort by time, and new secrets, which can't be guessed.

It stands beside the clock, not in the core: both give something else each time.
"""

import base64
import hashlib
import secrets
from datetime import datetime

from typeid import TypeID
from uuid_utils import UUID

API_KEY_PREFIX = "vst_"
SANDBOX_KEY_PREFIX = "vst_test_"


def new_id(prefix: str) -> str:
    """Make a new id: prefix, `_` and a UUIDv7 in Crockford base32 (TypeID 0.3), such as `apt_01j0…`."""
    return str(TypeID(prefix))


def new_api_key(*, sandbox: bool) -> str:
    """Make a new secret API key with 256 random bits. Only its digest is stored, so it is shown once."""
    return (SANDBOX_KEY_PREFIX if sandbox else API_KEY_PREFIX) + secrets.token_urlsafe(32)


def new_token() -> str:
    """Make a new secret for a link, with 256 random bits, safe in a path. Only its digest is stored."""
    return secrets.token_urlsafe(32)


def new_webhook_secret() -> str:
    """Make a new secret to sign webhooks (Standard Webhooks 1.0): `whsec_` and 256 random bits in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def digest(secret: str | bytes) -> bytes:
    """Return the SHA-256 under which a secret is stored. It is random and long, so it needs no salt."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()


def first_id_of(prefix: str, at: datetime) -> str:
    """Return the least id that `new_id` could have made at that instant: ids sort by time."""
    milliseconds = int(at.timestamp() * 1000)
    return str(TypeID.from_uuid(UUID(int=milliseconds << 80), prefix))

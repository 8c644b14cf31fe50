"""The secrets webhooks are signed with."""

import base64
import binascii

PREFIX = "whsec_"
FEWEST_BYTES, MOST_BYTES = 24, 64


def signing_key(secret: str) -> bytes:
    """Return the key of Standard Webhooks' signatures: the bytes that a `whsec_` secret spells in base64, or
    the characters of any other secret. Raises ValueError for a `whsec_` that spells too few or too many."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("must be base64 after whsec_") from None
    if not FEWEST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"must have {FEWEST_BYTES} to {MOST_BYTES} bytes, in base64, after whsec_")
    return key

"""Passwords: how they are stored, and whether one is right. Both take a fifth of a second of CPU time and
64 MB, on purpose, so they never run in the event loop."""

import hashlib
import hmac
import secrets
import unicodedata

FEWEST, MOST = 10, 200
"""How many characters a password has."""
COST = 2**16
"""How much work a digest is, and how much memory: a kilobyte for each."""
_NOBODYS = f"{'00' * 16}:{'00' * 32}"


def hashed(password: str) -> str:
    """Return what is stored of a password: a salt, and its digest by scrypt (RFC 7914), in hex."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_digest(password, salt).hex()}"


def is_right(password: str, stored: str | None) -> bool:
    """Tell whether it is the password that was stored. If none was, it takes as long, so that nobody learns
    who has one."""
    salt, _, expected = (stored or _NOBODYS).partition(":")
    found = _digest(password, bytes.fromhex(salt))
    return hmac.compare_digest(found, bytes.fromhex(expected)) and stored is not None


def _digest(password: str, salt: bytes) -> bytes:
    # Keyboards write one letter in different ways (RFC 8265).
    text = unicodedata.normalize("NFC", password)
    return hashlib.scrypt(text.encode(), salt=salt, n=COST, r=8, p=1, maxmem=2**27, dklen=32)

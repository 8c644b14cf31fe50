"""How secrets are stored that must be read again.

A key from the settings encrypts them (AES-256-GCM), each bound to the place where it is kept, so what is
copied elsewhere opens nothing. Without a key they are stored as they are.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
IN_CLEAR = ""
"""The name of no key."""


class SealedError(Exception):
    """A secret can't be read with the keys that are set; it says why, and what to do."""


def new_key() -> str:
    """Make a new key for the settings: 256 random bits in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def read_key(text: str) -> bytes:
    """Return the key that a setting spells, in base64 of either alphabet. Raises ValueError if it is none."""
    plain = text.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("must be 32 bytes in base64, such as `kalends secrets-key` prints")
    return key


class Vault:
    """Seals with the present key, and opens with it and with earlier ones.

    Without a present key nothing is sealed, and what earlier keys have sealed can be opened.
    """

    def __init__(self, key: bytes | None = None, before: Sequence[bytes] = ()) -> None:
        self._ciphers = {_name(each): AESGCM(each) for each in (*before, *([key] if key else []))}
        self.name = _name(key) if key else IN_CLEAR
        """Of the present key: says which key sealed a secret, and nothing about the key itself."""
        self.outdated = frozenset({IN_CLEAR, *self._ciphers} - {self.name})
        """The names of keys whose secrets can be opened, and are to be sealed with the present key."""

    def seal(self, secret: str, *place: str) -> str:
        """Return a secret as it is to be stored under `name` at a place."""
        if self.name == IN_CLEAR:
            return secret
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.name].encrypt(nonce, secret.encode(), _bound(place))
        return base64.b64encode(nonce + sealed).decode()

    def open(self, name: str, stored: str, *place: str, instead: str = "store another one") -> str:
        """Return the secret that is stored at a place, sealed by the key of that name. Raises SealedError,
        which says what to do, and what to do `instead` if the key is lost."""
        if name == IN_CLEAR:
            return stored
        if (cipher := self._ciphers.get(name)) is None:
            raise SealedError(
                f"it is encrypted with a key that is not set here (its fingerprint is {name}): set it in "
                "KALENDS_SECRETS_KEY, or in KALENDS_SECRETS_KEY_BEFORE beside a newer one, for every server "
                f"and worker, or {instead}"
            )
        try:
            sealed = base64.b64decode(stored, validate=True)
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(place)).decode()
        except (binascii.Error, InvalidTag, ValueError):
            raise SealedError(
                "what is stored was not encrypted for this place, or was damaged: restore it from a backup, "
                f"or {instead}"
            ) from None


CLEAR = Vault()
"""The vault if no key is set."""


def _name(key: bytes) -> str:
    return hashlib.sha256(b"kalends secrets key" + key).hexdigest()[:16]


def _bound(place: Sequence[str]) -> bytes:
    return "\x00".join(place).encode()

"""A device with a passkey, in a browser: it answers as they do what pages ask for (WebAuthn)."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED, EXTENDED = 0x01, 0x04, 0x40, 0x80


@dataclass
class Authenticator:
    """Has one passkey at most, once it was asked to make it. It counts how often it signs."""

    origin: str
    """Of the page that asks, as the browser sees it."""
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: str = ""
    count: int = 0
    asks: bool = True
    """Whether it asks for a finger or a PIN, and says so."""
    padding: int = 0
    """How many bytes its public key has that mean nothing."""
    extensions: dict[str, Any] | None = None
    """What it adds to its answers."""

    def make(self, options: dict[str, Any]) -> str:
        """Make the passkey. Returns the browser's answer."""
        self.handle = options["user"]["id"]
        public = self.key.public_key().public_numbers()
        cose: dict[int, int | bytes] = {
            1: 2,
            3: -7,
            -1: 1,
            -2: public.x.to_bytes(32),
            -3: public.y.to_bytes(32),
        }
        if self.padding:
            cose[-70_000] = bytes(self.padding)
        attested = bytes(16) + len(self.credential).to_bytes(2) + self.credential + cbor2.dumps(cose)
        attested += self._extended()
        about = self._about(options["rp"]["id"], self._flags() | ATTESTED) + attested
        statement = {"fmt": "none", "attStmt": {}, "authData": about}
        said = self._said("webauthn.create", options["challenge"])
        return self._answer(clientDataJSON=said, attestationObject=cbor2.dumps(statement))

    def show(self, options: dict[str, Any]) -> str:
        """Show the passkey. Returns the browser's answer."""
        self.count += 1
        about = self._about(options["rpId"], self._flags()) + self._extended()
        said = self._said("webauthn.get", options["challenge"])
        signature = self.key.sign(about + hashlib.sha256(said).digest(), ec.ECDSA(SHA256()))
        handle = base64.urlsafe_b64decode(self.handle + "==")
        signed = {"authenticatorData": about, "signature": signature, "userHandle": handle}
        return self._answer(clientDataJSON=said, **signed)

    def _flags(self) -> int:
        flags = PRESENT | VERIFIED if self.asks else PRESENT
        return flags if self.extensions is None else flags | EXTENDED

    def _extended(self) -> bytes:
        return b"" if self.extensions is None else cbor2.dumps(self.extensions)

    def _about(self, domain: str, flags: int) -> bytes:
        return hashlib.sha256(domain.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _said(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, **fields: bytes) -> str:
        response = {name: _text(value) for name, value in fields.items()}
        name = _text(self.credential)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")

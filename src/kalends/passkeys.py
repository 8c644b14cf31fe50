"""Passkeys (WebAuthn): what browsers are asked for, and whether what they answer is right."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import idna
import webauthn
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_cbor,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

_USUAL_PORTS = {"http": 80, "https": 443}
_LONGEST = 16_384
"""How many characters an answer has at most. With the largest keys there are (ML-DSA-87), it has 12,000."""
_HAS_KEY = 0x40
_STRINGS, _TAG = (2, 3), 6
"""Kinds of things in CBOR."""
_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}
"""How many bytes say how long something is in CBOR, if the first is one of these."""
_UNKNOWN = 31
"""It goes on until it ends."""
_LONGEST_KEY = 4_096
_LONGEST_ID = 1023
"""How many bytes the id of a passkey has at most (WebAuthn, section 5.8.3)."""


class WrongAnswer(Exception):  # noqa: N818 - it is an answer of a browser, not a fault
    """Raised if an answer is not right, whatever is wrong with it; what that is, only the log says."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where passkeys are good: below a domain, and on the pages of an origin."""

    domain: str
    origin: str

    @classmethod
    def at(cls, url: str) -> Self | None:
        """Return the place of a server with this address. None if browsers have no passkeys there: they want
        a name, not a network address, and an encrypted connection, unless it stays within the machine."""
        try:
            parts = urlsplit(url)
            domain = _in_ascii(parts.hostname or "")
            port = parts.port
        except ValueError:  # it is no address
            return None
        within = domain == "localhost" or domain.endswith(".localhost")
        if not domain or _is_network_address(domain) or (parts.scheme != "https" and not within):
            return None
        shown = "" if port in (None, _USUAL_PORTS.get(parts.scheme)) else f":{port}"
        return cls(domain, f"{parts.scheme}://{domain}{shown}")


@dataclass(frozen=True, slots=True)
class Passkey:
    """What a browser has made: the id of a passkey, its public key, and how often it has signed; 0 if it does
    not count. It is `verified` if its device asked then who they are."""

    credential: bytes
    public_key: bytes
    sign_count: int
    verified: bool


def to_make(
    place: Place,
    challenge: bytes,
    *,
    organization: str,
    handle: bytes,
    name: str,
    known: Sequence[bytes],
) -> str:
    """Return, as JSON, what a browser needs to make a passkey: for the person with this `handle`, who is
    shown by `name` when they choose among their passkeys. A device that has one of the `known` makes no
    other."""
    options = webauthn.generate_registration_options(
        rp_id=place.domain,
        rp_name=organization,
        user_id=handle,
        user_name=name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return webauthn.options_to_json(options)


def made(place: Place | None, challenge: bytes | None, answer: str) -> Passkey:
    """Return the passkey that a browser has made. Raises WrongAnswer, also if it was not asked to, or
    passkeys are good nowhere."""
    if place is None or challenge is None or len(answer) > _LONGEST:
        raise WrongAnswer
    try:
        credential = parse_registration_credential_json(answer)
        statement = credential.response.attestation_object
        _must_have_no_tags(statement)
        _must_have_no_tags(_cbor_in(parse_cbor(statement)["authData"]))
        found = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=place.domain,
            expected_origin=place.origin,
        )
    except Exception as error:  # what strangers wrote is wrong in every way
        raise WrongAnswer from error
    if len(found.credential_id) > _LONGEST_ID or len(found.credential_public_key) > _LONGEST_KEY:
        raise WrongAnswer
    return Passkey(found.credential_id, found.credential_public_key, found.sign_count, found.user_verified)


def to_show(place: Place, challenge: bytes) -> str:
    """Return, as JSON, what a browser needs to show a passkey; which, its reader chooses."""
    return webauthn.options_to_json(
        webauthn.generate_authentication_options(rp_id=place.domain, challenge=challenge)
    )


def credential_in(answer: str) -> bytes:
    """Return the id of the passkey that an answer is by, as it says. Raises WrongAnswer."""
    if len(answer) > _LONGEST:
        raise WrongAnswer
    try:
        return parse_authentication_credential_json(answer).raw_id
    except Exception as error:  # as above
        raise WrongAnswer from error


def shown(place: Place | None, challenge: bytes | None, answer: str, passkey: Passkey, handle: bytes) -> int:
    """Return how often a passkey has signed by now, if it is the one that a browser has shown, and that
    of the person with this `handle`. Raises WrongAnswer, also as above, and if the device did not ask who
    they are though it did when it made the passkey."""
    if place is None or challenge is None or len(answer) > _LONGEST:
        raise WrongAnswer("it answers nothing that was asked")
    try:
        credential = parse_authentication_credential_json(answer)
        said = credential.response.user_handle
        _must_have_no_tags(_cbor_in(credential.response.authenticator_data))
        found = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=place.domain,
            expected_origin=place.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,  # it is looked at below, once it is clear who signed it
        )
    except Exception as error:  # as above
        raise WrongAnswer(type(error).__name__) from error
    if found.credential_id != passkey.credential or said not in (None, handle):
        raise WrongAnswer("it is somebody else's")
    if passkey.verified and not found.user_verified:
        raise WrongAnswer("its device did not ask who they are")
    if 0 < passkey.sign_count >= found.new_sign_count:
        raise WrongAnswer("its sign count fell: there may be a copy of it")
    return found.new_sign_count


def _cbor_in(about: bytes) -> bytes:
    """Return the end of authenticator data, which is CBOR: a public key, extensions, or both, or neither
    (WebAuthn, section 6.1)."""
    start = 37
    if about[32] & _HAS_KEY:
        start = 55 + int.from_bytes(about[53:55])
    return about[start:]


def _must_have_no_tags(cbor: bytes) -> None:
    """Raise ValueError if CBOR has a tag. No answer needs one, and of some the library would make numbers and
    patterns, in time that grows with the square of their length."""
    at = 0
    while at < len(cbor):
        kind, size = cbor[at] >> 5, cbor[at] & 31
        at += 1
        if kind == _TAG:
            raise ValueError("An answer of a browser has a tag.")
        further = _SIZES.get(size, 0)
        if kind in _STRINGS and size != _UNKNOWN:
            at += int.from_bytes(cbor[at : at + further]) if further else size
        at += further


def _in_ascii(host: str) -> str:
    """Return the name of a host as browsers write it (UTS 46; Python's own codec takes ß for ss). Raises
    ValueError for what is none."""
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()
    return host.encode("idna").decode()


def _is_network_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

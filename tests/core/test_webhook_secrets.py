import base64

import pytest

from kalends.core.webhook_secrets import signing_key
from kalends.ids import new_webhook_secret


@pytest.mark.parametrize("size", [24, 25, 26, 32, 63, 64])
def test_a_whsec_secret_signs_with_the_bytes_it_spells(size: int) -> None:
    key = bytes(range(255, 255 - size, -1))  # + and / are among what they spell
    assert signing_key(f"whsec_{base64.b64encode(key).decode()}") == key


@pytest.mark.parametrize("size", [0, 1, 16, 23, 65, 100])
def test_a_whsec_secret_has_24_to_64_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="must have 24 to 64 bytes, in base64, after whsec_"):
        signing_key(f"whsec_{base64.b64encode(bytes(size)).decode()}")


@pytest.mark.parametrize(
    "spelled",
    ["A" * 33, "A" * 34, "!" * 32, "A" * 31 + "\n", "A" * 16 + " " + "A" * 16, "-_" * 16],
    ids=["33 characters", "34 characters", "no base64", "newline", "space", "for URLs"],
)
def test_a_whsec_secret_is_base64(spelled: str) -> None:
    with pytest.raises(ValueError, match="must be base64 after whsec_"):
        signing_key(f"whsec_{spelled}")


@pytest.mark.parametrize("secret", ["correct horse battery staple", "WHSEC_AAAA", "whsec-AA", "awhsec_AAAA"])
def test_any_other_secret_signs_with_its_characters(secret: str) -> None:
    assert signing_key(secret) == secret.encode()


def test_new_secrets_are_256_random_bits() -> None:
    secrets = {new_webhook_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(signing_key(secret)) == 32 for secret in secrets)

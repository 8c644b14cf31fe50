from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kalends.core.caller import Caller
from kalends.core.errors import KeyExpired, KeyRevoked, ScopeMissing

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)


def caller(**fields: Any) -> Caller:
    given: dict[str, Any] = {
        "org_id": "org_a",
        "key_id": "key_a",
        "key_name": None,
        "scopes": frozenset(),
        "timezone": "UTC",
        "sandbox": False,
        "hourly_limit": 1000,
        "manage_url_template": None,
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
    }
    return Caller(**{**given, **fields})


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        ("read", {"read"}),
        ("write", {"read", "write"}),
        ("delete", {"delete"}),
        ("admin", {"read", "write", "delete", "admin"}),
    ],
)
def test_scope_implies(held: str, allowed: set[str]) -> None:
    one = caller(scopes=frozenset({held}))
    assert {scope for scope in ("read", "write", "delete", "admin") if one.may(scope)} == allowed


def test_need_names_the_missing_scope() -> None:
    with pytest.raises(ScopeMissing, match="needs an API key with the scope 'write'") as refused:
        caller(scopes=frozenset({"read"})).need("write")
    assert refused.value.details == {"scope": "write"}


def test_stand_refuses_expired_and_revoked_keys() -> None:
    caller(expires_at=NOW + timedelta(seconds=1)).stand(NOW)
    with pytest.raises(KeyExpired):
        caller(expires_at=NOW).stand(NOW)
    with pytest.raises(KeyRevoked):
        caller(revoked_at=NOW).stand(NOW)

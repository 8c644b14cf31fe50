"""What an organization's plan allows (the contract's plans)."""

from types import MappingProxyType

DEFAULT = "enterprise"
"""The operator owns the machine, so an organization starts on the largest plan."""

REQUESTS_PER_HOUR = MappingProxyType({"starter": 1_000, "professional": 10_000, "enterprise": 1_000_000})


def hourly_limit(plan: str, own_limit: int | None) -> int:
    """Return the requests per hour of an organization, for all its keys together. Enterprise may have a
    number of its own; the other plans may not."""
    if plan == "enterprise" and own_limit is not None:
        return own_limit
    return REQUESTS_PER_HOUR[plan]

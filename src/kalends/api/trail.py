"""What a request leaves behind for its log line, the metrics and the headers of its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kalends.api.rate_limits import Allowance
from kalends.core.caller import Caller, Member


@dataclass(slots=True)
class Trail:
    """`refused` is the code of a refusal. `cut_off` is the status with which the request is to be refused if
    its body is still awaited, since the connection failed."""

    caller: Caller | None = None
    member: Member | None = None
    org_id: str | None = None
    allowance: Allowance | None = None
    refused: str | None = None
    made: Literal["booked", "rehearsed", "replayed"] = "booked"
    cut_off: int | None = None


def trail_of(scope: Mapping[str, Any]) -> Trail:
    """Return the trail of a request, which begins when it is first asked for."""
    state: dict[str, Any] = scope["state"]
    trail: Trail | None = state.get("trail")
    if trail is None:
        trail = state["trail"] = Trail()
    return trail

"""The shape of every refusal (`error` is the contract's; `code` and `details` are ours)."""

from typing import Any

from pydantic import Field

from kalends.schemas.wire import Answer


class ErrorAnswer(Answer):
    """A refusal."""

    error: str = Field(description="A sentence a person can act on.")
    code: str = Field(description="Stable, for programs. All codes: docs/errors.md.")
    details: dict[str, Any] = Field(description="More for programs than the sentence says.")

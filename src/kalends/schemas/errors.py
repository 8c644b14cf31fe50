"""What every refusal looks like (`error` is the contract's; `code` and `details` are ours)."""

from typing import Any

from pydantic import Field

from kalends.schemas.wire import Answer


class ErrorAnswer(Answer):
    """A refusal."""

    error: str = Field(description="A sentence a person can act on.")
    code: str = Field(description="Stable; made for programs. All of them: docs/errors.md.")
    details: dict[str, Any] = Field(description="What there is to know beyond the sentence.")

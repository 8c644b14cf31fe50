"""The shape of every refusal (`error` is the contract's; `code` and `details` are ours)."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from kalends.schemas.wire import Answer
from kalends.schemas.wrong_fields import SCHEMA


class ErrorAnswer(Answer):
    """A refusal."""

    error: str = Field(description="A sentence a person can act on.")
    code: str = Field(description="Stable, for programs. All codes: docs/errors.md.")
    details: Annotated[dict[str, Any], WithJsonSchema(dict(SCHEMA))] = Field(
        description="More for programs than the sentence says."
    )

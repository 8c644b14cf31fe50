"""What every message has in common."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

UNSENT: Any = None
"""The default of a field that stays as it is unless it is sent; `Request.sent` tells which were."""


class Answer(BaseModel):
    """Something Kalends says."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)


class OneThing(Answer):
    """An answer that holds one thing, under the contract's name for it."""

    @classmethod
    def of(cls, thing: Any) -> Self:
        """The answer holding `thing`."""
        (name,) = cls.model_fields
        return cast(Self, cls.model_construct(**{name: thing}))


class Request(BaseModel):
    """Something a client asks. Strings are trimmed; unknown fields are ignored, as clients of the
    original send them; `"60"` is not a number and `1` is not true."""

    model_config = ConfigDict(str_strip_whitespace=True, strict=True, frozen=True)

    must_have: ClassVar[Sequence[str]] = ()
    """The fields the contract requires, in the order of its sentence."""

    def sent(self) -> dict[str, Any]:
        """The fields the client sent, null ones included."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @model_validator(mode="before")
    @classmethod
    def _all_required(cls, body: Any) -> Any:
        """Null and blank count as missing, and what is missing is said before anything else."""
        missing = (
            [name for name in cls.must_have if _is_missing(body.get(name))]
            if isinstance(body, Mapping)
            else []
        )
        if missing:
            told = {"sentence": cls.required_sentence(), "missing": missing}
            raise PydanticCustomError("missing_fields", "{sentence}", told)
        return body

    @classmethod
    def required_sentence(cls) -> str:
        """The contract's sentence: `a is required`, `a and b are required`, `a, b, and c are required`."""
        *most, last = cls.must_have
        if not most:
            return f"{last} is required"
        return f"{', '.join(most)}{',' if len(most) > 1 else ''} and {last} are required"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


class Deleted(Answer):
    """What is gone."""

    id: str
    deleted: Literal[True] = True

    @classmethod
    def of(cls, id_: str) -> Self:
        return cls(id=id_)

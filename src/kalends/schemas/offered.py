"""How an appointment type shows itself to clients, on the wire: where it takes place, what it costs, and its
texts in other languages."""

import re
from typing import Annotated, Any, Literal, Self

from babel.numbers import list_currencies
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from kalends.core.contacts import plain_phone
from kalends.schemas.fields import Label, Name, Notes, phone_number
from kalends.schemas.links import web_address

_LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$"


def _currency(value: str) -> str:
    if value not in list_currencies():
        raise PydanticCustomError("currency", "must be an ISO 4217 code such as EUR")
    return value


def _amount(value: float) -> float:
    if round(value, 3) != value:
        raise PydanticCustomError("amount", "must have three decimal places at most")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(
        str_strip_whitespace=True,
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,  # as it is stored
        serialize_by_alias=True,
    )


class Location(_Part):
    """Where appointments take place. At an `address` (null: the organization's), by `phone` (the number to
    call; null: the client is called), by a `link` to a call, or at the client's own address
    (`client_address`)."""

    kind: Literal["address", "phone", "link", "client_address"]
    value: Notes = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "link":
            web_address(self.value or "")
        if self.kind == "phone" and self.value is not None:
            phone_number(plain_phone(self.value))
        if self.kind == "client_address" and self.value is not None:
            raise PydanticCustomError("location", "client_address has no value: the client says it")
        return self


class Price(_Part):
    """What an appointment costs."""

    amount: Annotated[float, Field(ge=0, le=1_000_000_000), AfterValidator(_amount)]
    currency: Annotated[str, Field(examples=["EUR"]), AfterValidator(_currency)]


class QuestionTexts(_Part):
    """A question in another language. `options` are those of a `select`, in its order."""

    label: Label | None = None
    options: Annotated[list[Label] | None, Field(max_length=100)] = None


class TypeTexts(_Part):
    """A type in another language; what is left out stays as it is."""

    name: Name | None = None
    description: Notes = None
    confirmation_text: Notes = None
    questions: Annotated[dict[str, QuestionTexts], Field(max_length=100)] = {}


def _languages(value: dict[str, Any]) -> dict[str, Any]:
    if wrong := [tag for tag in value if not re.fullmatch(_LANGUAGE, tag)]:
        raise PydanticCustomError(
            "language", "must have language tags such as de or pt-BR: {tag}", {"tag": wrong[0][:40]}
        )
    return value


Texts = Annotated[dict[str, TypeTexts], Field(max_length=50), AfterValidator(_languages)]
"""Translations, by language tag."""

"""The staff on the wire: who may sign in, and what they may do."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from kalends.schemas.appointments import Maker
from kalends.schemas.fields import Email, Id, Language, Name, Scope
from kalends.schemas.wire import UNSENT, Answer, Change, OneThing, Request


def _sees_something(scopes: list[Scope]) -> list[Scope]:
    """Return the scopes of a person, who sees nothing without `read`. Keys may do without it."""
    if not {"read", "write", "admin"} & set(scopes):
        raise PydanticCustomError(
            "invalid", "must have read, or write or admin, which imply it: without, people see no page"
        )
    return scopes


Scopes = Annotated[
    list[Scope],
    Field(min_length=1, max_length=4, description="What they may do, as keys."),
    AfterValidator(_sees_something),
]

_SEND = (
    "Whether the link is mailed to their e-mail address, in their language. Then nobody else sees it, and "
    "the answer has null in its place."
)


class Person(Answer):
    """Somebody of the staff, who may sign in."""

    id: str
    org_id: str
    name: str
    email: str | None
    scopes: list[Scope]
    calendar_id: str | None
    language: str | None = Field(description="Of their pages; null: the organization's.")
    active: bool
    has_password: bool
    created_by: Maker
    created_at: datetime
    updated_at: datetime


class PersonChange(Change):
    """What is to be changed of a person. Whoever is no longer `active` is signed out at once."""

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Person, "person")

    name: Name = UNSENT
    email: Email = Field(default=UNSENT, description="They sign in with it and a password, if they set one.")
    scopes: Scopes = UNSENT
    calendar_id: Id | None = Field(default=UNSENT, description="The calendar that is theirs.")
    language: Language = Field(default=UNSENT, description="Of their pages; null: the organization's.")
    active: bool = UNSENT


class PersonCreate(Request):
    """Somebody of the staff."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ana Pereira", "email": "ana@example.com"}]}
    )
    must_have = ("name",)
    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {"has_password": "people set their passwords themselves"}

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Person,)

    name: Name
    email: Email = None
    scopes: Scopes = Field(default=["read", "write", "delete"])
    calendar_id: Id | None = None
    language: Language = None
    send: bool = Field(default=False, description=_SEND)


class EntryCreate(Request):
    """How a person gets the link by which they sign in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"send": True}]})

    send: bool = Field(default=False, description=_SEND)


class PersonAnswer(OneThing):
    """Somebody of the staff."""

    person: Person


class PeopleAnswer(OneThing):
    """The staff, oldest first."""

    people: list[Person]


class NewPersonAnswer(Answer):
    """Somebody of the staff, and the link by which they sign in, once, within seven days. It is shown this
    once; null if it is mailed to them."""

    person: Person
    enter_url: str | None

"""What every message has in common."""

from collections.abc import Collection, Mapping, Sequence, Set
from functools import cache
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from kalends.core.errors import Malformed
from kalends.core.hours import instant
from kalends.core.text import is_blank
from kalends.schemas.fields import as_moment
from kalends.schemas.wrong_fields import WrongField, malformed, wrong

_MEANWHILE = "it was changed since it was read; read it again, or send only what is to change"
_STAMPS = ("version", "updated_at", "updatedAt")
"""Fields that grow with every change: a client that read the thing before sends an earlier value."""
_WHY_UNCHANGEABLE = {"id": "it names another one than is to be changed"} | dict.fromkeys(_STAMPS, _MEANWHILE)
_ELSEWHERE = "dry_run"
_DRY_RUN = wrong(_ELSEWHERE, "is a query parameter: ?dry_run=true", "unknown")
UNSENT: Any = None
"""The default of a field that stays as it is unless it is sent; `Request.sent` has those that were."""


class Answer(BaseModel):
    """Something that Kalends answers."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)


class OneThing(Answer):
    """An answer that holds one thing, under the contract's name for it."""

    @classmethod
    def of(cls, thing: Any) -> Self:
        """Return the answer that holds `thing`."""
        (name,) = cls.model_fields
        return cast(Self, cls.model_construct(**{name: thing}))


class Request(BaseModel):
    """Something that a client asks. Strings are trimmed; `"60"` is not a number and `1` is not true.

    Unknown names are ignored, as clients of the original send them. A known name in another casing is
    refused, since it was meant for something. So is a name that is `known` of the same thing elsewhere but
    can't be set here, if the body `refuses` those.
    """

    model_config = ConfigDict(str_strip_whitespace=True, strict=True, frozen=True)

    must_have: ClassVar[Sequence[str]] = ()
    """The fields the contract requires, in the order of its sentence."""
    refuses: ClassVar[bool] = False
    why_not: ClassVar[Mapping[str, str]] = {}
    """For names that can't be set here: why not, and what to send instead."""

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        """Return what else has names of the same thing: the answer that shows it and other bodies that are
        about it, or names themselves."""
        return ()

    def sent(self) -> dict[str, Any]:
        """Return the fields that the client sent, null ones included."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @model_validator(mode="wrap")
    @classmethod
    def _says_what_it_means(cls, body: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse missing fields before anything else, null and blank ones among them, then wrong names; what
        else is wrong is named with them."""
        if not isinstance(body, Mapping):
            return handler(body)
        missing = [name for name in cls.must_have if is_missing(body.get(name))]
        strays = body.keys() - _settable(cls)
        if (missing or strays) and (graver := cls._against_names(missing, strays)) is not None:
            first = InitErrorDetails(type=graver, loc=(), input=body)
            raise ValidationError.from_exception_data(
                cls.__name__, [first, *_besides(handler, body, missing)]
            )
        return handler(body)

    @classmethod
    def _against_names(cls, missing: Sequence[str], strays: Set[str]) -> PydanticCustomError | None:
        if _ELSEWHERE in strays:  # it would be done for real
            return PydanticCustomError("wrong_names", "has wrong names", {"wrong": [_DRY_RUN]})
        meant = {name: right for name in strays if (right := _meant(cls, name)) is not None}
        if missing:
            found = [wrong(name, "is required", "required") for name in missing] + _misspelt(meant)
            sentence = cls.required_sentence()
            return PydanticCustomError("missing_fields", "{sentence}", {"sentence": sentence, "wrong": found})
        if meant:
            return PydanticCustomError("wrong_names", "has wrong names", {"wrong": _misspelt(meant)})
        if cls.refuses and (refused := strays & _known(cls)):
            found = [wrong(name, cls.refusal_of(name), "read_only") for name in sorted(refused)]
            return PydanticCustomError("wrong_names", "has wrong names", {"wrong": found})
        return None

    @classmethod
    def required_sentence(cls) -> str:
        """Return the contract's sentence: `a is required`, `a and b are required`, `a, b, and c are …`."""
        *most, last = cls.must_have
        if not most:
            return f"{last} is required"
        return f"{', '.join(most)}{',' if len(most) > 1 else ''} and {last} are required"

    @classmethod
    def refusal_of(cls, name: str) -> str:
        """Return what is said of a name that can't be set here: why not, and what can."""
        why = cls.why_not.get(name) or (None if cls.refuses else _WHY_UNCHANGEABLE.get(name))
        because = f": {why}" if why else ""
        return f"can't be set here{because}. These can be set: {', '.join(_in_order(cls))}"


class Change(Request):
    """The body of a PATCH or PUT, which may send back everything that an answer shows: what can't be set is
    accepted as it is, and refused if it is to be something else (`must_agree`)."""

    _shown: dict[str, Any] = PrivateAttr(default_factory=dict)
    moves: ClassVar[Set[str]] = frozenset()
    """Fields of the answer that change by themselves: their value in a body is ignored."""
    in_part: ClassVar[Set[str]] = frozenset()
    """Fields of the answer of which lists show some elements only: some may be sent, in their order."""

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_is_shown(cls, body: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        wish = handler(body)
        if isinstance(body, Mapping) and (shown := (body.keys() - _settable(cls)) & _known(cls)):
            wish._shown = {name: body[name] for name in body if name in shown}
        return wish

    def shown(self, name: str) -> Any:
        """Return what was sent under a name that can't be set; None if nothing was."""
        return self._shown.get(name)

    def must_agree(self, *shown: BaseModel, zone: str = "UTC", within: str = "") -> None:
        """Raise Malformed if the body gives another value to anything that can't be set than it has in one of
        `shown`: as it is, and as the change makes it. Naive times are read in `zone`, an IANA name. `within`
        is the path of the body's own place."""
        if not self._shown:
            return
        values = [each.model_dump(mode="json", by_alias=True) for each in shown]
        found = [
            wrong(within + name, self.refusal_of(name), "read_only")
            for name, value in self._shown.items()
            if name not in self.moves
            and not any(
                _fits(name, value, each.get(name), zone, in_part=name in self.in_part) for each in values
            )
        ]
        if found:
            raise malformed(found)


def _fits(name: str, sent: Any, present: Any, zone: str, *, in_part: bool) -> bool:
    """Return whether a value is the present one, or, of what grows with every change, an earlier one, or, if
    it is shown `in_part`, some of it."""
    if in_part and sent and isinstance(sent, list) and isinstance(present, list):
        rest = iter(present)
        return all(any(_agrees(each, other, zone) for other in rest) for each in sent)
    if name in _STAMPS and isinstance(sent, type(present)) and not isinstance(sent, bool):
        return bool(sent <= present) or _agrees(sent, present, zone)
    return _agrees(sent, present, zone)


def _agrees(sent: Any, present: Any, zone: str) -> bool:
    """Return whether a value that was sent says the same as the present one; of an object, a part may be
    sent."""
    if isinstance(sent, Mapping) and isinstance(present, Mapping):
        return all(_agrees(value, present[name], zone) for name, value in sent.items() if name in present)
    if isinstance(sent, list) and isinstance(present, list):
        return len(sent) == len(present) and all(map(_agrees, sent, present, [zone] * len(sent)))
    if isinstance(sent, str) and isinstance(present, str):
        return sent.strip() == present or _is_same_moment(sent, present, zone)
    return isinstance(sent, bool) == isinstance(present, bool) and bool(sent == present)


def _is_same_moment(sent: str, present: str, zone: str) -> bool:
    try:
        moments = [instant(as_moment(each), zone) for each in (sent, present)]
    except (PydanticCustomError, Malformed):
        return False
    return moments[0] == moments[1]


@cache
def _in_order(cls: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of the fields on the wire."""
    return tuple(
        str(field.validation_alias or field.alias or name) for name, field in cls.model_fields.items()
    )


@cache
def _settable(cls: type[BaseModel]) -> frozenset[str]:
    return frozenset(_in_order(cls))


@cache
def _known(cls: type[Request]) -> frozenset[str]:
    """Return the names that are known but can't be set here."""
    elsewhere: set[str] = set()
    for other in cls.known():
        elsewhere.update((other,) if isinstance(other, str) else _in_order(other))
    return frozenset(elsewhere) - _settable(cls)


@cache
def _spellings(cls: type[Request]) -> Mapping[str, str]:
    return {_plain(name): name for name in [*_known(cls), *_in_order(cls)]}


def _meant(cls: type[Request], name: str) -> str | None:
    """Return the known name that was misspelt, if it was one."""
    right = _spellings(cls).get(_plain(name))
    return None if right == name else right


def _misspelt(meant: Mapping[str, str]) -> list[WrongField]:
    return [
        wrong(name, f"is not known here; did you mean {meant[name]}?", "unknown") for name in sorted(meant)
    ]


def _besides(
    handler: ModelWrapValidatorHandler[Any], body: Any, named: Collection[str]
) -> list[InitErrorDetails]:
    """Return what is wrong with a body besides the fields that were `named`."""
    try:
        handler(body)
    except ValidationError as error:
        return again(error, named)
    return []


def again(error: ValidationError, named: Collection[str] = ()) -> list[InitErrorDetails]:
    """Return what Pydantic found wrong, for an error that lists more, but for the fields that were
    `named`."""
    return [
        InitErrorDetails(
            type=PydanticCustomError(each["type"], each["msg"], each.get("ctx", {})),
            loc=each["loc"],
            input=each["input"],
        )
        for each in error.errors(include_url=False)
        if each["loc"][:1] not in {(name,) for name in named}
    ]


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def is_missing(value: Any) -> bool:
    """Return whether a value says nothing: null, or blank."""
    return value is None or (isinstance(value, str) and is_blank(value))


class Deleted(Answer):
    """What is gone."""

    id: str
    deleted: Literal[True] = True

    @classmethod
    def of(cls, id_: str) -> Self:
        return cls(id=id_)

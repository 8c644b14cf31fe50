"""What is wrong with the fields of a request, as refusals list it: the one place with words and codes."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from kalends.core.errors import Malformed

MOST = 20
"""So many are listed in one refusal."""
WHOLE = "must be a whole number"
"""The reason of what is no whole number where there has to be one."""
BODY = "The body"
"""The name of what has no other: the body as a whole."""

CODES: Mapping[str, str] = {
    "required": "It is missing, null or blank.",
    "contact": "Neither an e-mail address nor a phone number would be known.",
    "type": "It must be another kind of value: text, true or false, a list, an object.",
    "number": "It must be a number, or a whole number.",
    "too_small": "The number is less than `limit`.",
    "too_large": "The number is more than `limit`.",
    "too_short": "It has fewer characters or items than `limit`.",
    "too_long": "It has more characters or items than `limit`.",
    "option": "It must be one of a few values.",
    "email": "It is no e-mail address.",
    "phone": "It is no phone number.",
    "language": "It is no language tag.",
    "timezone": "It is no IANA time zone.",
    "date": "It is no date.",
    "clock_time": "It is no time of day.",
    "invalid_time": "It is no date-time.",
    "url": "It is no URL that can be used.",
    "characters": "It has characters that can't be there.",
    "repeated": "It is there twice, and may be there once.",
    "unknown": "It is not known here, or asked by no question.",
    "read_only": "It can't be set here, or not to that.",
    "options": "A question to choose from has no options.",
    "window": "The hours do not end after they start.",
    "dates": "Neither a date nor a first and a last one, or both.",
    "event": "It names no event.",
    "cursor": "It is no cursor of an earlier answer.",
    "secret": "It is no secret for webhooks.",
    "private": "It leads to a private address.",
    "unavailable": "This server can't do it as it is set up.",
    "invalid": "Something else is wrong with it; `reason` says what.",
}
"""Every code, with its meaning. A code is never given another meaning; programs must expect new ones."""


class WrongField(TypedDict):
    """One field, by its path in the body or its name in the query; why, in words, and a stable code."""

    field: str
    reason: str
    code: str
    limit: NotRequired[float]


SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": True,
    "properties": {
        "fields": {
            "type": "array",
            "description": "Of a malformed request: all fields that are wrong.",
            "items": {
                "type": "object",
                "required": ["field", "reason", "code"],
                "properties": {
                    "field": {"type": "string", "description": "Its path, such as `answers.first_visit`."},
                    "reason": {"type": "string", "description": "Follows the field in a sentence."},
                    "code": {
                        "type": "string",
                        "description": f"Stable; one of {', '.join(CODES)}. More may come.",
                    },
                    "limit": {
                        "type": "number",
                        "description": "How much it may be, if that is it.",
                    },
                },
            },
        }
    },
}
"""Of `details`, for the OpenAPI document."""

_WORDS: Mapping[str, tuple[str, str | None]] = {
    "missing": ("required", "is required"),
    "model_type": ("type", "must be an object"),
    "model_attributes_type": ("type", "must be an object"),
    "dict_type": ("type", "must be an object"),
    "list_type": ("type", "must be a list"),
    "string_type": ("type", "must be a string"),
    "int_type": ("number", WHOLE),
    "int_parsing": ("number", WHOLE),
    "int_from_float": ("number", WHOLE),
    "int_parsing_size": ("number", None),
    "float_type": ("number", None),
    "float_parsing": ("number", None),
    "finite_number": ("number", None),
    "bool_type": ("type", "must be true or false"),
    "bool_parsing": ("type", "must be true or false"),
    "too_short": ("too_short", "must have at least {min_length}"),
    "too_long": ("too_long", "must have at most {max_length}"),
    "string_too_short": ("too_short", "must have at least {min_length} characters"),
    "string_too_long": ("too_long", "must have at most {max_length} characters"),
    "greater_than_equal": ("too_small", "must be at least {ge}"),
    "less_than_equal": ("too_large", "must be at most {le}"),
    "dict_or_list": ("type", None),
    "too_many": ("too_long", None),
    "status": ("option", None),
    "literal_error": ("option", None),
    "enum": ("option", None),
    "string_pattern_mismatch": ("characters", None),
    "string_unicode": ("characters", None),
    "nul": ("characters", None),
    "surrogate": ("characters", None),
    "unique": ("repeated", None),
    "extra_forbidden": ("unknown", "is not known here"),
    "origin": ("url", None),
    "currency": ("option", None),
    "amount": ("number", None),
    "location": ("invalid", None),
}
"""By Pydantic's types of errors: the code, and what is wrong in plain words, if they are plainer than
Pydantic's own. Errors of our own have their code as their type."""
_LIMITS = ("max_length", "min_length", "ge", "le")


def wrong(field: str, reason: str, code: str) -> WrongField:
    """Return one wrong field."""
    return {"field": field, "reason": reason, "code": code}


def malformed(fields: Sequence[WrongField], sentence: str | None = None, **details: Any) -> Malformed:
    """Return the refusal of some wrong fields. Unless it has a sentence of its own, it says the first."""
    return Malformed(sentence or sentence_of(fields[0]), fields=list(fields[:MOST]), **details)


def sentence_of(first: WrongField) -> str:
    """Return what is wrong with a field as a sentence."""
    return f"{first['field']}{': ' if first['field'] == BODY else ' '}{first['reason']}"


def of_problem(problem: Mapping[str, Any], location: Sequence[str | int]) -> list[WrongField]:
    """Return what an error of Pydantic's says of the field at a `location`: one thing, unless it is about
    several names (`schemas.wire`)."""
    context = problem.get("ctx", {})
    if "wrong" in context:
        names: Sequence[WrongField] = context["wrong"]
        return [wrong(path(*location, each["field"]), each["reason"], each["code"]) for each in names]
    code, _ = _WORDS.get(problem["type"], (problem["type"], None))
    found = wrong(path(*location) or BODY, reason_of(problem), code if code in CODES else "invalid")
    limits = [context[name] for name in _LIMITS if name in context]
    if limits and code.startswith("too_"):
        found["limit"] = limits[0]
    return [found]


def path(*location: str | int) -> str:
    """Return the name of a field within others."""
    return ".".join(map(str, location))


def reason_of(problem: Mapping[str, Any]) -> str:
    """Return why a field is wrong, to follow its name."""
    kind = problem["type"]
    if kind in ("too_short", "too_long") and isinstance(problem.get("input"), str):
        kind = f"string_{kind}"
    _, plain = _WORDS.get(kind, ("", None))
    if plain is not None:
        return plain.format(**problem.get("ctx", {}))
    message: str = problem["msg"]
    for opening in ("Input should", "Value should", "String should", "List should"):
        if message.startswith(opening):
            return message.removeprefix(opening.partition(" ")[0] + " ")
    return message[:1].lower() + message[1:]

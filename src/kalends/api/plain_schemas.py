"""Schemas in the simplest words of JSON Schema: generators of clients misread the others. What can't be said
in simple words, the server says when it refuses."""

from typing import Any

_NULL = {"type": "null"}

Schema = dict[str, Any]


def plain(schema: Schema) -> Schema:
    """Return the schema without titles, which repeat the names, without `anyOf`, and without boolean
    constants, which some generated clients compare with the string `true`."""
    made = {
        word: _plain_within(word, said)
        for word, said in schema.items()
        if word != "title" and not (word == "const" and isinstance(said, bool))
    }
    return _united(made) if "anyOf" in made else made


def not_null(schema: Schema) -> Schema:
    """Return a plain schema without null: in a path, a query or a header there is none."""
    if not isinstance(schema.get("type"), list):
        return schema
    types = [each for each in schema["type"] if each != "null"]
    said = schema | {"type": types[0] if len(types) == 1 else types}
    return said | {"enum": [each for each in said["enum"] if each is not None]} if "enum" in said else said


def may_be_null(schema: Schema) -> bool:
    """Tell whether a plain schema allows null."""
    types = schema.get("type", [])
    return "null" in (types if isinstance(types, list) else [types]) or _NULL in schema.get("oneOf", [])


def _plain_within(word: str, said: Any) -> Any:
    if word in ("properties", "$defs"):
        return {name: plain(each) for name, each in said.items()}
    if word in ("anyOf", "oneOf", "allOf"):
        return [plain(each) for each in said]
    if word in ("items", "additionalProperties", "if", "then", "else") and isinstance(said, dict):
        return plain(said)
    return said


def _united(schema: Schema) -> Schema:
    """One of several as one with several types; a reference, which has none, as `oneOf`. What fits neither
    stays as it is."""
    rest = {word: said for word, said in schema.items() if word != "anyOf"}
    options: list[Schema] = schema["anyOf"]
    one, *others = [each for each in options if each != _NULL]
    nullable = _NULL in options
    if "$ref" in one:
        return rest | {"oneOf": options}
    if any(each.keys() != {"type"} for each in (one, *others) if others):
        return schema
    types = [each["type"] for each in (one, *others)]
    if "number" in types:
        types = [each for each in types if each != "integer"]
    types += ["null"] * nullable
    said = one | rest | {"type": types if len(types) > 1 else types[0]}
    return said | {"enum": [*one["enum"], *[None] * nullable]} if "enum" in one else said

"""Schemas in the simplest words of JSON Schema: generators of clients misread the others. What can't be said
in simple words, the server says when it refuses."""

from typing import Any

_NULL = {"type": "null"}

Schema = dict[str, Any]


def plain(schema: Schema) -> Schema:
    """Return the schema without titles, which repeat the names, without `anyOf`, and without boolean
    constants, which some generated clients compare with the string `true`."""
    made = {
        word: _plain_within(word, value)
        for word, value in schema.items()
        if word != "title" and not (word == "const" and isinstance(value, bool))
    }
    return _united(made) if "anyOf" in made else made


def not_null(schema: Schema) -> Schema:
    """Return a plain schema without null, for a path, a query or a header, which can't hold it."""
    if not isinstance(schema.get("type"), list):
        return schema
    types = [each for each in schema["type"] if each != "null"]
    without = schema | {"type": types[0] if len(types) == 1 else types}
    if "enum" in schema:
        without["enum"] = [each for each in schema["enum"] if each is not None]
    return without


def may_be_null(schema: Schema) -> bool:
    """Tell whether a plain schema allows null."""
    types = schema.get("type", [])
    return "null" in (types if isinstance(types, list) else [types]) or _NULL in schema.get("oneOf", [])


def _plain_within(word: str, value: Any) -> Any:
    if word in ("properties", "$defs"):
        return {name: plain(each) for name, each in value.items()}
    if word in ("anyOf", "oneOf", "allOf"):
        return [plain(each) for each in value]
    if word in ("items", "additionalProperties", "if", "then", "else") and isinstance(value, dict):
        return plain(value)
    return value


def _united(schema: Schema) -> Schema:
    """Return a schema that is `anyOf` several as one with several types, or as `oneOf` if there is a
    reference, which has no type. One that fits neither stays as it is."""
    rest = {word: value for word, value in schema.items() if word != "anyOf"}
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
    united = one | rest | {"type": types if len(types) > 1 else types[0]}
    return united | {"enum": [*one["enum"], *[None] * nullable]} if "enum" in one else united

"""The schemas of the OpenAPI document: said so that every generator of clients reads them rightly."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.documents import complete, operations

WORDS = {
    *("$ref", "type", "format", "enum", "const", "default", "description", "examples", "pattern"),
    *("minLength", "maxLength", "minimum", "maximum", "items", "minItems", "maxItems"),
    *("properties", "required", "additionalProperties", "maxProperties", "oneOf", "if", "then"),
}
"""The words of JSON Schema that the generators of tests/clients/run read rightly, or pass over."""

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return complete()


def schemas(document: dict[str, Any]) -> Iterator[tuple[str, Schema]]:
    """Every schema of the document, however deep, and where it is."""
    for name, schema in document["components"]["schemas"].items():
        yield from within(name, schema)
    for path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            yield from within(f"{path} {parameter['name']}", parameter["schema"])
        for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
            for content in holder.get("content", {}).values():
                yield from within(path, content["schema"])


def within(place: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield place, schema
    parts = {name: each for name, each in schema.items() if name in ("items", "additionalProperties", "then")}
    parts |= schema.get("properties", {})
    parts |= {str(number): each for number, each in enumerate(schema.get("oneOf", ()))}
    for name, part in parts.items():
        if isinstance(part, dict):
            yield from within(f"{place}.{name}", part)


def test_only_words_are_used_that_generators_of_clients_read(document: dict[str, Any]) -> None:
    """A word that is new here: look first what each generator of tests/clients/run makes of it."""
    for place, schema in schemas(document):
        assert schema.keys() <= WORDS, f"{place}: {schema.keys() - WORDS}"


def test_what_may_be_null_has_null_among_its_types(document: dict[str, Any]) -> None:
    """Only a reference, which has no type, is one of two."""
    for place, schema in schemas(document):
        if "oneOf" in schema:
            reference, null = schema["oneOf"]
            assert reference.keys() == {"$ref"}, place
            assert null == {"type": "null"}, place
        if "enum" in schema and "null" in schema["type"]:
            assert None in schema["enum"], place
    booking = document["components"]["schemas"]["ClientBooking"]["properties"]
    assert booking["client_email"] == {"type": ["string", "null"], "format": "email", "maxLength": 254}
    assert booking["hold_id"]["type"] == ["string", "null"]


def test_no_constant_is_a_boolean(document: dict[str, Any]) -> None:
    """A client that openapi-generator makes in Python compares it with the string `true`, and fails."""
    assert not [place for place, schema in schemas(document) if isinstance(schema.get("const"), bool)]


def test_no_parameter_may_be_null(document: dict[str, Any]) -> None:
    """In a path, a query or a header there is no null: it would be the word."""
    for path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert "null" not in str(parameter["schema"]), f"{path} {parameter['name']}"

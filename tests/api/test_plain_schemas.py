"""Schemas in plain words."""

from typing import Any

import pytest

from kalends.api.plain_schemas import not_null, plain

NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("said", "plainly"),
    [
        ({"anyOf": [{"type": "string", "maxLength": 9}, NULL]}, {"type": ["string", "null"], "maxLength": 9}),
        (
            {"anyOf": [{"type": "string", "enum": ["a", "b"]}, NULL], "default": "a"},
            {"type": ["string", "null"], "enum": ["a", "b", None], "default": "a"},
        ),
        (
            {"anyOf": [{"type": "array", "items": {"anyOf": [{"type": "integer"}, NULL]}}, NULL]},
            {"type": ["array", "null"], "items": {"type": ["integer", "null"]}},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "integer"}]},
            {"type": ["string", "number"]},
        ),
        ({"anyOf": [{"type": "string"}, {"type": "boolean"}, NULL]}, {"type": ["string", "boolean", "null"]}),
        (
            {"anyOf": [{"$ref": "#/a"}, NULL], "description": "Who."},
            {"oneOf": [{"$ref": "#/a"}, NULL], "description": "Who."},
        ),
        (
            {"anyOf": [{"type": "string", "description": "Its own."}, NULL], "description": "The field's."},
            {"type": ["string", "null"], "description": "The field's."},
        ),
        ({"type": "boolean", "const": True, "default": True}, {"type": "boolean", "default": True}),
        ({"type": "string", "const": "ok"}, {"type": "string", "const": "ok"}),
        # Names of fields are not words of JSON Schema.
        (
            {"title": "Thing", "properties": {"title": {"title": "Title", "type": "string"}}},
            {"properties": {"title": {"type": "string"}}},
        ),
    ],
)
def test_a_union_is_one_schema_with_several_types(said: dict[str, Any], plainly: dict[str, Any]) -> None:
    assert plain(said) == plainly


def test_a_union_that_can_not_be_said_plainly_stays_for_the_test_of_the_document_to_find() -> None:
    said = {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "integer", "minimum": 1}]}
    assert plain(said) == said


@pytest.mark.parametrize(
    ("said", "without"),
    [
        ({"type": ["string", "null"], "maxLength": 9}, {"type": "string", "maxLength": 9}),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"type": "string", "enum": ["a"]}),
        ({"type": ["string", "integer", "null"]}, {"type": ["string", "integer"]}),
        ({"type": "string"}, {"type": "string"}),
    ],
)
def test_a_parameter_is_never_null(said: dict[str, Any], without: dict[str, Any]) -> None:
    assert not_null(said) == without

"""The OpenAPI document: complete, valid, and changed only on purpose."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents
from tests.support.documents import SHARED, operations, without_examples, written

SNAPSHOT = Path(__file__).with_name("openapi")


@pytest.fixture
def said() -> dict[str, Any]:
    """The document as the server says it."""
    return documents.said()


@pytest.fixture
def document() -> dict[str, Any]:
    """The document with nothing left to look up elsewhere in it."""
    return documents.complete()


@pytest.mark.parametrize("part", ["paths", "schemas", "rest"])
def test_the_document_is_the_snapshot(said: dict[str, Any], part: str) -> None:
    """If a change is meant: `make snapshots`, and read the difference."""
    rest = without_examples(said)
    paths, schemas = rest.pop("paths"), rest["components"].pop("schemas")
    kept = SNAPSHOT / f"{part}.json"
    text = written({"paths": paths, "schemas": schemas, "rest": rest}[part]) + "\n"
    if os.environ.get("KALENDS_UPDATE_SNAPSHOTS"):
        kept.write_text(text)
    assert kept.read_text() == text


def test_what_several_operations_say_alike_is_said_once(said: dict[str, Any]) -> None:
    """Or a word that is changed in one header changes hundreds of places."""
    for kind in SHARED:
        assert said["components"][kind]
    parts = [
        part
        for _, operation in operations(said)
        for part in (*operation.get("parameters", ()), *operation["responses"].values())
        if "$ref" not in part
    ]
    assert len({json.dumps(part) for part in parts}) == len(parts)


def test_operations_are_named_for_people(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    ids = [each["operationId"] for _, each in operations(document)]
    assert len(set(ids)) == len(ids)
    assert {"appointments.create", "appointments.list", "schedule_overrides.add_holidays"} < set(ids)
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", each) for each in ids)


def test_summaries_are_sentences_each_its_own(document: dict[str, Any]) -> None:
    seen = set()
    for _, operation in operations(document):
        summary = operation["summary"]
        assert re.fullmatch(r"[A-Z][^`]*\.", summary), f"{operation['operationId']}: {summary}"
        assert len(summary.split()) >= 3, f"{operation['operationId']}: {summary}"
        assert operation["description"].replace("\n", " ").replace("`", "").startswith(summary)
        named = (operation["tags"][0], summary)
        assert named not in seen, f"two operations of {named}"
        seen.add(named)
    create = document["paths"]["/v1/calendar/appointments"]["post"]
    assert (create["summary"], create["operationId"]) == (
        "Book an appointment by hand.",
        "appointments.create",
    )


def test_only_what_has_a_body_refuses_one_and_only_what_needs_a_field_misses_it(
    document: dict[str, Any],
) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            codes = {
                code
                for response in operation["responses"].values()
                for code in response.get("content", {}).get("application/json", {}).get("examples", {})
            }
            body = operation.get("requestBody", {}).get("content", {})
            assert ("invalid_json" in codes) == ("application/json" in body), f"{method} {path}"
            assert ("415" in operation["responses"]) == ("requestBody" in operation), f"{method} {path}"
    paths = document["paths"]
    create = paths["/v1/calendar/appointments"]["post"]["responses"]["400"]
    change = paths["/v1/calendar/appointments/{id}"]["patch"]["responses"]["400"]
    assert "missing_fields" in create["content"]["application/json"]["examples"]
    assert "missing_fields" not in change["content"]["application/json"]["examples"]
    assert "Required fields" in create["description"]
    assert "Required fields" not in change["description"]


def test_every_answer_is_documented_with_headers_and_every_refusal_with_examples(
    document: dict[str, Any],
) -> None:
    for path, operation in operations(document):
        statuses = set(operation["responses"])
        if path.startswith("/v1/public/"):
            assert {"200", "400", "404", "429", "503"} <= statuses
            assert {"401", "403"}.isdisjoint(statuses)
            assert operation["security"] == []
        elif path.startswith("/v1/"):
            assert {"400", "401", "403", "429", "503"} <= statuses
            assert {"200", "201"} & statuses
            assert operation["security"]
        if "requestBody" in operation:
            assert {"413", "415", "422"} <= statuses
        for status, response in operation["responses"].items():
            assert response["description"]
            assert "X-Request-Id" in response["headers"]
            if status not in ("200", "201", "304"):
                content = response["content"]["application/json"]
                shape = "Failure" if path.startswith("/v1/webhooks") else "ErrorAnswer"
                assert content["schema"] == {"$ref": f"#/components/schemas/{shape}"}
                for code, example in content["examples"].items():
                    told = example["value"]
                    known = told["error"] if shape == "Failure" else told
                    expected = (
                        ("VALIDATION_ERROR" if status == "400" else code.upper())
                        if shape == "Failure"
                        else code
                    )
                    assert known["code"] == expected


def test_nothing_is_left_of_the_frameworks_own_errors(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in json.dumps(document)

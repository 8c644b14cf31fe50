"""The OpenAPI document: complete, valid, and changed only on purpose."""

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from kalends.app import create_app
from kalends.settings import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, each) for path, methods in document["paths"].items() for each in methods.values()]


def without_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The document with only the codes of refusals: what is said is compared in test_examples.py."""
    bare = copy.deepcopy(document)
    del bare["components"]["examples"]
    for _, operation in operations(bare):
        for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
            for content in holder.get("content", {}).values():
                content.pop("example", None)
                if "examples" in content:
                    content["examples"] = list(content["examples"])
    return bare


def example_of(document: dict[str, Any], example: dict[str, Any]) -> Any:
    """What an example says, which may stand among the components."""
    if "$ref" in example:
        example = document["components"]["examples"][example["$ref"].rpartition("/")[2]]
    return example["value"]


def test_the_document_is_the_snapshot(document: dict[str, Any]) -> None:
    """Where a change is meant: KALENDS_UPDATE_SNAPSHOTS=1 make test, and look at the difference."""
    text = json.dumps(without_examples(document), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("KALENDS_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(text)
    assert SNAPSHOT.read_text() == text


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
            assert ("invalid_json" in codes) == ("requestBody" in operation), f"{method} {path}"
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
                    told = example_of(document, example)
                    known = told["error"] if shape == "Failure" else told
                    expected = (
                        ("VALIDATION_ERROR" if status == "400" else code.upper())
                        if shape == "Failure"
                        else code
                    )
                    assert known["code"] == expected


def test_nothing_is_left_of_the_frameworks_own_errors(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in json.dumps(document)

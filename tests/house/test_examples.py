"""The examples of the OpenAPI document are what the demo says: a tour of all operations says it again."""

import difflib
import json
import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import kalends.api
from kalends.api.errors import OUT_OF_SERVICE, UNBOOKABLE, WEBHOOKS
from kalends.api.gate import PUBLIC
from tests.support import documents
from tests.support.readable import readably
from tests.support.stations import whole
from tests.support.tour import Json, tour

KEPT = Path(kalends.api.__file__).with_name("examples.json")
COMMAND = "make snapshots"
UNPROVOKED = {
    *((kind, code) for kind in (WEBHOOKS, PUBLIC, "/") for code in ("unavailable", "outcome_unknown")),
    ("/", "schema_outdated"),
    (PUBLIC, "idempotency_key_reused"),
}
"""What a demo in good health does not refuse, and what clients, who share no keys, are never told."""
TIMES = {refusal.code for refusal in (*UNBOOKABLE, *OUT_OF_SERVICE)}


@pytest.fixture(scope="module")
def document() -> Json:
    return documents.complete()


@pytest.fixture(scope="module")
def operations(document: Json) -> list[tuple[str, Json]]:
    return documents.operations(document)


def refusals(operation: Json) -> list[tuple[str, Json]]:
    """The code and the example of each refusal of an operation."""
    return [
        (code, example)
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for code, example in content.get("examples", {}).items()
    ]


def _bodies(operation: Json) -> list[tuple[str, Json]]:
    """The media type and the content of each body that an operation takes."""
    return list(operation.get("requestBody", {}).get("content", {}).items())


def kind(path: str) -> str:
    return next((prefix for prefix in (WEBHOOKS, PUBLIC) if path.startswith(prefix)), "/")


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_examples_are_what_the_demo_says(own_url: str) -> None:
    async with tour(own_url) as visited:
        await whole(visited)
    said = readably({name: visited.said[name] for name in visited.operations if name in visited.said})
    text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("KALENDS_UPDATE_SNAPSHOTS"):
        KEPT.write_text(text)
    changed = difflib.unified_diff(
        KEPT.read_text().split("\n"), text.split("\n"), "kept", "said", lineterm=""
    )
    shown = "\n".join(list(changed)[:60])
    assert not shown, (
        "The demo says something else than src/kalends/api/examples.json keeps. If that is meant, run\n"
        f"    {COMMAND}\nand look at the difference:\n{shown}"
    )


def test_every_operation_has_an_example_of_its_body_and_of_its_answer(
    operations: list[tuple[str, Json]],
) -> None:
    for _, operation in operations:
        name = operation["operationId"]
        bodies = [content for media_type, content in _bodies(operation) if media_type == "application/json"]
        answers = [operation["responses"].get(status, {}) for status in ("200", "201")]
        contents = [content for answer in answers for content in answer.get("content", {}).values()]
        assert contents, name
        assert all("example" in content for content in bodies + contents), (
            f"No step of tests/support/stations.py asks {name}: add one, then run\n    {COMMAND}"
        )


def test_every_refusal_was_provoked_here_or_where_it_is_alike(operations: list[tuple[str, Json]]) -> None:
    kept = json.loads(KEPT.read_text())
    provoked = {
        (kind(path), code)
        for path, operation in operations
        for code in kept.get(operation["operationId"], {}).get("refusals", {})
    }
    for path, operation in operations:
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                unknown = {(kind(path), code) for code in content.get("examples", {})} - provoked - UNPROVOKED
                assert not unknown, (
                    f"No step of tests/support/stations.py has {operation['operationId']}, or another "
                    f"operation like it, refuse with {sorted(unknown)}: add one, then run\n    {COMMAND}"
                )
    assert not provoked & UNPROVOKED


def test_refusals_of_a_time_say_why(operations: list[tuple[str, Json]]) -> None:
    found = [
        (operation["operationId"], code, example["value"]["details"])
        for _, operation in operations
        for code, example in refusals(operation)
        if code in TIMES
    ]
    assert len(found) > 50
    for name, code, details in found:
        assert details["reasons"], (name, code)
        assert {"code", "message"} <= details["reasons"][0].keys()
        assert "next_available" in details
        if name.startswith(("public.", "manage.")):
            assert all(reason.keys() == {"code", "message"} for reason in details["reasons"])


@pytest.mark.slow
def test_every_example_is_valid_by_its_own_schema(document: Json, operations: list[tuple[str, Json]]) -> None:
    def check(content: Json, example: Any, where: str) -> None:
        schema = {**content["schema"], "components": document["components"]}
        problems = [str(each) for each in jsonschema_rs.iter_errors(schema, example, validate_formats=True)]
        assert not problems, f"{where}: {problems}"

    for _, operation in operations:
        name = operation["operationId"]
        for media_type, content in _bodies(operation):
            if media_type == "application/json":
                check(content, content["example"], f"the body of {name}")
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                if "example" in content:
                    check(content, content["example"], f"{name} {status}")
        [shape] = {
            content["schema"]["$ref"]
            for status, response in operation["responses"].items()
            if status >= "400"
            for content in response["content"].values()
        }
        for code, example in refusals(operation):
            check({"schema": {"$ref": shape}}, example["value"], f"{name} {code}")


def test_examples_of_operations_that_are_gone_are_gone(operations: list[tuple[str, Json]]) -> None:
    assert json.loads(KEPT.read_text()).keys() == {each["operationId"] for _, each in operations}

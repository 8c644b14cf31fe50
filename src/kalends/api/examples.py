"""The examples of the OpenAPI document: what the demo answered and refused on a tour of all operations.

They are in `examples.json`, which tests/house/test_examples.py compares with a new tour, and rewrites.
"""

import json
from collections import defaultdict
from importlib.resources import files
from typing import Any

from kalends.api.errors import WEBHOOKS
from kalends.api.gate import PUBLIC

Json = dict[str, Any]


def illustrate(document: Json) -> None:
    """Put the examples into the document: of bodies, of answers, and of refusals.

    An operation that was not made to refuse something has the example of another one with its tag, or else
    of its kind; what none was made to refuse keeps the example it has.
    """
    said: dict[str, Json] = json.loads((files("kalends.api") / "examples.json").read_text())
    operations = [(path, each) for path, methods in document["paths"].items() for each in methods.values()]
    refusals: dict[tuple[str, str], Json] = {}
    for path, operation in operations:
        for code, refusal in said.get(operation["operationId"], {}).get("refusals", {}).items():
            for whose in _nearest_first(path, operation):
                refusals.setdefault((whose, code), refusal)
    for path, operation in operations:
        told = said.get(operation["operationId"], {})
        if "request" in told:
            operation["requestBody"]["content"]["application/json"]["example"] = told["request"]
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                if status.startswith("2") and "answer" in told:
                    content["example"] = told["answer"]
                for code, example in content.get("examples", {}).items():
                    found = (refusals.get((whose, code)) for whose in _nearest_first(path, operation))
                    example["value"] = next(filter(None, found), example["value"])
    _share(document, operations)


def _nearest_first(path: str, operation: Json) -> tuple[str, str, str]:
    """Whose examples an operation may have: its own, those with its tag, those that refuse alike."""
    kind = next((prefix for prefix in (WEBHOOKS, PUBLIC) if path.startswith(prefix)), "/")
    return operation["operationId"], operation["tags"][0], kind


def _share(document: Json, operations: list[tuple[str, Json]]) -> None:
    """Say what several operations refuse alike once, among the components."""
    places: dict[str, list[tuple[str, Json]]] = defaultdict(list)
    for _, operation in operations:
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                for code, example in content.get("examples", {}).items():
                    places[json.dumps([code, example])].append((code, content["examples"]))
    shared = document["components"].setdefault("examples", {})
    numbers: dict[str, int] = defaultdict(int)
    for alike in places.values():
        if len(alike) > 1:
            code = alike[0][0]
            numbers[code] += 1
            name = code if numbers[code] == 1 else f"{code}_{numbers[code]}"
            shared[name] = alike[0][1][code]
            for _, examples in alike:
                examples[code] = {"$ref": f"#/components/examples/{name}"}

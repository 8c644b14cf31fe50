"""The examples of the OpenAPI document: what the demo answered and refused on a tour of all operations.

They are in `examples.json`. tests/house/test_examples.py compares it with a new tour, and rewrites it.
"""

import json
from importlib.resources import files
from typing import Any

from kalends.api.errors import WEBHOOKS
from kalends.api.gate import PUBLIC

Json = dict[str, Any]


def illustrate(document: Json) -> None:
    """Put examples of bodies, answers and refusals into the document.

    If the tour has no example of a refusal for an operation, it gets the example of another operation with
    the same tag, or else of the same kind. If there is none at all, the example it has stays.
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


def _nearest_first(path: str, operation: Json) -> tuple[str, str, str]:
    """Return whose examples an operation may have: its own, those of its tag, those of its kind."""
    kind = next((prefix for prefix in (WEBHOOKS, PUBLIC) if path.startswith(prefix)), "/")
    return operation["operationId"], operation["tags"][0], kind

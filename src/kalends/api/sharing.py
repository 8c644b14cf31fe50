"""What several operations of the OpenAPI document say alike, said once among its components."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Place = tuple[Any, str | int, str]
"""What holds a part of the document, its key in there, and its name if it is shared."""


def share(document: Json) -> None:
    """Move examples, parameters and answers that are said more than once to the components."""
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    # Answers come last: they are alike if they refer to the same examples.
    _share(document, "examples", [each for one in operations for each in _examples(one)])
    _share(document, "parameters", [each for one in operations for each in _parameters(one)])
    _share(document, "responses", [each for one in operations for each in _responses(one)])


def _share(document: Json, kind: str, places: list[Place]) -> None:
    alike: dict[str, list[Place]] = defaultdict(list)
    for holder, key, name in places:
        alike[json.dumps(holder[key])].append((holder, key, name))
    shared = document["components"].setdefault(kind, {})
    numbers: dict[str, int] = defaultdict(int)
    for (holder, key, name), *others in alike.values():
        if not others:
            continue
        numbers[name] += 1
        shared_name = name if numbers[name] == 1 else f"{name}_{numbers[name]}"
        shared[shared_name] = holder[key]
        for where, its_key, _ in ((holder, key, name), *others):
            where[its_key] = {"$ref": f"#/components/{kind}/{shared_name}"}


def _examples(operation: Json) -> Iterator[Place]:
    """The examples of refusals, by their codes."""
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            for code in content.get("examples", {}):
                yield content["examples"], code, code


def _parameters(operation: Json) -> Iterator[Place]:
    parameters = operation.get("parameters", [])
    for number, parameter in enumerate(parameters):
        yield parameters, number, parameter["name"]


def _responses(operation: Json) -> Iterator[Place]:
    """The answers, each by its status and the operation: the first that gives it lends its name."""
    for status in operation["responses"]:
        yield operation["responses"], status, f"{operation['operationId']}.{status}"

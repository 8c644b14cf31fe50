"""The OpenAPI document, for tests that look into it and for people who read what has changed in it."""

import copy
import functools
import json
from collections.abc import Iterator
from typing import Any

from kalends.app import create_app
from kalends.settings import Settings

Json = dict[str, Any]
SHARED = ("examples", "parameters", "responses")
"""The components that only save room."""
_WIDTH = 110


@functools.cache
def said() -> Json:
    """Return the document as a server without settings says it. It takes a second to make, so tests share it,
    and must not change it."""
    document: Json = create_app(Settings()).openapi()
    return document


@functools.cache
def complete() -> Json:
    """Return the same with nothing left to look up elsewhere in it."""
    return spelled_out(said())


def operations(document: Json) -> list[tuple[str, Json]]:
    """Every operation, with its path."""
    return [(path, each) for path, methods in document["paths"].items() for each in methods.values()]


def spelled_out(document: Json) -> Json:
    """Return a document in which every operation says by itself what several say alike."""

    def spelled(part: Any) -> Any:
        if isinstance(part, list):
            return [spelled(each) for each in part]
        if not isinstance(part, dict):
            return part
        _, _, path = str(part.get("$ref", "")).partition("#/components/")
        kind, _, name = path.partition("/")
        if kind in SHARED:
            return spelled(document["components"][kind][name])
        return {name: spelled(each) for name, each in part.items()}

    components = {kind: each for kind, each in document["components"].items() if kind not in SHARED}
    said: Json = spelled({**document, "components": components})
    return said


def without_examples(document: Json) -> Json:
    """Return a document with only the codes of refusals: what is said is compared in test_examples.py."""
    bare = copy.deepcopy(document)
    del bare["components"]["examples"]
    for content in _contents(bare):
        content.pop("example", None)
        if "examples" in content:
            content["examples"] = list(content["examples"])
    return bare


def _contents(document: Json) -> Iterator[Json]:
    bodies = [each.get("requestBody", {}) for _, each in operations(document)]
    answers = [answer for _, each in operations(document) for answer in each["responses"].values()]
    for holder in (*bodies, *answers, *document["components"]["responses"].values()):
        yield from holder.get("content", {}).values()


def written(value: Any, before: int = 0, indent: int = 0) -> str:
    """Return JSON to be read: sorted, and in one line whatever has room there, `before` of which is taken."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if before + len(line) <= _WIDTH or not value or not isinstance(value, dict | list):
        return line
    names = (
        [f"{json.dumps(name)}: " for name in sorted(value)] if isinstance(value, dict) else [""] * len(value)
    )
    parts = [value[name] for name in sorted(value)] if isinstance(value, dict) else value
    begin, end = "{}" if isinstance(value, dict) else "[]"
    inside = " " * (indent + 1)
    lines = [
        inside + name + written(part, len(inside + name), indent + 1)
        for name, part in zip(names, parts, strict=True)
    ]
    return f"{begin}\n" + ",\n".join(lines) + f"\n{' ' * indent}{end}"

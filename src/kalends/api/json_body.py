"""Strict reading of requests: what is ambiguous, or would have no effect, is refused."""

import inspect
import json
from collections.abc import Callable, Collection, Coroutine
from difflib import get_close_matches
from email.message import Message
from typing import Any, get_origin, get_type_hints

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.errors import MalformedJson, MissingFields, UnsupportedMediaType
from kalends.core.errors import Malformed
from kalends.schemas.wire import Request as Body
from kalends.schemas.wrong_fields import malformed, wrong

DEEPEST = 32


class JsonRequest(Request):
    """A request whose JSON has no duplicate names, no NaN, no byte order mark and no bottomless nesting."""

    async def json(self) -> Any:
        """Return the body's value. Raises JSONDecodeError, which FastAPI knows, with a sentence of ours."""
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json


class JsonRoute(APIRoute):
    """A route that reads its body as JsonRequest does, refuses other media types (415), and refuses query
    parameters that it does not have."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        parameters = _parameters(self.dependant)

        async def strictly(request: Request) -> Response:
            if request.scope["query_string"]:
                _must_know(request.query_params, parameters)
            if self.body_field is not None:
                request = JsonRequest(request.scope, request.receive)
                if not self.body_field.field_info.is_required() and not await request.body():
                    return await handle(request)
                media_type = request.headers.get("content-type")
                if media_type is not None and not _is_json(media_type):
                    raise UnsupportedMediaType
                if not await request.body():
                    raise _nothing_sent(self.body_field.field_info.annotation)
            return await handle(request)

        return strictly


def _parameters(dependant: Dependant) -> list[str]:
    """Return the names of a route's query parameters: those in its signature, and those that what its
    dependencies make reads by itself (`Call.reads`)."""
    names = list(getattr(made_by(dependant.call), "reads", ()))
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            names += [each.alias or name for name, each in kind.model_fields.items()]
        else:
            names.append(field.alias)
    for each in dependant.dependencies:
        names += _parameters(each)
    return names


def made_by(dependency: Any) -> type:
    """Return the class of what a dependency gives to a handler: a function, or an object that is called like
    one."""
    called = dependency if inspect.isroutine(dependency) else type(dependency).__call__
    made = get_type_hints(called).get("return")
    made = get_origin(made) or made
    return made if isinstance(made, type) else object


def _must_know(sent: Collection[str], parameters: Collection[str]) -> None:
    """Raise Malformed for an unknown query parameter: nobody would notice that it did nothing."""
    unknown = [name for name in sent if name not in parameters]
    if not unknown:
        return
    name = unknown[0][:100]
    near = get_close_matches(name.lower(), parameters, n=1)
    reason = "is no query parameter of this call" + (f"; did you mean {near[0]}?" if near else "")
    known = f"It has {', '.join(parameters)}." if parameters else "It has none."
    sentence = f"{name} {reason}{'' if near else '.'} {known}"
    raise malformed([wrong(name, reason, "unknown")], sentence, parameters=list(parameters))


def _nothing_sent(wanted: Any) -> Malformed:
    if issubclass(wanted, Body) and wanted.must_have:
        return MissingFields(wanted.required_sentence())
    return MalformedJson("The body must be a JSON object.")


def parse(body: bytes) -> Any:
    """Return the value of a JSON document (RFC 8259) in UTF-8, without a byte order mark."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("it is not UTF-8", "", error.start) from None
    if text.startswith("\ufeff"):
        raise json.JSONDecodeError("it starts with a byte order mark; send it without", text, 0)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(f"{error.msg} at character {error.pos}", error.doc, error.pos) from None
    except RecursionError:
        raise json.JSONDecodeError("it is nested too deeply", text, 0) from None
    except ValueError as error:
        why = "a number has too many digits" if "int_max_str_digits" in str(error) else str(error)
        raise json.JSONDecodeError(why, text, 0) from None
    if _is_deeper_than(value, DEEPEST):
        raise json.JSONDecodeError(f"it is nested more than {DEEPEST} deep", text, 0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("an object names the same field twice")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _is_deeper_than(value: Any, levels: int) -> bool:
    inside: list[Any]
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list):
        inside = value
    else:
        return False
    return levels == 0 or any(_is_deeper_than(each, levels - 1) for each in inside)


def _is_json(media_type: str) -> bool:
    if media_type == "application/json":
        return True
    message = Message()
    message["content-type"] = media_type
    kind = message.get_content_type()
    return kind.startswith("application/") and (kind.endswith(("/json", "+json")))

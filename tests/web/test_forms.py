"""Forms: what was typed, and what becomes of it."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from kalends.api.errors import UnsupportedMediaType
from kalends.core.errors import Malformed
from kalends.schemas.answers import answered
from kalends.schemas.appointment_types import BookingQuestion
from kalends.web.forms import MEDIA_TYPE, MOST_FIELDS, Form, form_of

pytestmark = pytest.mark.anyio


def sending(body: bytes, kind: str | None = MEDIA_TYPE) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [] if kind is None else [(b"content-type", kind.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def read(body: str) -> Form:
    return await form_of(sending(body.encode()))


async def test_a_form_has_texts_by_name() -> None:
    form = await read("name=Jane+Doe&notes=a%0D%0Ab&empty=&choice=1&choice=2")
    assert form.text("name") == "Jane Doe"
    assert form.text("notes") == "a\nb"
    assert form.text("empty") == form.text("missing") == ""
    assert form.all("choice") == ["1", "2"]
    assert form.all("missing") == ()
    assert form.typed("name", "empty", "missing") == {"name": "Jane Doe", "empty": "", "missing": ""}
    assert form.sent("name", "empty", "missing") == {"name": "Jane Doe"}


@pytest.mark.slow
@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50).filter(lambda each: "\r" not in each)))
async def test_what_was_typed_comes_back(typed: dict[str, str]) -> None:
    typed = {name.encode(errors="ignore").decode(): value for name, value in typed.items()}
    form = await read(urlencode(typed, errors="strict"))
    assert {name: form.text(name) for name in typed} == typed


@pytest.mark.parametrize(
    "body",
    [
        b"name=%FF",
        b"name=\xff",
        "name=é".encode(),
        b"&".join([b"a=1"] * (MOST_FIELDS + 1)),
        b"name=%ED%A0%80",
    ],
)
async def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        await form_of(sending(body))


async def test_a_field_that_was_sent_twice_is_refused() -> None:
    form = await read("name=a&name=b")
    with pytest.raises(Malformed) as refusal:
        form.text("name")
    assert refusal.value.details == {
        "fields": [{"field": "name", "reason": "was sent twice", "code": "repeated"}]
    }


@pytest.mark.parametrize(
    ("kind", "body", "taken"),
    [
        (MEDIA_TYPE, b"a=1", True),
        ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", b"a=1", True),
        (None, b"", True),
        (None, b"a=1", False),
        ("application/json", b"{}", False),
        ("multipart/form-data; boundary=x", b"", False),
        ("text/plain", b"a=1", False),
    ],
)
async def test_only_forms_are_read(kind: str | None, body: bytes, taken: bool) -> None:
    if taken:
        await form_of(sending(body, kind))
        return
    with pytest.raises(UnsupportedMediaType):
        await form_of(sending(body, kind))


def question(kind: str, **fields: Any) -> BookingQuestion:
    options = {"options": ["A", "B"]} if kind == "select" else {}
    return BookingQuestion.model_validate({"id": kind, "type": kind, "label": kind} | options | fields)


QUESTIONS = [
    question(kind) for kind in ("text", "textarea", "select", "checkbox", "email", "phone", "number")
]


async def test_answers_have_the_kinds_of_their_questions() -> None:
    typed = {
        "q.text": " x ",
        "q.textarea": "a\r\nb",
        "q.select": "B",
        "q.checkbox": "1",
        "q.email": "jane@example.com",
        "q.phone": "+1 234 567",
        "q.number": "3",
    }
    answers = (await read(urlencode(typed))).answers(QUESTIONS)
    assert answers["number"] == 3
    assert answers["checkbox"] is True
    assert {each.id: each.answer for each in answered(QUESTIONS, answers)} == {
        "text": "x",
        "textarea": "a\nb",
        "select": "B",
        "checkbox": True,
        "email": "jane@example.com",
        "phone": "+1 234 567",
        "number": 3,
    }


async def test_blank_answers_are_none_and_a_box_is_not_checked() -> None:
    answers = (await read("q.text=&q.number=+&q.select=")).answers(QUESTIONS)
    assert answers == {"checkbox": False}
    required = [question("checkbox", required=True)]
    with pytest.raises(Malformed, match="is required"):
        answered(required, (await read("")).answers(required))


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        (" 3 ", 3),
        ("3.5", 3.5),
        ("3,5", 3.5),
        ("007", 7),
        ("1e5", "1e5"),
        ("three", "three"),
        ("1.000,5", "1.000,5"),
        ("0x10", "0x10"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("٣", "٣"),
        ("9" * 4000, "9" * 4000),
    ],
)
async def test_numbers(typed: str, number: float | str) -> None:
    asked = [question("number")]
    answers = (await read(urlencode({"q.number": typed}))).answers(asked)
    assert answers == {"number": number}
    if isinstance(number, str):
        with pytest.raises(Malformed):
            answered(asked, answers)

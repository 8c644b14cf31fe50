from typing import Any

import pytest

from kalends.core.errors import Malformed
from kalends.schemas.answers import answered
from kalends.schemas.appointment_types import BookingQuestion

KINDS = ("text", "textarea", "select", "checkbox", "number", "email", "phone")


def question(kind: str, *, required: bool = False, id_: str = "q") -> BookingQuestion:
    options = ["Red", "Blue"] if kind == "select" else None
    return BookingQuestion.model_validate(
        {"id": id_, "type": kind, "label": "What?", "required": required, "options": options}
    )


def why(kind: str, given: Any, *, required: bool = False) -> str:
    """What is said against an answer."""
    with pytest.raises(Malformed) as refused:
        answered([question(kind, required=required)], {"q": given})
    [field] = refused.value.details["fields"]
    assert field["field"] == "answers.q"
    assert refused.value.message == f"answers.q {field['reason']}"
    return str(field["reason"])


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("text", " Jane\tDoe ", "Jane Doe"),
        ("text", "Jane\nPaid: \u202eyes\x07", "Jane Paid: yes"),
        ("text", "x" * 1_000, "x" * 1_000),
        ("text", "0", "0"),
        ("textarea", "one\ntwo", "one\ntwo"),
        ("textarea", "one\u202e\r\n\ttwo\x07", "one\r\n\ttwo"),
        ("textarea", "x" * 10_000, "x" * 10_000),
        ("select", " Blue ", "Blue"),
        ("select", "Bl\u200eue\n", "Blue"),
        ("checkbox", True, True),
        ("checkbox", False, False),
        ("number", 0, 0),
        ("number", -2.5, -2.5),
        ("number", 3.0, 3.0),
        ("number", 10**15, 10**15),
        ("email", " Jane@EXAMPLE.com ", "Jane@example.com"),
        ("phone", " +1 (234) 567-890 ", "+1 (234) 567-890"),
        ("phone", "tel:+1\xa0234\u2013567", "+1 234-567"),
        ("email", "\u200bmailto:jane@example.com", "jane@example.com"),
    ],
)
@pytest.mark.parametrize("required", [False, True])
def test_good_answers_are_kept_with_the_label(kind: str, given: Any, kept: Any, required: bool) -> None:
    if required and given is False:
        assert why(kind, given, required=True) == "is required"
        return
    [answer] = answered([question(kind, required=required)], {"q": given})
    assert (answer.id, answer.label, answer.answer) == ("q", "What?", kept)
    assert type(answer.answer) is type(kept)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("blank", [None, "", " \t\n", "\u202e\u200b", "\x07"])
def test_a_blank_answer_is_none(kind: str, blank: Any) -> None:
    assert answered([question(kind)], {"q": blank}) == []
    assert why(kind, blank, required=True) == "is required"
    assert answered([question(kind)], {}) == []
    with pytest.raises(Malformed, match=r"^answers.q is required$"):
        answered([question(kind, required=True)], {})


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *((kind, wrong) for kind in ("text", "textarea", "select") for wrong in (1, 1.5, True, False)),
        *((kind, wrong) for kind in KINDS for wrong in ([], ["x"], {}, {"x": 1})),
        *(("checkbox", wrong) for wrong in ("true", "on", 0, 1)),
        *(("number", wrong) for wrong in ("1", True, False, float("nan"), float("inf"), 2 * 10**15, -1e300)),
        *(("email", wrong) for wrong in (1, True, "jane", "jane@", "\ud800@x.org", "x" * 250 + "@x.org")),
        *(("phone", wrong) for wrong in (1234567, "12", "call me", "12345\ud800", "+" + "1" * 60)),
        *((kind, wrong) for kind in ("text", "textarea", "select") for wrong in ("a\0b", "\ud800")),
        ("text", "x" * 1_001),
        ("textarea", "x" * 10_001),
        *(("select", wrong) for wrong in ("Green", "red")),
    ],
)
def test_wrong_answers_are_refused_with_a_reason(kind: str, given: Any) -> None:
    assert why(kind, given) not in ("", "is required")


def test_answers_come_in_the_order_of_the_questions() -> None:
    asked = [question("number", id_="b"), question("text", id_="a"), question("checkbox", id_="c")]
    found = answered(asked, {"a": "x", "c": True, "b": 1})
    assert [(each.id, each.answer) for each in found] == [("b", 1), ("a", "x"), ("c", True)]


def test_every_wrong_answer_is_named_up_to_twenty() -> None:
    asked = [question("select", id_="a"), question("text", id_="b", required=True), question("text", id_="c")]
    with pytest.raises(Malformed) as refused:
        answered(asked, {"a": "Green", "c": "fine", "d": None})
    assert refused.value.details["fields"] == [
        {"field": "answers.a", "reason": "must be one of the question's options", "code": "option"},
        {"field": "answers.b", "reason": "is required", "code": "required"},
        {"field": "answers.d", "reason": "answers no question of this type", "code": "unknown"},
    ]
    with pytest.raises(Malformed) as refused:
        answered([], {str(n): n for n in range(50)})
    assert len(refused.value.details["fields"]) == 20

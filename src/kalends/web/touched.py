"""Which fields of a form somebody has touched: those that don't say what the page showed."""

from collections.abc import Collection, Mapping
from hashlib import sha256

from kalends.web.forms import Form
from kalends.web.kinds import Question


def typed_of(question: Question, answer: str | bool | float | None) -> str:
    """Return what has to be typed for an answer. Staff may have changed the question since it was given."""
    if isinstance(answer, bool) or answer is None or question.type == "checkbox":
        return "1" if answer else ""
    text = f"{answer:.0f}" if isinstance(answer, float) and answer.is_integer() else str(answer)
    if question.type == "select":
        return text if text in dict(question.options) else ""
    return sent_back(text, "\n" if question.type == "textarea" else "")


def sent_back(text: str, line_end: str = "\n") -> str:
    """Return what browsers make of a text in a field. Fields of a single line have no `line_end`."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", line_end)


def marks(texts: Mapping[str, str]) -> str:
    """Return a short mark for the text of each field. The page has those of what it shows, so that what was
    not touched is known, even if somebody else changes it meanwhile."""
    return " ".join(sha256(f"{name}={text}".encode()).hexdigest()[:16] for name, text in texts.items())


def touched_in(form: Form, names: Collection[str], shown: str) -> set[str]:
    """Return the names of the fields that don't say what they said when the page was `shown`, by its
    marks."""
    known = shown.split()
    return {name for name, text in form.typed(*names).items() if marks({name: text}) not in known}

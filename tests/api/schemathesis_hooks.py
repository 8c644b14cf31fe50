"""What JSON Schema can't say of valid requests."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_body(_context: Any, body: Any) -> bool:
    """The ids of booking questions are unique."""
    questions = body.get("bookingQuestions") if isinstance(body, dict) else None
    if not isinstance(questions, list):
        return True
    ids = [str(each.get("id")).strip() for each in questions if isinstance(each, dict)]
    return len(set(ids)) == len(ids)


@schemathesis.hook
def filter_query(_context: Any, query: Any) -> bool:
    """A rehearsal answers as the real call does but makes nothing, so nothing can be found afterwards."""
    return not (isinstance(query, dict) and query.get("dry_run") == "true")

"""Questions that a type's clients answer, one of each sort."""

from typing import Any

QUESTIONS: list[dict[str, Any]] = [
    {"id": "q1", "type": "text", "label": "Company", "required": True},
    {"id": "q2", "type": "select", "label": "Topic", "options": ["Tax", "Audit"]},
    {"id": "q3", "type": "checkbox", "label": "First visit"},
    {"id": "q4", "type": "number", "label": "Staff"},
]

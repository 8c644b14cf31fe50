"""The sentences that mails and pages share, in every language."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locale"


def translate(language: str, sentence: str) -> str:
    """Return a sentence in a language; in English if there is no catalogue of it."""
    return catalogue(language).get(sentence, sentence)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return the translations of a language, by their English sentences."""
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id and entry.string}


def marked(sentence: str) -> str:
    """Return a sentence as it is. It marks a sentence in a table for translation; what shows it translates
    it."""
    return sentence

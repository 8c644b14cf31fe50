"""A language for tests that runs from right to left. It is Arabic to Babel, and every sentence is made by
machine; it is in no catalogue, so nobody is served it by mistake."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from babel.messages.pofile import read_po

from kalends.web import pages
from kalends.words import languages, sentences

LANGUAGE = "ar"
_LETTERS = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "ابجدهفغحيجكلمنوبقرستعفوخيزابجدهفغحيجكلمنوبقرستعفوخيز",
)


@contextmanager
def arabic() -> Iterator[None]:
    """Have mails and pages of this process in that language, too, for whoever asks for it."""
    with pytest.MonkeyPatch.context() as patch:
        known = sentences.catalogue
        patch.setattr(languages, "LANGUAGES", (*languages.LANGUAGES, LANGUAGE))
        patch.setattr(
            sentences, "catalogue", lambda language: _made() if language == LANGUAGE else known(language)
        )
        _forget()
        try:
            yield
        finally:
            pages.environment.cache_clear()
            _forget()


def _forget() -> None:
    """Forget which languages there are."""
    languages.locale_of.cache_clear()
    languages.known_language.cache_clear()


def said(sentence: str) -> str:
    """Return a sentence as that language has it: its letters are exchanged, and what is in braces stays."""
    parts = re.split(r"(\{\w*\})", sentence)
    return "".join(each if each.startswith("{") else each.translate(_LETTERS) for each in parts)


@cache
def _made() -> dict[str, str]:
    """Return what the other languages have, in this one."""
    with (sentences.FOLDER / "de.po").open("rb") as file:
        return {str(each.id): said(str(each.id)) for each in read_po(file) if each.id}

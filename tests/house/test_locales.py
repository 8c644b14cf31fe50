"""Mails and pages in every language: no sentence is forgotten, and none is left over."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import kalends
from kalends.delivery import letters
from kalends.words.languages import LANGUAGES
from kalends.words.sentences import FOLDER

SOURCE = Path(kalends.__file__).parent
TEMPLATES = sorted(path for path in SOURCE.glob("*/templates/**/*") if path.is_file())
MARKS = {"_": None, "marked": None, "say": None}
"""The names of what is called with a sentence."""


def sentences() -> Iterator[str]:
    """What is translated: subjects, openings, what templates and code mark, and what goes around it."""
    yield from letters._SUBJECTS.values()
    yield from letters._STAFF_SUBJECTS.values()
    for opening in letters._OPENINGS.values():
        yield from opening
    yield from (*letters._LINKS.values(), letters._LINK)
    yield from letters._CHECKED.values()
    methods = [("**/templates/**", "jinja2.ext.babel_extract"), ("**.py", "python")]
    for _, _, sentence, _, _ in extract_from_dir(SOURCE, methods, keywords=MARKS):
        assert isinstance(sentence, str)
        yield sentence


def test_there_is_a_catalogue_for_every_language_but_the_templates_own() -> None:
    assert {path.stem for path in FOLDER.glob("*.po")} == set(LANGUAGES) - {"en"}


@pytest.mark.slow
@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_catalogue_has_every_sentence_and_no_other(language: str) -> None:
    text = (FOLDER / f"{language}.po").read_text()
    with (FOLDER / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    assert str(catalogue.locale) == language
    entries = {str(entry.id): entry for entry in catalogue if entry.id}
    assert set(entries) == set(sentences())
    assert text.count("\nmsgid ") == len(entries)  # each once
    assert not catalogue.obsolete
    for sentence, entry in entries.items():
        translated = str(entry.string)
        assert translated.strip()
        assert not entry.fuzzy
        assert sorted(re.findall(r"\{\w*\}", translated)) == sorted(re.findall(r"\{\w*\}", sentence))
        if len(sentence.split()) > 1:
            assert translated != sentence


def test_what_people_read_is_marked_for_translation() -> None:
    """Outside of markup and of expressions there are no words, nor in attributes that people read."""
    assert {template.stem for template in TEMPLATES} >= {"client", "staff", "base", "refusal"}
    for template in TEMPLATES:
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", template.read_text(), flags=re.DOTALL)
        attributes = re.findall(r"\b(?:alt|aria-\w*label|label|placeholder|title)=\"([^\"]*)\"", text)
        assert not [each for each in attributes if re.search(r"\w", each)], template.name
        assert not re.findall(r"\w+", re.sub(r"<[^>]*>", "", text)), template.name

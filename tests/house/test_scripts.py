"""No word is written in letters of several scripts: an eye takes one for another, and no search finds it."""

import re
import unicodedata
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = ("*.py", "*.html", "*.txt", "*.po", "*.js", "*.css", "*.md")
SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "FULLWIDTH")
MIXED = "H\N{CYRILLIC SMALL LETTER TE}\N{CYRILLIC SMALL LETTER TE}ps"


def mixed_in(text: str) -> list[str]:
    """The words of a text that have letters of several scripts."""
    return [word for word in re.findall(r"[^\W\d_]{2,}", text) if len(scripts_of(word)) > 1]


def scripts_of(word: str) -> set[str]:
    if word.isascii():
        return {"LATIN"}
    names = [unicodedata.name(letter, "") for letter in word]
    return {script for script in SCRIPTS for name in names if name.startswith(script)}


def test_no_word_mixes_scripts() -> None:
    assert mixed_in(f"{MIXED} Größe \N{GREEK CAPITAL LETTER OMEGA}") == [MIXED]
    paths = [each for folder in ("src", "docs") for kind in KINDS for each in (ROOT / folder).rglob(kind)]
    assert len(paths) > 300
    assert [path for path in paths if mixed_in(path.read_text())] == []

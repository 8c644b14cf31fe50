"""Templates and files of pages: strict enough for the policy that browsers enforce, small, and in every
language (that is in test_locales.py)."""

import gzip
import re
from pathlib import Path

import pytest
from jinja2 import nodes

from kalends.core.colors import DARK, LIGHT, SHAPE_CONTRAST, TEXT_CONTRAST, contrast
from kalends.web import assets, pages
from kalends.web.themes import DEFAULT, theme

TEMPLATES = sorted(pages.FOLDER.rglob("*.html"))
FILES = sorted(assets.FOLDER.iterdir())
BUDGET = {
    "[!d]*.js": 10 * 1024,
    "day*.js": 12 * 1024,
    "*.css": 10 * 1024,
    "*.svg": 1024,
}
"""How many bytes all files of a kind may have together when they are compressed. Only staff load the scripts
of their day."""
FORBIDDEN = {
    "a style in an attribute": r"<[^>]*\sstyle\s*=",
    "a style in the page": r"<style\b",
    "a script in an attribute": r"<[^>]*\son\w+\s*=",
    "a script in the page": r'<script\b(?![^>]*\b(?:src=|type="application/ld\+json"))',
    "a script as an address": r"javascript:",
    "an address of another server": r"(?:src|href|action)\s*=\s*[\"']?(?:https?:)?//",
    "markup that is not escaped": r"\|\s*safe\b|\bMarkup\b|autoescape\s+false",
}
LEFT_AND_RIGHT = re.compile(
    r"(?:margin|padding|border|inset)-(?:left|right|top|bottom)|(?<![-\w])(?:left|right|top|bottom|width|height)\s*:"
    r"|(?:min|max)-(?:width|height)\s*:|text-align\s*:\s*(?:left|right)|float\s*:"
)
"""What knows no direction of writing."""


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_that_the_policy_forbids(path: Path) -> None:
    text = path.read_text()
    found = [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)]
    assert not found


@pytest.mark.parametrize(
    "broken",
    [
        '<p style="color: red">',
        "<style>p {}</style>",
        '<body onload="x()">',
        "<script>x()</script>",
        '<a href="javascript:x()">',
        '<img src="https://cdn.example/x.png">',
        "<script src=//cdn.example/x.js></script>",
        "{{ name|safe }}",
    ],
)
def test_what_is_forbidden_is_found(broken: str) -> None:
    assert [what for what, pattern in FORBIDDEN.items() if re.search(pattern, broken, re.IGNORECASE)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_can_be_read(path: Path) -> None:
    """Every file that it asks for is there."""
    name = path.relative_to(pages.FOLDER).as_posix()
    parsed = pages.environment("en").parse(path.read_text())
    pages.environment("en").get_template(name)
    for call in parsed.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "asset":
            file = call.args[1]
            assert isinstance(file, nodes.Const)
            assert file.value in assets.assets()


def test_every_file_is_served() -> None:
    assert {path.name for path in FILES} == set(assets.assets())


@pytest.mark.parametrize("kind", BUDGET)
def test_files_are_small(kind: str) -> None:
    found = [path for path in FILES if path.match(kind)]
    assert found
    assert sum(len(gzip.compress(path.read_bytes())) for path in found) <= BUDGET[kind]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_ask_for_nothing_elsewhere(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    text = re.sub(r'^import \{[^}]*\} from "\./[a-z-]+\.js";$', "", text, flags=re.MULTILINE)
    assert not re.findall(r"https?://|(?<![:\w])//\w+\.|@import|url\(|\bimport\b", text)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix == ".css"], ids=lambda path: path.name
)
def test_a_stylesheet_knows_no_left_and_right(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    assert not LEFT_AND_RIGHT.findall(text)
    assert "prefers-reduced-motion" in text
    assert "forced-colors" in text


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".js"], ids=lambda path: path.name)
def test_a_script_stores_nothing_and_makes_no_code(path: Path) -> None:
    wrong = (
        r"localStorage|sessionStorage|indexedDB|document\.cookie|\beval\b|new Function|innerHTML|\.style\b"
    )
    assert not re.findall(wrong, path.read_text())


def test_the_stylesheet_has_the_colours_that_contrast_was_made_for() -> None:
    text = (assets.FOLDER / "book.css").read_text()
    assert theme(DEFAULT) in text
    for name in ("surface", "raised", "text"):
        assert f"--{name}: light-dark({getattr(LIGHT, name)}, {getattr(DARK, name)})" in text


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_what_has_no_colour_of_an_organization_can_be_read_too(scheme: int) -> None:
    text = (assets.FOLDER / "book.css").read_text()
    colors = {
        name: both[scheme]
        for name, *both in re.findall(r"--([\w-]+):\s*light-dark\((#\w{6}),\s*(#\w{6})\)", text)
    }
    grounds = ("surface", "raised", "tint")
    for word, behind in (
        *((word, ground) for word in ("text", "muted", "accent") for ground in grounds),
        *((word, ground) for word in ("wrong", "good") for ground in ("surface", "raised")),
        *(("text", "wrong-tint"), ("wrong", "wrong-tint"), ("text", "good-tint"), ("on-fill", "fill")),
    ):
        assert contrast(colors[word], colors[behind]) >= TEXT_CONTRAST, (word, behind)
    for ground in ("surface", "raised"):
        for line in ("edge", "outline"):
            assert contrast(colors[line], colors[ground]) >= SHAPE_CONTRAST, line

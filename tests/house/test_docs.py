"""The documents: links lead somewhere, in the sdist, too, and decisions have one form."""

import re
import tarfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def links(document: Path) -> list[tuple[Path, str]]:
    """Return what a document refers to in this repository: files or folders, and anchors in them."""
    targets = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    parts = [target.partition("#") for target in targets if "://" not in target]
    return [((document.parent / path).resolve() if path else document, anchor) for path, _, anchor in parts]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    for target, anchor in links(document):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{named(target)}#{anchor}"


def test_the_sdist_has_what_the_documents_link_to(tmp_path: Path) -> None:
    [sdist] = SdistBuilder(str(ROOT)).build(directory=str(tmp_path))
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = {name.rpartition("/")[0] for name in names}
    for document in DOCUMENTS:
        for target, _ in links(document):
            assert named(target) in names | folders, f"{named(document)}: {named(target)}"
    assert {"tests/house/test_docs.py", ".ci/run", "constraints.txt"} <= names


@pytest.mark.parametrize("decision", DECISIONS, ids=named)
def test_decisions_have_one_form(decision: Path) -> None:
    text = decision.read_text()
    assert text.startswith(f"# {int(decision.name[:4])}. ")
    for part in ("Context", "Decision", "Consequence"):
        assert re.search(rf"^\*\*{part}\.\*\* [A-Z`]", text, re.MULTILINE), part


def test_decisions_are_numbered_one_after_the_other() -> None:
    assert [int(each.name[:4]) for each in DECISIONS] == list(range(1, len(DECISIONS) + 1))

"""One table of refusals: complete, and what is documented is made from it."""

import os
from pathlib import Path

from kalends.api.errors import status_of
from kalends.core import errors
from kalends.schemas.wrong_fields import CODES
from tests.support.answers import REFUSALS

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"
API = DOCUMENT.with_name("api.md")


def every(refusal: type[errors.Refusal]) -> set[type[errors.Refusal]]:
    return {refusal}.union(*(every(each) for each in refusal.__subclasses__()))


def test_every_refusal_has_its_status_and_its_own_code() -> None:
    assert set(REFUSALS) == every(errors.Refusal) - {errors.Refusal}
    codes = [refusal.code for refusal in REFUSALS]
    assert len(set(codes)) == len(codes)


def test_every_code_is_documented_with_its_status_and_sentence() -> None:
    """If a change is meant: `make snapshots`, and read the difference."""
    head, _, rest = DOCUMENT.read_text().partition("| --- | --- | --- |\n")
    documented, _, details = rest.partition("\n\n")
    expected = "\n".join(
        f"| {status_of(refusal)} | `{refusal.code}` | {refusal.sentence()} |" for refusal in REFUSALS
    )
    if os.environ.get("KALENDS_UPDATE_SNAPSHOTS"):
        DOCUMENT.write_text(f"{head}| --- | --- | --- |\n{expected}\n\n{details}")
        return
    assert documented == expected


def test_every_code_of_a_field_is_documented_with_its_meaning() -> None:
    """If a change is meant: `make snapshots`, and read the difference."""
    opening = "| `code` of a field | meaning |\n| --- | --- |\n"
    head, _, rest = API.read_text().partition(opening)
    documented, _, after = rest.partition("\n\n")
    expected = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in CODES.items())
    if os.environ.get("KALENDS_UPDATE_SNAPSHOTS"):
        API.write_text(f"{head}{opening}{expected}\n\n{after}")
        return
    assert documented == expected

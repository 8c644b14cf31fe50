"""Public holidays do not depend on the server, nor on how a country is spelled."""

import os
import subprocess
import sys

import pytest

from kalends.core.errors import Malformed
from kalends.services.setup.public_holidays import of_year


@pytest.mark.parametrize(
    ("country", "subdivision", "source"),
    [
        ("DE", None, "DE"),
        ("deu", None, "DE"),
        ("De", "BY", "DE-BY"),
        ("DE", "by", "DE-BY"),
        ("DE", "DE-BY", "DE-BY"),
        ("DEU", "deu-by", "DE-BY"),
        ("DE", "bayern", "DE-BY"),
        ("GBR", None, "GB"),
        ("US", "California", "US-CA"),
        ("FR", "Moselle", "FR-57"),
        ("CH", "", "CH"),
    ],
)
def test_every_usual_spelling_is_one_source(country: str, subdivision: str | None, source: str) -> None:
    assert of_year(country, subdivision, 2027, None)[0] == source


@pytest.mark.parametrize(
    ("country", "language", "new_year"),
    [
        ("DE", None, "Neujahr"),
        ("DE", "de-AT", "Neujahr"),
        ("DE", "en-GB", "New Year's Day"),
        ("DE", "it", "Neujahr"),
        ("CH", "fr-CH", "Nouvel An"),
        ("GB", "de", "New Year's Day"),
        ("FR", None, "Jour de l'an"),
        ("BR", "pt", "Confraternização Universal"),
    ],
)
def test_names_are_in_the_language_asked_for_or_in_the_countrys_own(
    country: str, language: str | None, new_year: str
) -> None:
    _, days = of_year(country, None, 2027, language)
    assert days[min(days)] == new_year


@pytest.mark.parametrize("language", ["th_TH.UTF-8", "en_US.UTF-8", "C"])
def test_names_do_not_follow_the_servers_language(language: str) -> None:
    asked = (
        "from kalends.services.setup.public_holidays import of_year; "
        "_, days = of_year('DE', None, 2027, None); "
        "print(days[min(days)])"
    )
    environment = os.environ | dict.fromkeys(("LANG", "LANGUAGE", "LC_ALL"), language)
    said = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "Neujahr"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (("LK", None, 2100), "known for the years 2003 to 2026, not for 2100"),
        (("DE", None, 1970), "known for the years 1991 to 2100, not for 1970"),
        (("XX", None, 2027), "The country 'XX' is not known"),
        (("DE", "XX", 2027), "known are BB, BE, BW, BY"),
        (("DE", "FR-BY", 2027), "The subdivision 'FR-BY' of DE is not known"),
        (("SG", "X", 2027), "it has none"),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(wish: tuple[str, str | None, int], said: str) -> None:
    with pytest.raises(Malformed) as refused:
        of_year(*wish, None)
    assert said in refused.value.message

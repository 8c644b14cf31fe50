"""Which of a type's translations a reader gets."""

import pytest

from kalends.services.booking.particulars import texts_in

STORED = {"de": {"name": "Beratung"}, "pt-BR": {"name": "Consulta"}, "ja": {"name": "相談"}}
IN_ENGLISH = {"en": {"name": "Consultation"}}


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("de", "Beratung"),
        ("de-AT", "Beratung"),
        ("DE-at", "Beratung"),
        ("pt-br", "Consulta"),
        ("pt", None),
        ("ja-JP", "相談"),  # though no mail is written in it
        ("fr", None),
        ("deu", None),
        ("", None),
    ],
)
def test_texts_are_those_nearest_to_the_tag(tag: str, name: str | None) -> None:
    assert texts_in(STORED, tag).name == name


def test_who_is_written_to_in_english_reads_the_english_texts() -> None:
    everything = STORED | IN_ENGLISH
    names = [texts_in(everything, tag).name for tag in ("it", "en-GB", "ja", "fr")]
    assert names == ["Consultation", "Consultation", "相談", None]

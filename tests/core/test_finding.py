"""How texts are compared when somebody searches."""

import pytest

from kalends.core.finding import found_by, plain, readings, words

NOBODY = dict.fromkeys(
    (
        *("client_name", "client_email", "client_email_folded", "client_phone", "client_phone_digits"),
        *("client_notes", "internal_notes"),
    )
)


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("José  MÜLLER\n", "jose muller"),
        ("Straße", "strasse"),
        ("e\u0301", "e"),
        ("İstanbul", "istanbul"),
        ("Ὀδυσσεύς", "οδυσσευσ"),
        ("ﬁne １２３", "fine 123"),
        ("ｊａｎｅ＠example.com", "jane@example.com"),
    ],
)
def test_neither_capitals_nor_accents_count(text: str, compared: str) -> None:
    assert plain(text) == compared
    assert plain(compared) == compared


def test_words_that_others_contain_are_not_searched_for_once_more() -> None:
    assert words("  Ann ann, Anna ann ") == ["ann,", "anna"]
    assert words(" \u0301 ") == []
    assert readings("(030)-12") == ["(030)-12", "03012", "3012"]
    assert readings("01") == ["01"]
    assert readings("12") == ["12"]
    assert readings("a-12") == ["a-12"]


def test_a_client_is_one_by_address_or_number_or_name() -> None:
    named = NOBODY | {"client_name": "Zoë", "client_phone": "+49 (30) 12", "client_phone_digits": "493012"}
    assert found_by(NOBODY) == {"client_key": None, "client_words": ""}
    assert found_by(NOBODY | {"client_name": "Zoë"}) == {"client_key": "n:zoe", "client_words": "zoe"}
    assert found_by(named) == {"client_key": "p:493012", "client_words": "zoe +49 (30) 12 493012"}
    mailed = named | {"client_email": "Z@example.com", "client_email_folded": "z@example.com"}
    assert found_by(mailed)["client_key"] == "e:z@example.com"


def test_what_grows_when_it_is_compared_stays_small_enough() -> None:
    long = found_by(NOBODY | {"client_name": "\ufdfa" * 255, "client_notes": "\ufdfa" * 10_000})
    assert len((long["client_key"] or "").encode()) < 2_000
    assert len(long["client_words"] or "") == 10_000

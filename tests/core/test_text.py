import pytest

from kalends.core.errors import Malformed
from kalends.core.text import in_lines, is_blank, named, one_line

BREAKS = ["\n", "\r", "\r\n", "\t", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u2028", "\u2029"]
GONE = ["\x01", "\x07", "\x08", "\x1b", "\x7f", "\x80", "\x9f"]
TURNS = ["\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]
KEPT = ["می‌خواهم", "👨‍👩‍👧", "क्‍ष", "Zoë Ångström", "a  b", "e\u0301", "東京　都", "O’Neil"]


@pytest.mark.parametrize("each", BREAKS)
def test_what_moves_on_becomes_one_space(each: str) -> None:
    assert one_line(f"Jane{each}Doe") == "Jane Doe"
    assert one_line(f" Jane {each}{each} {each}Doe{each}") == "Jane Doe"
    assert one_line(each) == ""


@pytest.mark.parametrize("each", GONE + TURNS)
def test_controls_and_what_turns_text_go(each: str) -> None:
    assert one_line(f"{each}Ja{each}ne Doe {each}") == "Jane Doe"
    assert one_line(f"Jane {each}\n Doe") == "Jane Doe"
    assert in_lines(f"one{each}\n{each}two") == "one\ntwo"


@pytest.mark.parametrize("text", KEPT)
def test_what_names_are_written_with_stays(text: str) -> None:
    assert one_line(text) == text
    assert in_lines(text) == text


def test_lines_stay_lines() -> None:
    assert in_lines("a\nb\r\nc\rd\te") == "a\nb\r\nc\rd\te"
    assert in_lines("a\vb\fc\x85d\u2028e\u2029f") == "a\nb\nc\nd\ne\nf"


def test_a_long_run_of_spaces_takes_no_time() -> None:
    assert one_line("\u200ba" + " " * 1_000_000 + "b") == "\u200ba" + " " * 1_000_000 + "b"


@pytest.mark.parametrize(
    "blank", ["", "  ", "\n\t", *GONE, *TURNS, "\u200b", "\ufeff", "\u3164 \xad", "\u2060"]
)
def test_blank_is_what_shows_nothing(blank: str) -> None:
    assert is_blank(blank)
    assert not is_blank(blank + "x")
    with pytest.raises(Malformed):
        named(blank)


def test_a_name_is_one_line_of_at_most_255_characters() -> None:
    assert named(" Praxis\nMüller\u202e ") == "Praxis Müller"
    assert named("x" * 255 + "\n") == "x" * 255
    for wrong in ("x" * 256, "a\0b", "\0", "a\ud800b"):
        with pytest.raises(Malformed, match="1 to 255 characters"):
            named(wrong)

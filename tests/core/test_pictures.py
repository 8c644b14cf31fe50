"""What the first bytes of a picture say, and whether it has its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalends.core.pictures import MOST_PIXELS, CutOff, picture_of
from tests.support.pictures import jpeg, png, webp


@pytest.mark.parametrize(
    ("content", "media_type", "size"),
    [
        (png(320, 80), "image/png", (320, 80)),
        (png(MOST_PIXELS, 1), "image/png", (MOST_PIXELS, 1)),
        (jpeg(320, 80), "image/jpeg", (320, 80)),
        (jpeg(320, 80, marker=0xC2), "image/jpeg", (320, 80)),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 400 + jpeg(320, 80)[2:], "image/jpeg", (320, 80)),
        (b"\xff\xd8" + b"\xff" * 100_000 + jpeg(320, 80)[2:], "image/jpeg", (320, 80)),
        (webp(b"VP8X", 320, 80), "image/webp", (320, 80)),
        (webp(b"VP8L", 320, 80), "image/webp", (320, 80)),
        (webp(b"VP8 ", 320, 80), "image/webp", (320, 80)),
    ],
)
def test_kind_and_size_are_read(content: bytes, media_type: str, size: tuple[int, int]) -> None:
    picture = picture_of(content)
    assert (picture.media_type, (picture.width, picture.height)) == (media_type, size)
    assert picture.content == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"GIF89a\x01\x00\x01\x00",
        b"%PDF-1.7",
        b"<!doctype html><script>alert(1)</script>",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"RIFF\x10\0\0\0WEBPJUNK\0\0\0\0",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xfe\0\0",
        b"\xff\xd8" + b"\xff\xd0" * 500 + jpeg()[2:],
        b"\xff\xd8" + b"\xff\xfe\0\2" * 500 + jpeg()[2:],
        b"\xff\xd8" + b"\xff" * 200_000,
        png(0, 10),
        png(10, MOST_PIXELS + 1),
        jpeg(0, 10),
        jpeg(MOST_PIXELS + 1, 10),
        webp(b"VP8 ", 0, 10),
        webp(b"VP8X", MOST_PIXELS + 1, 10),
        b"\n" + png(),
    ],
)
def test_what_is_no_picture_is_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(This|The picture).*\.$"):
        picture_of(content)


@pytest.mark.parametrize(
    "whole", [png(320, 80), jpeg(320, 80), webp(b"VP8X"), webp(b"VP8L"), webp(b"VP8 ")], ids=lambda it: it[:4]
)
def test_a_picture_without_its_end_is_refused(whole: bytes) -> None:
    assert picture_of(whole + b"and more").content == whole + b"and more"
    with pytest.raises(CutOff, match=r"^The file is not complete\.$"):
        picture_of(whole[:-1])


def test_the_end_of_a_picture_within_a_jpeg_is_not_its_own() -> None:
    small = b"\xff\xd8\xff\xd9"
    whole = b"\xff\xd8\xff\xe1" + (2 + len(small)).to_bytes(2, "big") + small + jpeg(320, 80)[2:]
    assert picture_of(whole).width == 320
    with pytest.raises(CutOff):
        picture_of(whole[:-1])


@given(
    whole=st.sampled_from([png(), jpeg(), webp(b"VP8X"), webp(b"VP8L"), webp(b"VP8 ")]),
    length=st.integers(0, 40),
    rest=st.binary(max_size=40),
)
def test_whatever_is_sent_is_a_picture_or_refused(whole: bytes, length: int, rest: bytes) -> None:
    content = whole[:length] + rest
    try:
        picture = picture_of(content)
    except ValueError as error:
        assert str(error).endswith(".")  # noqa: PT017 - either outcome is right
    else:
        assert 0 < picture.width <= MOST_PIXELS
        assert 0 < picture.height <= MOST_PIXELS

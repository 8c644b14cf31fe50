"""Small pictures of every kind, made without a library: what their first bytes say is true."""

import struct
import zlib


def png(width: int = 40, height: int = 40, shade: int = 0x24) -> bytes:
    """A PNG in one shade of grey."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes([shade]) * width for _ in range(min(height, 100)))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def jpeg(width: int = 40, height: int = 30, marker: int = 0xC0) -> bytes:
    """The beginning of a JPEG: a comment and padding before the frame."""
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 5) + b"hello"
    frame = b"\xff" + bytes([marker]) + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + comment + b"\xff" + frame + b"\xff\xd9"


def webp(kind: bytes = b"VP8X", width: int = 40, height: int = 30) -> bytes:
    """The beginning of a WebP: extended, lossless or lossy."""
    match kind:
        case b"VP8X":
            data = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        case b"VP8L":
            data = b"\x2f" + ((height - 1) << 14 | (width - 1)).to_bytes(4, "little")
        case _:
            data = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind + struct.pack("<I", len(data)) + data + b"EXIF" + bytes(4)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk

"""WebP: the first image of a file, whole, upright and on white; anything cut or inconsistent is rejected."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from devtools.photos import kinds
from face_comparison import image
from face_comparison.errors import CorruptImage, ImageTooLarge

WEBPS = {name: sample for name, sample in kinds.samples().items() if name.startswith("webp")}
SCENE = kinds.scene()
LOSSLESS = WEBPS["webp lossless"].data
LOSSY = WEBPS["webp lossy"].data


def decoded(data: bytes) -> NDArray[np.uint8]:
    return image.decode(data, image.read_header(data))


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extended(width: int, height: int, flags: int = 0) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)


def frame(left: int, top: int, data: bytes) -> bytes:
    """An animation's frame that shows a WebP of one chunk."""
    place = (left // 2).to_bytes(3, "little") + (top // 2).to_bytes(3, "little")
    return chunk(b"ANMF", place + bytes(10) + data[12:])


@pytest.mark.parametrize("name", WEBPS)
def test_truncated_image_is_corrupt(name: str) -> None:
    data = WEBPS[name].data
    for size in (*range(12, len(data) - 1, 7), len(data) - 2):
        with pytest.raises(CorruptImage):
            decoded(data[:size])


def test_trailer_and_missing_padding_are_ignored() -> None:
    np.testing.assert_array_equal(decoded(LOSSLESS + b"trailer" * 30), SCENE)
    odd = riff(chunk(b"VP8L", LOSSLESS[20:] + b"\0" * (1 - len(LOSSLESS[20:]) % 2)))
    np.testing.assert_array_equal(decoded(odd[:-1]), SCENE)


def test_metadata_is_ignored() -> None:
    image_chunk = LOSSLESS[12:]
    for others in (chunk(b"XMP ", b"<x" * 9000), chunk(b"ICCP", bytes(777)), chunk(b"????", b"odd"), b""):
        flags = 0x24
        data = riff(extended(SCENE.shape[1], SCENE.shape[0], flags), others, image_chunk, others)
        np.testing.assert_array_equal(decoded(data), SCENE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = kinds.encode(Image.fromarray(SCENE), "WEBP", lossless=True, exif=exif)
    as_png = kinds.encode(Image.fromarray(SCENE), "PNG", exif=exif)
    np.testing.assert_array_equal(decoded(data), decoded(as_png))


@pytest.mark.parametrize(("left", "top"), [(0, 0), (10, 4), (54, 68)])
def test_first_frame_is_placed_on_canvas(left: int, top: int) -> None:
    other = kinds.encode(Image.new("RGB", (9, 9), "red"), "WEBP", lossless=True)
    data = riff(extended(100, 100, 2), chunk(b"ANIM", bytes(6)), frame(left, top, LOSSLESS), frame(0, 0, other))
    header = image.read_header(data)
    assert (header.width, header.height) == (100, 100)
    expected = np.full((100, 100, 3), 255, np.uint8)
    height, width = SCENE.shape[:2]
    expected[top : top + height, left : left + width] = SCENE
    np.testing.assert_array_equal(decoded(data), expected)


def test_frame_outside_canvas_is_corrupt() -> None:
    with pytest.raises(CorruptImage, match="canvas"):
        image.read_header(riff(extended(100, 100, 2), frame(60, 0, LOSSLESS)))


@pytest.mark.parametrize(
    "data",
    [
        riff(),
        riff(extended(45, 31)),
        riff(extended(45, 31, 0x10), chunk(b"ALPH", b"\0" * 40)),
        riff(chunk(b"VP8L", b"\x2f")),
        riff(chunk(b"VP8 ", bytes(40))),
        riff(chunk(b"VP8 ", LOSSY[20:40])),
        riff(chunk(b"VP8 ", LOSSY[20:26] + bytes(2) + LOSSY[28:])),
        riff(extended(45, 31, 16), chunk(b"ALPH", b"\0"), chunk(b"VP8 ", LOSSY[20:28] + bytes(2) + LOSSY[30:])),
        riff(chunk(b"VP8L", LOSSLESS[20:60])),
        riff(chunk(b"ANMF", bytes(5))),
        riff(*[chunk(b"EXIF", b"")] * 5000),
    ],
    ids=range(11),
)
def test_file_without_complete_image_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptImage):
        decoded(data)


def test_longest_side_is_read_from_header() -> None:
    huge = riff(extended(16384, 40), LOSSLESS[12:])
    with pytest.raises(ImageTooLarge):
        image.read_header(huge)
    assert image.read_header(huge, 16384).width == 16384

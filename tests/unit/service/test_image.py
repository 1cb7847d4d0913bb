"""Pictures as callers see them: format by content, limits from the header, upright RGB or one of three errors."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from face_comparison import image
from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    """A smooth picture whose four corners differ, so that every turn shows."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_picture_is_known_by_its_content(kind: str) -> None:
    header = image.read_header(encoded(gradient(60, 40), kind))
    assert header == image.Header(kind.lower(), 60, 40, 1)


@pytest.mark.parametrize("data", [b"", b"G", b"GIF89a" + b"\0" * 50, b"RIFF\0\0\0\0WEBP", b"<svg/>", b"\0" * 100])
def test_any_other_content_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        image.read_header(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_the_longest_side_has_a_limit(kind: str) -> None:
    assert image.read_header(encoded(gradient(image.MAX_SIDE, 1), kind)).width == image.MAX_SIDE
    with pytest.raises(ImageTooLarge):
        image.read_header(encoded(gradient(1, image.MAX_SIDE + 1), kind))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(kind: str, orientation: int) -> None:
    undo = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_270],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_90],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(gradient(48, 32), kind, exif=exif)
    expected = Image.open(io.BytesIO(encoded(gradient(48, 32), kind)))
    for turn in undo[orientation]:
        expected = expected.transpose(turn)
    header = image.read_header(data)
    pixels = image.decode(data, header)
    assert (header.width, header.height, header.orientation) == (*expected.size, orientation)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(expected))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_picture_cut_in_half_is_corrupt(kind: str) -> None:
    data = encoded(gradient(60, 40), kind)
    with pytest.raises(CorruptImage):
        cut = data[: len(data) // 2]
        image.decode(cut, image.read_header(cut))

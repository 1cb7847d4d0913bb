"""Images as callers see them: format by content, limits from the header, upright RGB or one of three errors."""

from __future__ import annotations

import base64
import io
import struct
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from devtools.photos import kinds, samples
from face_comparison import image
from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat
from face_comparison.image.formats import format_of

SAMPLES = kinds.samples()
FORMATS = ("JPEG", "PNG", "BMP")


def encoded(opened: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    opened.save(stream, kind, **options)
    return stream.getvalue()


def decoded(data: Any, reduce: image.Reduce = 1) -> NDArray[np.uint8]:
    return image.decode(data, image.read_header(data), reduce)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_is_decoded(name: str) -> None:
    sample = SAMPLES[name]
    header = image.read_header(sample.data)
    pixels = image.decode(sample.data, header)
    assert header == image.Header(format_of(sample.data).name, kinds.WIDTH, kinds.HEIGHT, 1)
    assert (pixels.dtype, pixels.shape, pixels.flags.c_contiguous) == (np.uint8, sample.pixels.shape, True)
    assert np.abs(pixels.astype(int) - sample.pixels).max() <= sample.tolerance


@pytest.mark.parametrize("path", samples.photographs().values(), ids=lambda path: path.name)
def test_photographs_match_pillow(path: Path) -> None:
    with Image.open(path) as opened:
        np.testing.assert_array_equal(decoded(path.read_bytes()), np.asarray(opened.convert("RGB")))


@pytest.mark.parametrize("data", [b"", b"G", b"GIF89a" + bytes(50), b"RIFF\0\0\0\0WAVE", b"<svg/>", bytes(100)])
def test_other_content_is_unsupported_format(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        image.read_header(data)


@pytest.mark.parametrize("digits", [b"ffd8ffe000104a46", b"FFD8FFE1", b"89504e470d0a1a0a", b"0xffd8ffe0"])
def test_hexadecimal_text_is_reported(digits: bytes) -> None:
    for data in (digits, base64.b64decode(digits[:8])):
        with pytest.raises(UnsupportedFormat, match="hexadecimal"):
            image.read_header(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_longest_side_is_limited(kind: str) -> None:
    allowed, wide, high = ((image.MAX_SIDE, 1), (image.MAX_SIDE + 1, 1), (1, image.MAX_SIDE + 1))
    assert image.read_header(encoded(Image.new("RGB", allowed), kind)).width == image.MAX_SIDE
    for size in (wide, high):
        with pytest.raises(ImageTooLarge):
            image.read_header(encoded(Image.new("RGB", size), kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("reduce", [1, 2, 4, 8])
def test_any_buffer_is_decoded_in_place(kind: str, reduce: image.Reduce) -> None:
    data = encoded(Image.fromarray(kinds.scene()), kind)
    np.testing.assert_array_equal(decoded(memoryview(data), reduce), decoded(data, reduce))
    np.testing.assert_array_equal(decoded(bytearray(data), reduce), decoded(data, reduce))


@pytest.mark.parametrize("reduce", [2, 4, 8])
def test_reduced_jpeg_is_scaled_image(reduce: image.Reduce) -> None:
    scene = Image.fromarray(kinds.scene(401, 299))
    small = decoded(encoded(scene, "JPEG", quality=95), reduce)
    assert small.shape == (-(-299 // reduce), -(-401 // reduce), 3)
    expected = np.asarray(scene.reduce(reduce))[1:-1, 1:-1].astype(int)
    assert np.abs(small[1:-1, 1:-1] - expected).mean() < 2


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_other_formats_ignore_reduction(kind: str) -> None:
    assert decoded(encoded(Image.fromarray(kinds.scene()), kind), 4).shape == (kinds.HEIGHT, kinds.WIDTH, 3)


UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", UNDO)
def test_every_orientation_is_undone(kind: str, orientation: int) -> None:
    scene = Image.fromarray(kinds.scene())
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene, kind, exif=exif)
    expected: Image.Image = Image.open(io.BytesIO(encoded(scene, kind)))
    if (undo := UNDO[orientation]) is not None:
        expected = expected.transpose(undo)
    header = image.read_header(data)
    pixels = image.decode(data, header)
    assert (header.width, header.height, header.orientation) == (*expected.size, orientation)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(expected))
    if kind == "JPEG":
        assert image.decode(data, header, 4).shape[:2] == (-(-header.height // 4), -(-header.width // 4))


def exif(order: str, entries: int, tag: int, kind: int, value: int) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    field = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
    return mark + struct.pack(order + "IHHHI", 8, entries, tag, kind, 1) + field


@pytest.mark.parametrize(
    ("content", "orientation"),
    [
        (exif("<", 1, 0x0112, 3, 6), 6),
        (exif(">", 1, 0x0112, 3, 6), 6),
        (exif(">", 1, 0x0112, 4, 8), 8),
        (exif("<", 1, 0x0112, 3, 9), 1),
        (exif("<", 1, 0x0112, 3, 0), 1),
        (exif("<", 1, 0x0112, 2, 6), 1),
        (exif("<", 1, 0x0111, 3, 6), 1),
        (exif("<", 65535, 0x0111, 3, 6), 1),
        (exif("<", 1, 0x0112, 3, 6)[:-5], 1),
        (b"II*\0\xff\xff\xff\xff", 1),
        (b"XX*\0", 1),
        (b"", 1),
    ],
)
def test_invalid_metadata_is_ignored(content: bytes, orientation: int) -> None:
    data = kinds.jpeg()
    segment = b"Exif\0\0" + content
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
    assert image.read_header(data).orientation == orientation
    chunked = kinds.png(kinds.scene(), 8, 2, eXIf=content)
    assert image.read_header(chunked).orientation == orientation


@pytest.mark.parametrize("kind", FORMATS)
def test_image_without_pixels_is_corrupt(kind: str) -> None:
    width = {"JPEG": (">H", 7), "PNG": (">I", 16), "BMP": ("<i", 18)}
    form, at = width[kind]
    data = bytearray(encoded(Image.fromarray(kinds.scene()), kind))
    start = data.index(b"\xff\xc0") if kind == "JPEG" else 0
    struct.pack_into(form, data, start + at, 0)
    with pytest.raises(CorruptImage):
        image.read_header(bytes(data))


def test_decoding_releases_interpreter_lock() -> None:
    """Were the interpreter lock held, another thread would run only in the moments between two images."""
    data = encoded(kinds.noise(1500, 1500, 60), "JPEG", progressive=True, quality=95)
    header = image.read_header(data)
    spent, started, finished = [0.0], threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        before = time.thread_time()
        for _ in range(5):
            image.decode(data, header)
        spent[0] = time.thread_time() - before
        finished.set()

    worker = threading.Thread(target=work)
    worker.start()
    started.wait()
    before = time.thread_time()
    while not finished.is_set():
        pass
    own = time.thread_time() - before
    worker.join()
    assert own > spent[0] / 4


def test_empty_input_is_reported() -> None:
    with pytest.raises(UnsupportedFormat, match="empty"):
        image.read_header(b"", max_side=4096)

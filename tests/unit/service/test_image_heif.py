"""HEIC and AVIF: upright, the primary image, right in depth and transparency; limits hold before a pixel is decoded."""

from __future__ import annotations

import base64
import io
import resource
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from devtools.photos import kinds
from face_comparison import cancellation, image
from face_comparison.errors import ClientDisconnected, CorruptImage, ImageTooLarge, UnsupportedFormat
from face_comparison.image import heic
from face_comparison.image.isobmff import primary_image

SCENE = kinds.scene(96, 64)
TEN_BITS = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAA2gAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAQAAAADAAAAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAA4m1kYXQSAAoJOBV/vbwICBpAMsoBEQIjUoAA8gAAWKnt4NYpvOTWD6UkVo7lZhnSEf4QN7eHAOMBBtlzyt9xXWZ2LPEyH+zPY4y33wVQDrMh/koZyv1uG7pkWHXghjjBSFT1DamQlr7WTnDj+cMLsd7UuJ9R/8k8pGjnCDb9QixoQBEF4aCR98dPy326fytTMwIDuOb5JYCK1EpUuM+tYSteuUNayR9qZtePBmxuaB29B+0SR4QkEZh0sM0JOJsXLRPruV6nAFcZfj7mEcg+Iq6/fTKDKx36+6QNk+C1QA=="
)
"""A gradient of 64 x 48 pixels with 10 bits per sample: red from left to right, green from top to bottom, blue half."""
FORMATS = ("HEIF", "AVIF")
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
"""What makes an image upright again, by its EXIF orientation."""


def encoded(scene: Image.Image, kind: str, **options: object) -> bytes:
    if kind == "AVIF":
        return kinds.encode(scene, "AVIF", quality=95, **options)
    file = pillow_heif.from_pillow(scene)
    if exif := options.get("exif"):
        file[0].info["exif"] = exif.tobytes()  # type: ignore[attr-defined]
    stream = io.BytesIO()
    file.save(stream, quality=95, chroma=444)
    return stream.getvalue()


def decoded(data: bytes) -> NDArray[np.uint8]:
    return image.decode(data, image.read_header(data))


def difference(pixels: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    assert pixels.shape == expected.shape
    return float(np.abs(pixels.astype(int) - expected).mean())


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decoded_image_matches_encoded(kind: str, mode: str) -> None:
    scene = Image.fromarray(SCENE).convert(mode)
    data = encoded(scene, kind)
    assert image.read_header(data) == image.Header("avif" if kind == "AVIF" else "heic", 96, 64, 1)
    pixels = decoded(data)
    assert (pixels.dtype, pixels.flags.c_contiguous) == (np.uint8, True)
    assert difference(pixels, np.asarray(scene.convert("RGB"))) < 3


@pytest.mark.parametrize("kind", FORMATS)
def test_transparency_is_blended_on_white(kind: str) -> None:
    cover = np.zeros((64, 96, 1), np.uint8)
    cover[:, :48] = 255
    data = encoded(Image.fromarray(np.concatenate([SCENE, cover], axis=2)), kind)
    pixels = decoded(data)
    assert difference(pixels[:, :44], SCENE[:, :44]) < 3
    assert difference(pixels[:, 52:], np.full((64, 44, 3), 255, np.uint8)) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_rotation_and_mirror_are_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    scene = Image.fromarray(SCENE)
    data = encoded(scene, "AVIF", exif=exif)
    undo = UNDO[orientation]
    expected = scene if undo is None else scene.transpose(undo)
    header = image.read_header(data)
    assert (header.width, header.height) == expected.size
    assert difference(decoded(data), np.asarray(expected)) < 3


def tiff(order: str, *entries: tuple[int, int, int, bytes], after: bytes = b"") -> bytes:
    """EXIF of one directory: tag, type, count, value or offset."""
    directory = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack(f"{order}HHI", tag, kind, count) + value
    return directory + after


METADATA = {
    "a copyright alone": tiff("<", (0x8298, 2, 23, b"\x1a\0\0\0"), after=bytes(4) + b"www.example.org, 2026\0\0"),
    "big-endian, without entries": tiff(">", after=bytes(4)),
    "values behind the end": tiff("<", (0x010F, 2, 99, b"\xff\xff\0\0"), (0x0110, 2, 9, b"\0\0\xff\xff")),
    "an unknown type": tiff(">", (0x9286, 77, 1, bytes(4)), after=bytes(4)),
    "cut off": tiff("<", (0x010F, 2, 4, b"abc\0"))[:13],
    "no directory at all": b"II*\0\xff\xff\xff\xff",
    "no EXIF": b"something else",
    "a long note": tiff("<", (0x927C, 7, 60_000, b"\x1e\0\0\0"), after=bytes(60_010)),
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
@pytest.mark.parametrize("field", ["exif", "xmp"])
def test_metadata_of_avif_changes_nothing(metadata: bytes, field: str) -> None:
    """Pillow writes no EXIF that it cannot read itself, so other bytes take the place of what it has written."""
    size = max(20, len(metadata))
    placeholder = tiff("<").ljust(size, b"\0") if field == "exif" else b"X" * size
    data = encoded(Image.fromarray(SCENE), "AVIF", **{field: placeholder})
    assert data.count(placeholder) == 1
    odd = data.replace(placeholder, metadata.ljust(size, b"\0"))
    assert np.array_equal(decoded(odd), decoded(encoded(Image.fromarray(SCENE), "AVIF")))


@pytest.mark.parametrize("turns", range(4))
def test_heic_rotation_is_applied(turns: int) -> None:
    """The file's own, whatever EXIF repeats."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = bytearray(encoded(Image.fromarray(SCENE), "HEIF", exif=exif))
    place = data.find(b"irot")
    if place < 0:  # the writer leaves it out where nothing is turned
        pytest.skip("this writer does not write irot")
    data[place + 4] = turns
    assert difference(decoded(bytes(data)), np.rot90(SCENE, turns)) < 3


def test_ten_bits_per_sample_are_scaled_to_eight() -> None:
    pixels = decoded(TEN_BITS)
    assert pixels.shape == (48, 64, 3)
    assert pixels[0, 0, :2].max() < 8
    assert pixels[-1, -1, :2].min() > 247
    assert np.abs(pixels[:, :, 2].astype(int) - 128).max() < 8


@pytest.mark.parametrize("kind", FORMATS)
def test_primary_image_is_decoded(kind: str) -> None:
    first, second = Image.fromarray(SCENE), Image.new("RGB", (40, 30), "red")
    if kind == "AVIF":
        data = kinds.encode(first, "AVIF", quality=95, save_all=True, append_images=[second.resize(first.size)])
        expected = SCENE
    else:
        file = pillow_heif.from_pillow(second)
        file.add_from_pillow(first)
        stream = io.BytesIO()
        file.save(stream, quality=95, chroma=444, primary_index=1)
        data, expected = stream.getvalue(), SCENE
    assert difference(decoded(data), expected) < 3


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_file_is_corrupt(kind: str) -> None:
    data = encoded(Image.fromarray(SCENE), kind)
    for size in (*range(40, len(data), 37), len(data) - 1):
        with pytest.raises((CorruptImage, UnsupportedFormat)):
            decoded(data[:size])


@pytest.mark.parametrize("kind", FORMATS)
def test_longest_side_is_read_from_header(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(Image.fromarray(SCENE), kind)
    place = data.index(b"ispe") + 8
    huge = data[:place] + struct.pack(">II", 5000, 64) + data[place + 8 :]
    with pytest.raises((ImageTooLarge, CorruptImage)):
        image.read_header(huge)
    with pytest.raises(ImageTooLarge):
        image.read_header(data, 64)
    assert capfd.readouterr() == ("", "")


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I", 8 + len(content)) + kind + content


def container(references: int, boxes: int = 0, associations: int = 1) -> bytes:
    """A file of a 64 x 64 primary image that refers to others so often."""
    properties = box(b"ipco", box(b"ispe", bytes(4), struct.pack(">II", 64, 64)), box(b"free") * boxes)
    entries = b"\0\7\1\1" * (associations - 1) + b"\0\1\1\1"
    association = box(b"ipma", bytes(4), struct.pack(">I", associations), entries)
    tiles = box(b"iref", bytes(4), box(b"dimg", b"\0\1", struct.pack(">H", references), b"\0\2" * references))
    meta = box(b"meta", bytes(4), box(b"pitm", bytes(4), b"\0\1"), box(b"iprp", properties, association), tiles)
    return box(b"ftyp", b"heic", bytes(4), b"mif1heic") + meta


def test_excess_tiles_are_corrupt() -> None:
    """Each tile starts a decoder of its own."""
    assert primary_image(container(200)).width == 64
    with pytest.raises(CorruptImage, match="tiles"):
        primary_image(container(60_000))


@pytest.mark.parametrize(("boxes", "associations"), [(3_000_000, 1), (0, 3_000_000)])
def test_endless_boxes_are_cheap(boxes: int, associations: int) -> None:
    data = container(1, boxes, associations)
    started = time.thread_time()
    for _ in range(3):
        with suppress(CorruptImage):
            primary_image(data)
    assert time.thread_time() - started < 0.5


def test_heic_names_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic, "is_installed", lambda: False)
    with pytest.raises(UnsupportedFormat, match=r"face-comparison\[heif\]"):
        image.read_header(encoded(Image.fromarray(SCENE), "HEIF"))


@pytest.mark.parametrize(
    ("start", "named"),
    [
        (box(b"ftyp", b"isom", bytes(4), b"mp42"), "video"),
        (box(b"ftyp", b"mp42"), "video"),
        (box(b"ftyp", b"qt  "), "video"),
        (box(b"ftyp", b"crx ", bytes(4), b"isom"), "raw data of a camera"),
        (b"FUJIFILMCCD-RAW 0201", "raw data of a camera"),
        (b"", "is empty"),
        (b"\0\0\1\0\1\0\x20\x20", "an icon"),
        (b"8BPS\0\1", "Photoshop"),
        (b"P6\n640 480\n255\n", "PPM"),
        (b"P4 16 16\n", "PBM"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>', "an XML document"),
        (b'\n{"message": "not found"}', "a JSON document"),
        (b'[{"a": 1}]', "a JSON document"),
        (b"PK\3\4\x14\0", "a ZIP archive"),
        (b"\x1f\x8b\x08\0", "compressed by gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS"),
        (b"P\xe9rigord", "something else"),
        (b"GIF89a" + bytes(30), "GIF"),
        (b"II*\0" + bytes(30), "TIFF"),
        (b"\n <!DOCTYPE html><html>", "web page"),
        (b"<?xml version='1.0'?><svg>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\xff\x0a" + bytes(30), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF".decode("latin1").encode(), "read as text"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF".decode("utf-8", "replace").encode(), "read as text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".decode("utf-8", "replace").encode(), "read as text"),
        (b"/9j/4AAQSkZJRgABAQ", "base64"),
        (b" iVBORw0KGgoAAAANSUhEUgAA", "base64"),
        (b"data:image/webp;base64,UklGRg", "base64"),
        ("\xe9\xe8 plain text".encode(), "something else"),
        (bytes(300), "something else"),
    ],
)
def test_other_brands_are_named(start: bytes, named: str) -> None:
    with pytest.raises(UnsupportedFormat, match=named) as caught:
        image.read_header(start)
    assert "JPG" in caught.value.message
    assert "WebP" in caught.value.message


@pytest.mark.parametrize(
    "program", ["import time; time.sleep(600)", "import os; os.abort()", "print('garbage', flush=True)"]
)
def test_hung_or_crashed_decoder_is_corrupt_image(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic, "_DECODE", program)
    monkeypatch.setattr(heic, "_FIXED_SECONDS", 0.3)
    with pytest.raises(CorruptImage):
        decoded(encoded(Image.fromarray(SCENE), "HEIF"))


def test_decoder_that_computes_without_end_costs_half_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processor: libde265 does so with some files of 4 kB. The time on a clock is that of another test."""
    monkeypatch.setattr(heic, "_DECODE", heic._DECODE.replace("import _pi_heif", "while True: pass"))
    monkeypatch.setattr(heic, "_FIXED_SECONDS", 120)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(CorruptImage, match="reasonable time"):
        decoded(encoded(Image.fromarray(SCENE), "HEIF"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_heic_is_decoded_where_system_lacks_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows does, which does not limit the processor time of a process either."""
    monkeypatch.delattr("signal.SIGPROF")
    assert decoded(encoded(Image.fromarray(SCENE), "HEIF")).shape == SCENE.shape


def test_decoder_ends_with_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled from another thread, as by a client that has disconnected."""
    monkeypatch.setattr(heic, "_DECODE", "import time; time.sleep(600)")
    monkeypatch.setattr(heic, "_FIXED_SECONDS", 120)

    class Request:
        cancelled = False

        def check(self) -> None:
            if self.cancelled:
                raise ClientDisconnected("the client has disconnected")

        @contextmanager
        def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
            def cancel() -> None:
                self.cancelled = True
                callback()

            timer = threading.Timer(0.1, cancel)
            timer.start()
            yield
            timer.cancel()

    with cancellation.working_for(Request()), pytest.raises(ClientDisconnected):
        decoded(encoded(Image.fromarray(SCENE), "HEIF"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the memory of a process this way")
def test_decoder_above_memory_limit_is_corrupt_image(monkeypatch: pytest.MonkeyPatch) -> None:
    greedy = heic._DECODE.replace("import _pi_heif", "greed = bytearray(2 << 30)\nimport _pi_heif")
    monkeypatch.setattr(heic, "_DECODE", greedy)
    with pytest.raises(CorruptImage):
        decoded(encoded(Image.fromarray(SCENE), "HEIF"))

"""What an AVIF file costs to decode depends on its coded data: a small claim around a large image buys nothing."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from unittest import mock

import cv2
import pytest
from PIL import Image

from devtools.photos import kinds
from face_comparison import image
from face_comparison.errors import CorruptImage
from face_comparison.image import avif
from face_comparison.image.av1 import count_frames, largest_frame
from face_comparison.image.decode_cost import estimate_decode_bytes
from face_comparison.image.isobmff_items import coded_items

FLAT = Image.new("RGB", (1000, 700), (90, 90, 90))


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The file with another size in its boxes, its coded data as it was."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (64, 48), (333, 517), (1000, 700)])
def test_coded_size_equals_image_size(mode: str, size: tuple[int, int]) -> None:
    data = kinds.encode(Image.new(mode, size, 90 if mode == "L" else (90, 90, 90, 90)[: len(mode)]), "AVIF")
    sizes = [largest_frame(item) for item in coded_items(data, b"av01")]
    assert sizes == [size] * (2 if mode == "RGBA" else 1)


def test_image_larger_than_declared_is_not_decoded() -> None:
    data = claiming(kinds.encode(FLAT, "AVIF"), 64, 64)
    with mock.patch.object(cv2, "imdecode") as decoder, pytest.raises(CorruptImage, match="larger than the file says"):
        image.decode(data, image.read_header(data))
    decoder.assert_not_called()


def test_alpha_larger_than_image_is_not_decoded() -> None:
    opaque = kinds.encode(Image.new("RGBA", (64, 64), (90, 90, 90, 90)), "AVIF")
    coded = next(coded_items(kinds.encode(FLAT, "AVIF"), b"av01"))
    data = with_item_data(opaque, 1, coded)
    assert [largest_frame(item) for item in coded_items(data, b"av01")] == [(64, 64), FLAT.size]
    with pytest.raises(CorruptImage, match="larger than the file says"):
        image.decode(data, image.read_header(data))


def with_item_data(data: bytes, index: int, coded: bytes) -> bytes:
    """The file with other coded data, appended, for one of its items (a file as libavif writes it)."""
    at = data.index(b"iloc") + 4
    assert data[at : at + 6] == bytes((0, 0, 0, 0, 0x44, 0))  # four bytes each of offset and length
    entry = at + 8 + 14 * index + 6
    return data[:entry] + struct.pack(">II", len(data), len(coded)) + data[entry + 8 :] + coded


def with_frames(data: bytes, count: int) -> bytes:
    """The file with its frame repeated."""
    coded = next(coded_items(data, b"av01"))
    at = coded.rindex(b"\x32")  # a frame with its size
    return with_item_data(data, 0, coded[:at] + coded[at:] * count)


def test_many_frames_are_not_decoded() -> None:
    """A decoder decodes them all, and shows the last one."""
    data = with_frames(kinds.encode(FLAT, "AVIF"), 50)
    assert count_frames(next(coded_items(data, b"av01"))) == 50
    with mock.patch.object(cv2, "imdecode") as decoder, pytest.raises(CorruptImage, match="more frames"):
        image.decode(data, image.read_header(data))
    decoder.assert_not_called()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_layers_are_decoded(count: int) -> None:
    data = with_frames(kinds.encode(FLAT, "AVIF"), count)
    assert image.decode(data, image.read_header(data)).shape == (700, 1000, 3)
    assert avif.bytes_per_pixel(data) == 22


def test_cost_follows_coded_size() -> None:
    data = kinds.encode(FLAT, "AVIF")
    honest = estimate_decode_bytes(data)
    assert estimate_decode_bytes(claiming(data, 500, 700)) == pytest.approx(honest, rel=0.01)
    assert avif.bytes_per_pixel(data) == 22


def test_still_image_of_sequence_is_decoded() -> None:
    """The frames behind it are coded by themselves: nothing is known of their size."""
    others = [Image.new("RGB", FLAT.size, (200, 0, 0))]
    data = kinds.encode(FLAT, "AVIF", save_all=True, append_images=others)
    assert data[8:12] == b"avis"
    with mock.patch.object(cv2, "imdecode", wraps=cv2.imdecode) as decoder:
        image.decode(data, image.read_header(data))
    assert bytes(decoder.call_args[0][0][8:12]) == b"avif"


def sequence_header(width: int, height: int, *, timing: bool, delays: bool, points: int) -> bytes:
    """A unit with a full header, as sequences have it."""
    bits = "000" + "0" + "0"
    model = "1" + f"{9:05b}" + "0" * 42
    bits += "1" + "0" * 64 + "1" + "0001101" + model if timing else "0"
    bits += f"{int(delays)}{points - 1:05b}"
    for _ in range(points):
        bits += "0" * 12 + f"{9:05b}" + "1"
        bits += "1" + "0" * 21 if timing else ""
        bits += "1" + "0000" if delays else ""
    bits += f"{15:04b}{15:04b}{width - 1:016b}{height - 1:016b}"
    bits += "0" * (-len(bits) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return bytes((1 << 3 | 2, len(content) & 0x7F | 0x80, len(content) >> 7)) + content


@pytest.mark.parametrize("points", [1, 3, 32])
@pytest.mark.parametrize("delays", [False, True])
@pytest.mark.parametrize("timing", [False, True])
def test_size_is_found_after_optional_header_fields(timing: bool, delays: bool, points: int) -> None:
    unit = sequence_header(16384, 9, timing=timing, delays=delays, points=points)
    assert largest_frame(b"\x12\x00" + unit + b"\x32\x01\x00") == (16384, 9)


def test_largest_of_several_headers_is_used() -> None:
    units = [sequence_header(side, 8, timing=False, delays=False, points=1) for side in (64, 4096, 32)]
    assert largest_frame(b"".join(units)) == (4096, 8)


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\x80", b"\x08", b"\x0a\x02\x18", b"\xff" * 40])
def test_truncated_headers_raise_no_error(data: bytes) -> None:
    with suppress(CorruptImage):
        largest_frame(data)


def test_endless_units_and_extents_are_cheap() -> None:
    """Each item points at the whole file; each unit is two bytes."""
    started = time.thread_time()
    with pytest.raises(CorruptImage):
        largest_frame(b"\x12\x00" * 5_000_000)
    data = kinds.encode(FLAT, "AVIF")
    at = data.index(b"iloc") + 4
    endless = data[: at + 6] + b"\xff\xff" + data[at + 8 :] + bytes(10_000_000)
    with suppress(CorruptImage):
        list(coded_items(endless, b"av01"))
    assert time.thread_time() - started < 0.5

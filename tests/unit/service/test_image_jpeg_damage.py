"""JPEGs that lack a pixel, a table, or a scan, or have too many segments, are corrupt."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from devtools.photos import damage, kinds
from face_comparison import image
from face_comparison.errors import CorruptImage
from support.jpegs import END, JPEGS, decoded, refusal

SMALL = {name: data for name, data in JPEGS.items() if len(data) < 10_000}


@pytest.mark.parametrize("name", SMALL)
def test_truncated_scan_is_corrupt(name: str) -> None:
    data = SMALL[name]
    for size in range(2, len(data) - 2):
        assert refusal(data[:size]), size


@pytest.mark.parametrize("name", SMALL)
def test_truncated_scan_with_end_marker_is_corrupt(name: str) -> None:
    """A marker put back does not bring back the pixels. Few bytes at the end may hold nothing but padding."""
    data = SMALL[name]
    for size in range(2, len(data) - 4, 3):
        assert refusal(data[:size] + END), size


@pytest.mark.parametrize("name", ["jpeg progressive", "jpeg gray progressive", "jpeg progressive restarts"])
@pytest.mark.parametrize("end", [b"", END])
def test_missing_progressive_scans_are_corrupt(name: str, end: bytes) -> None:
    data = JPEGS[name]
    cuts = [found.start() for found in re.finditer(rb"\xff[\xc4\xda]", data) if found.start() > damage.first_scan(data)]
    assert len(cuts) > 4  # tables and scans alternate
    for cut in cuts:
        assert refusal(data[:cut] + end), cut


def test_two_frames_are_corrupt() -> None:
    data = kinds.jpeg()
    frame = data.index(b"\xff\xc0")
    assert "more than one frame" in refusal(data[:frame] + data[frame : frame + 19] + data[frame:])


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}], ids=repr)
def test_invalid_huffman_code_is_corrupt(mode: str, options: dict[str, object]) -> None:
    """All ones are the one code that no Huffman table may hold. libjpeg-turbo left to itself reads it as a zero."""
    data = kinds.jpeg(Image.fromarray(kinds.scene(120, 90)).convert(mode), **options)
    for place in range(damage.first_scan(data) + 20, len(data) - 60, 7):
        if b"\xff" not in data[place - 1 : place + 17]:
            assert refusal(data[:place] + b"\xff\0" * 8 + data[place + 16 :]), place


def test_missing_tables_are_corrupt() -> None:
    data = kinds.jpeg()
    table = data.index(b"\xff\xdb")
    size = 2 + int.from_bytes(data[table + 2 : table + 4], "big")
    assert "Quantization table" in refusal(data[:table] + data[table + size :])


def test_excess_scans_are_corrupt() -> None:
    assert "more than" in refusal(damage.jpeg_of_many_scans(64, 65))


@pytest.mark.parametrize("make", [damage.jpeg_of_empty_segments, damage.jpeg_of_bare_markers])
def test_excess_segments_are_corrupt(make: Callable[[int], bytes]) -> None:
    with pytest.raises(CorruptImage, match="more than 4096 segments"):
        image.read_header(make(1_000_000))
    np.testing.assert_array_equal(decoded(make(1000)), decoded(kinds.jpeg()))


def test_height_above_data_is_corrupt() -> None:
    data = bytearray(kinds.jpeg(kinds.noise(200, 200, 80)))
    whole = decoded(bytes(data))
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">H", data, frame + 5, 96)
    np.testing.assert_array_equal(decoded(bytes(data)), whole[:96])
    struct.pack_into(">H", data, frame + 5, 208)
    assert refusal(bytes(data))

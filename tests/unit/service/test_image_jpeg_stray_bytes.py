"""Stray bytes in a JPEG are ignored where every pixel is there, and hide no damage."""

from __future__ import annotations

import re
from unittest import mock

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from devtools.photos import damage, kinds
from support.jpegs import END, JPEGS, RESTARTS, SCAN, decoded, refusal

ONE_SCAN = [name for name in JPEGS if "progressive" not in name]
STRAYS = {
    "one": b"\0",
    "few": b"abc",
    "fill": b"\xff\xff",
    "guarded": b"\xff\0",
    "seven zeros": b"\0" * 7,
    "eight zeros": b"\0" * 8,
    "words": b"some stray bytes of text",
    "all ones": b"\xff\0" * 20,
    "many": b"\0\0\1" * 300,
}


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_stray_bytes_between_tables_are_ignored(name: str, stray: bytes) -> None:
    data = JPEGS[name]
    first_segment = 4 + int.from_bytes(data[4:6], "big")
    for place in (2, first_segment, damage.first_scan(data)):
        np.testing.assert_array_equal(decoded(data[:place] + stray + data[place:]), decoded(data))


@pytest.mark.parametrize("name", ONE_SCAN)
@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_stray_bytes_after_scan_are_ignored(name: str, stray: bytes) -> None:
    data = JPEGS[name]
    np.testing.assert_array_equal(decoded(damage.stray_bytes(data, stray, b"\xff\xd9$")), decoded(data))
    np.testing.assert_array_equal(decoded(damage.stray_bytes(data, stray, b"\xff\xd9$") + b"more"), decoded(data))


@pytest.mark.parametrize("stray", [b"\xff", b"\0", b"\0" * 6, b"\0" * 8, b"\0" * 1000], ids=len)
@pytest.mark.parametrize("name", ["jpeg progressive", "jpeg gray progressive", "jpeg progressive restarts"])
def test_zeros_after_progressive_scans_are_ignored(name: str, stray: bytes) -> None:
    data = JPEGS[name]
    strayed = damage.stray_bytes(data, stray)
    assert len(strayed) > len(data) + 8 * len(stray)
    np.testing.assert_array_equal(decoded(strayed), decoded(data))


def test_progressive_scans_are_decoded_three_times_at_most() -> None:
    data = damage.stray_bytes(JPEGS["jpeg progressive"], b"stray bytes", rb"\xff[\xc4\xda]")
    with mock.patch.object(simplejpeg, "decode_jpeg", wraps=simplejpeg.decode_jpeg) as decoder:
        np.testing.assert_array_equal(decoded(data), decoded(JPEGS["jpeg progressive"]))
    assert decoder.call_count <= 3 + 1, "and once without stray bytes"


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("which", [rb"\xff[\xd0-\xd7]", rb"\xff\xd3"], ids=["every", "some"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_stray_bytes_before_restart_markers_are_ignored(stray: bytes, which: bytes, mode: str) -> None:
    """As cheap cameras write them: libjpeg notices some late and some never."""
    data = kinds.jpeg(Image.fromarray(kinds.scene(90, 70)).convert(mode), restart_marker_blocks=3)
    strayed = damage.stray_bytes(data, stray, which)
    assert len(strayed) > len(data)
    np.testing.assert_array_equal(decoded(strayed), decoded(data))


@pytest.mark.parametrize("stray", [b"", b"\0" * 12, b"some stray bytes of text"], ids=len)
def test_damaged_restart_interval_is_corrupt(stray: bytes) -> None:
    """Strays somewhere must not open the door to damage elsewhere."""
    data = kinds.jpeg(Image.fromarray(kinds.scene(200, 150)), restart_marker_blocks=3)
    first, second, third, *_ = (found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", data))
    begin = data[:first] + stray
    np.testing.assert_array_equal(decoded(begin + data[first:]), decoded(data))
    for cut in range(first + 3, second):
        assert refusal(begin + data[first:cut] + data[second:]), cut
    assert refusal(begin + data[first + 2 :])
    assert refusal(begin + data[second:])
    assert refusal(begin + data[first : second + 1] + data[third + 1 : third + 2] + data[second + 2 :])


@pytest.mark.parametrize("stray", [b"", b"12345678", bytes(1500), b"\xff\0" * 30], ids=len)
def test_stray_bytes_after_last_interval_are_ignored(stray: bytes) -> None:
    number = max(index for index, _ in enumerate(re.finditer(rb"\xff[\xd0-\xd7]", RESTARTS)))
    following = bytes([0xFF, 0xD0 | (number + 1) & 7])
    np.testing.assert_array_equal(decoded(RESTARTS[:-2] + following + stray + END), decoded(RESTARTS))


def test_stray_bytes_after_zero_padding_are_ignored() -> None:
    """The last byte of a scan should be filled up with ones, and often is not."""
    tried = 0
    for width in range(9, 80, 8):
        data = kinds.jpeg(Image.fromarray(kinds.scene(width, 8)))
        if data[-3] & 3 == 3 and data[-4] != 0xFF:
            filled = data[:-3] + bytes([data[-3] & ~1])
            np.testing.assert_array_equal(decoded(filled + b"some stray bytes of text" + END), decoded(data))
            tried += 1
    assert tried


@pytest.mark.parametrize("stray", [b"\0", b"several bytes"], ids=len)
def test_stray_bytes_do_not_hide_damage(stray: bytes) -> None:
    first, second, *_, last = (found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", RESTARTS))
    begin = RESTARTS[:first] + stray
    np.testing.assert_array_equal(decoded(begin + RESTARTS[first:]), decoded(RESTARTS))
    middle = (last + len(RESTARTS)) // 2
    assert "bad Huffman code" in refusal(begin + RESTARTS[first:middle] + b"\xff\0" * 8 + RESTARTS[middle + 16 :])
    assert "premature end" in refusal(begin + RESTARTS[first : last - 20] + RESTARTS[last:])
    assert refusal(begin + RESTARTS[first:second] + RESTARTS[last:])
    assert "premature end" in refusal(begin + RESTARTS[first:-20] + END)


@pytest.mark.parametrize("name", ["jpeg progressive", "jpeg gray progressive", "jpeg progressive restarts"])
def test_stray_bytes_do_not_hide_truncated_progressive_scan(name: str) -> None:
    data = damage.stray_bytes(JPEGS[name], b"stray bytes", rb"\xff[\xc4\xda]")
    np.testing.assert_array_equal(decoded(data), decoded(JPEGS[name]))
    assert refusal(data[:-30] + END)
    scan = data.rindex(SCAN)
    assert refusal(data[: scan - 40] + data[scan:])


def test_stray_bytes_in_too_many_intervals_are_corrupt() -> None:
    data = kinds.jpeg(Image.new("L", (640, 640)), restart_marker_blocks=1)
    np.testing.assert_array_equal(decoded(data), np.zeros((640, 640, 3)))
    assert "too many pieces" in refusal(damage.stray_bytes(data, b"twenty stray bytes..", rb"\xff\xd3"))

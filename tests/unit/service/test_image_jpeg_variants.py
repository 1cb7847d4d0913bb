"""Unusual ways of coding a JPEG that are decoded."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from devtools.photos import damage, kinds
from support.jpegs import END, JPEGS, PLAIN, RESTARTS, SCAN, SCENE, changed, decoded, refusal


def one_component_a_scan(width: int, height: int, chroma: int) -> bytes:
    """The scene as scanners write it: luminance first, then each chroma in a scan of its own.

    A gray JPEG is coded just like such a scan, so three of them make one. chroma: by how much it is smaller.
    """
    planes = Image.fromarray(kinds.scene(width, height)).convert("YCbCr").split()
    coded = [kinds.jpeg(planes[0]), *(kinds.jpeg(plane.reduce(chroma)) for plane in planes[1:])]
    frame, scan = coded[0].index(b"\xff\xc0"), coded[0].index(SCAN)
    components = bytes([1, 0x11 * chroma, 0, 2, 0x11, 0, 3, 0x11, 0])
    header = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + components
    tables = coded[0][frame + 13 : scan]
    headers = (SCAN + bytes([0, 8, 1, number, 0, 0, 63, 0]) for number in (1, 2, 3))
    codes = (plane[plane.index(SCAN) + 10 : -2] for plane in coded)
    return coded[0][:frame] + header + tables + b"".join(map(bytes.__add__, headers, codes)) + END


@pytest.mark.parametrize(("width", "height", "chroma"), [(45, 31, 1), (64, 48, 2), (2064, 2064, 2)])
def test_decodes_one_component_scan(width: int, height: int, chroma: int) -> None:
    """The largest has more blocks of luminance than restart markers can be announced for, but fewer coding units."""
    data = one_component_a_scan(width, height, chroma)
    with Image.open(io.BytesIO(data)) as opened:
        np.testing.assert_array_equal(decoded(data), np.asarray(opened.convert("RGB")))
    np.testing.assert_array_equal(decoded(data[:-2], 8), decoded(data, 8))
    last = data.rindex(SCAN)
    assert "scans are missing" in refusal(data[:last] + END)
    assert "scans are missing" in refusal(data[:last])


@pytest.mark.parametrize("size", [(2040, 2048), (2048, 2048)])
def test_largest_restart_intervals_are_decoded(size: tuple[int, int]) -> None:
    whole = kinds.jpeg(Image.new("L", size))
    np.testing.assert_array_equal(decoded(whole), np.zeros((size[1], size[0], 3)))
    assert refusal(whole[: len(whole) // 2] + END)


def without_huffman_tables(data: bytes) -> bytes:
    segments, at = [data[:2]], 2
    scan = damage.first_scan(data)
    while at < scan:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segments += [data[at:end]] if data[at + 1] != 0xC4 else []
        at = end
    return b"".join(segments) + data[scan:]


@pytest.mark.parametrize("transform", [0, 1, 2, 9])
def test_cmyk_adobe_transform_matches_pillow(transform: int) -> None:
    cmyk = kinds.jpeg(SCENE.convert("CMYK"))
    data = changed(cmyk, cmyk.index(b"Adobe") + 11, bytes([transform]))
    with Image.open(io.BytesIO(data)) as expected:
        assert np.abs(decoded(data).astype(int) - np.asarray(expected.convert("RGB"))).max() <= 1


def test_unusual_progressive_scan_order_is_accepted() -> None:
    """The last scan twice: the bits are refined already, and nothing changes."""
    data = JPEGS["jpeg gray progressive"]
    start = damage.first_scan(data)
    dc_twice = data[:start] + data[start : data.index(b"\xff\xc4", start)] + data[start:]
    np.testing.assert_array_equal(decoded(dc_twice), decoded(data))
    assert refusal(dc_twice[:-60] + END)


def test_motion_jpeg_frame_without_huffman_tables_is_accepted() -> None:
    for data in (PLAIN, RESTARTS, kinds.jpeg(SCENE.convert("L"), restart_marker_blocks=3)):
        bare = without_huffman_tables(data)
        assert b"\xff\xc4" not in bare[: damage.first_scan(bare)]
        np.testing.assert_array_equal(decoded(bare), decoded(data))
        strayed = damage.stray_bytes(bare, b"abcdef", rb"\xff\xd3")
        np.testing.assert_array_equal(decoded(strayed), decoded(data))
        assert refusal(bare[: len(bare) // 2] + END)

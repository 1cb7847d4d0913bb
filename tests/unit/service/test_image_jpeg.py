"""JPEG: what is tolerated because every pixel is there, and what is refused because one is not."""

from __future__ import annotations

import io
import re
import struct
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from devtools.photos import damage, kinds
from face_comparison import image
from face_comparison.errors import CorruptImage, UnsupportedFormat

JPEGS = {name: sample.data for name, sample in kinds.samples().items() if sample.data[:2] == b"\xff\xd8"}
SMALL = {name: data for name, data in JPEGS.items() if len(data) < 10_000}
SCAN, END = b"\xff\xda", b"\xff\xd9"
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


def decoded(data: bytes, reduce: image.Reduce = 1) -> NDArray[np.uint8]:
    return image.decode(data, image.read_header(data), reduce)


def refusal(data: bytes) -> str:
    """Why it is corrupt; fails when it is not."""
    with pytest.raises(CorruptImage) as caught:
        decoded(data)
    return caught.value.message


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("reduce", [1, 4])
def test_a_missing_end_and_anything_after_it_are_tolerated(name: str, reduce: image.Reduce) -> None:
    data = JPEGS[name]
    whole = decoded(data, reduce)
    for other in (data[:-2], data[:-1], data + b"\0" * 40, data + b"trailing" * 99, data + data, data + END):
        np.testing.assert_array_equal(decoded(other, reduce), whole)


@pytest.mark.parametrize("name", SMALL)
def test_cut_anywhere_before_the_end_marker_it_is_corrupt(name: str) -> None:
    data = SMALL[name]
    for size in range(2, len(data) - 2):
        assert refusal(data[:size]), size


@pytest.mark.parametrize("name", SMALL)
def test_cut_anywhere_and_given_an_end_marker_it_is_still_corrupt(name: str) -> None:
    """A marker put back does not bring back the pixels. Few bytes at the end may hold nothing but padding."""
    data = SMALL[name]
    for size in range(2, len(data) - 4, 3):
        assert refusal(data[:size] + END), size


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_stray_bytes_between_the_tables_are_tolerated(name: str, stray: bytes) -> None:
    data = JPEGS[name]
    first_segment = 4 + int.from_bytes(data[4:6], "big")
    for place in (2, first_segment, damage.first_scan(data)):
        np.testing.assert_array_equal(decoded(data[:place] + stray + data[place:]), decoded(data))


@pytest.mark.parametrize("name", ONE_SCAN)
@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_stray_bytes_after_a_scan_are_tolerated(name: str, stray: bytes) -> None:
    data = JPEGS[name]
    np.testing.assert_array_equal(decoded(damage.stray_bytes(data, stray, b"\xff\xd9$")), decoded(data))
    np.testing.assert_array_equal(decoded(damage.stray_bytes(data, stray, b"\xff\xd9$") + b"more"), decoded(data))


@pytest.mark.parametrize("stray", [b"\xff", b"\0", b"\0" * 6, b"\0" * 8, b"\0" * 1000], ids=len)
@pytest.mark.parametrize("name", ["jpeg progressive", "jpeg grey progressive", "jpeg progressive restarts"])
def test_zeros_after_the_scans_of_a_progressive_picture_are_tolerated(name: str, stray: bytes) -> None:
    data = JPEGS[name]
    strayed = damage.stray_bytes(data, stray)
    assert len(strayed) > len(data) + 8 * len(stray)
    np.testing.assert_array_equal(decoded(strayed), decoded(data))


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("which", [rb"\xff[\xd0-\xd7]", rb"\xff\xd3"], ids=["every", "some"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_stray_bytes_before_restart_markers_are_tolerated(stray: bytes, which: bytes, mode: str) -> None:
    """As cheap cameras write them: libjpeg notices some late and some never."""
    data = kinds.jpeg(Image.fromarray(kinds.scene(90, 70)).convert(mode), restart_marker_blocks=3)
    strayed = damage.stray_bytes(data, stray, which)
    assert len(strayed) > len(data)
    np.testing.assert_array_equal(decoded(strayed), decoded(data))


@pytest.mark.parametrize("stray", [b"", b"\0" * 12, b"some stray bytes of text"], ids=len)
def test_a_damaged_interval_between_restart_markers_is_corrupt(stray: bytes) -> None:
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


def test_strays_behind_bits_that_are_no_filling_are_corrupt() -> None:
    """The last byte of a scan is filled up with ones; where it is not, the last block does not end there."""
    for width in range(9, 80, 8):
        data = kinds.jpeg(Image.fromarray(kinds.scene(width, 8)))
        if data[-3] & 3 == 3 and data[-4] != 0xFF:
            changed = data[:-3] + bytes([data[-3] & ~1])
            np.testing.assert_array_equal(decoded(changed + END), decoded(data))
            assert "left over" in refusal(changed + b"some stray bytes of text" + END)
            return
    pytest.fail("no picture ends with two bits of filling")


def test_pixels_left_over_by_damage_are_no_strays() -> None:
    """Most damage makes a decoder find too many blocks, and the last ones are left over like strays."""
    data = kinds.jpeg(kinds.noise(120, 90, 60).convert("RGB"))
    start = damage.first_scan(data) + 20
    rng = np.random.default_rng(3)
    reasons = Counter()
    for _ in range(100):
        one, other = (int(place) for place in rng.integers(start, len(data) - 200, 2))
        swapped = bytearray(data)
        swapped[one : one + 100], swapped[other : other + 100] = data[other : other + 100], data[one : one + 100]
        try:
            simplejpeg.decode_jpeg(bytes(swapped))
        except ValueError as error:
            reason = refusal(bytes(swapped))
            if "extraneous" in str(error):
                reasons[reason.partition(": ")[2]] += 1
    assert reasons["blocks are left over"] > 1
    assert reasons["a block has more than 64 coefficients"] > 1


def test_more_strays_than_any_camera_writes_are_corrupt() -> None:
    data = JPEGS["jpeg progressive"]
    tables = data.index(b"\xff\xdb")
    assert "stray bytes" in refusal(data[:tables] + b"z" * 1100 + data[tables:])
    assert "stray bytes" in refusal(data[:-2] + b"\0" * 1100 + END)


def test_a_lower_height_than_the_data_has_is_corrupt() -> None:
    data = bytearray(kinds.jpeg(kinds.noise(200, 200, 80)))
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">H", data, frame + 5, 100)
    assert refusal(bytes(data))
    struct.pack_into(">H", data, frame + 5, 208)
    assert refusal(bytes(data))


@pytest.mark.parametrize("name", ["jpeg progressive", "jpeg grey progressive", "jpeg progressive restarts"])
@pytest.mark.parametrize("end", [b"", END])
def test_a_progressive_picture_without_its_last_scans_is_corrupt(name: str, end: bytes) -> None:
    data = JPEGS[name]
    cuts = [found.start() for found in re.finditer(rb"\xff[\xc4\xda]", data) if found.start() > damage.first_scan(data)]
    assert len(cuts) > 4  # tables and scans alternate
    for cut in cuts:
        assert refusal(data[:cut] + end), cut


def one_component_a_scan(width: int, height: int, chroma: int) -> bytes:
    """The scene as scanners write it: luminance first, then each chroma in a scan of its own.

    A grey JPEG is coded just like such a scan, so three of them make one. chroma: by how much it is smaller.
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
def test_one_component_a_scan(width: int, height: int, chroma: int) -> None:
    """The largest has more blocks of luminance than restart markers can be announced for, but fewer coding units."""
    data = one_component_a_scan(width, height, chroma)
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(decoded(data), np.asarray(picture.convert("RGB")))
    np.testing.assert_array_equal(decoded(data[:-2], 8), decoded(data, 8))
    last = data.rindex(SCAN)
    assert "scans are missing" in refusal(data[:last] + END)
    assert "scans are missing" in refusal(data[:last])


def changed_frame(marker: int = 0xC0, precision: int = 8, sampling: bytes = b"") -> bytes:
    """A JPEG whose frame header says something else; the pixels are those of a baseline one."""
    data = bytearray(kinds.jpeg(subsampling=0))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, precision
    for component, factors in enumerate(sampling):
        data[frame + 11 + 3 * component] = factors
    return bytes(data)


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_lossless_hierarchical_and_arithmetic_coding_are_unsupported(marker: int) -> None:
    with pytest.raises(UnsupportedFormat):
        image.read_header(changed_frame(marker))


def test_twelve_bits_a_sample_are_unsupported() -> None:
    with pytest.raises(UnsupportedFormat, match="12 bits"):
        image.read_header(changed_frame(0xC1, precision=12))


@pytest.mark.parametrize("sampling", [b"\x22\x12\x21", b"\x11\x22\x11", b"\x31\x11\x11"])
def test_outlandish_subsampling_is_unsupported(sampling: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="subsampling"):
        decoded(changed_frame(sampling=sampling))


@pytest.mark.parametrize("count", [2, 5])
def test_other_numbers_of_components_are_unsupported(count: int) -> None:
    data = kinds.jpeg()
    frame = data.index(b"\xff\xc0")
    header = data[frame : frame + 2] + struct.pack(">H", 8 + 3 * count) + data[frame + 4 : frame + 9] + bytes([count])
    components = b"".join(bytes([number, 0x11, 0]) for number in range(count))
    with pytest.raises(UnsupportedFormat, match=f"{count} components"):
        image.read_header(data[:frame] + header + components + data[frame + 19 :])


def test_two_frames_are_corrupt() -> None:
    data = kinds.jpeg()
    frame = data.index(b"\xff\xc0")
    assert "more than one frame" in refusal(data[:frame] + data[frame : frame + 19] + data[frame:])


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}], ids=repr)
def test_a_bad_code_anywhere_is_corrupt(mode: str, options: dict[str, object]) -> None:
    """All ones are the one code that no Huffman table may hold. libjpeg-turbo left to itself reads it as a zero."""
    data = kinds.jpeg(Image.fromarray(kinds.scene(120, 90)).convert(mode), **options)
    for place in range(damage.first_scan(data) + 20, len(data) - 60, 7):
        if b"\xff" not in data[place - 1 : place + 17]:
            assert refusal(data[:place] + b"\xff\0" * 8 + data[place + 16 :]), place


@pytest.mark.parametrize("size", [(2040, 2048), (2048, 2048)])
def test_pictures_about_as_large_as_restart_markers_can_be_announced_for(size: tuple[int, int]) -> None:
    whole = kinds.jpeg(Image.new("L", size))
    np.testing.assert_array_equal(decoded(whole), np.zeros((size[1], size[0], 3)))
    assert refusal(whole[: len(whole) // 2] + END)


def test_missing_tables_are_corrupt() -> None:
    data = kinds.jpeg()
    table = data.index(b"\xff\xdb")
    size = 2 + int.from_bytes(data[table + 2 : table + 4], "big")
    assert "Quantization table" in refusal(data[:table] + data[table + size :])


def test_many_scans_are_corrupt_however_few_bytes_they_have() -> None:
    assert "more than 64 scans" in refusal(damage.jpeg_of_many_scans(64, 65))


@pytest.mark.parametrize("make", [damage.jpeg_of_empty_segments, damage.jpeg_of_bare_markers])
def test_many_empty_segments_are_corrupt(make: Callable[[int], bytes]) -> None:
    with pytest.raises(CorruptImage, match="more than 4096 segments"):
        image.read_header(make(1_000_000))
    np.testing.assert_array_equal(decoded(make(1000)), decoded(kinds.jpeg()))

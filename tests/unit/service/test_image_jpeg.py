"""JPEG: what is tolerated because every pixel is there, and what is refused because one is not."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable

import numpy as np
import pytest
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
def test_missing_end_marker_and_trailer_are_ignored(name: str, reduce: image.Reduce) -> None:
    data = JPEGS[name]
    whole = decoded(data, reduce)
    for other in (data[:-2], data[:-1], data + b"\0" * 40, data + b"trailing" * 99, data + data, data + END):
        np.testing.assert_array_equal(decoded(other, reduce), whole)


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


@pytest.mark.parametrize("name", ["jpeg progressive", "jpeg gray progressive", "jpeg progressive restarts"])
@pytest.mark.parametrize("end", [b"", END])
def test_missing_progressive_scans_are_corrupt(name: str, end: bytes) -> None:
    data = JPEGS[name]
    cuts = [found.start() for found in re.finditer(rb"\xff[\xc4\xda]", data) if found.start() > damage.first_scan(data)]
    assert len(cuts) > 4  # tables and scans alternate
    for cut in cuts:
        assert refusal(data[:cut] + end), cut


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


def changed_frame(marker: int = 0xC0, precision: int = 8, sampling: bytes = b"") -> bytes:
    """A JPEG whose frame header says something else; the pixels are those of a baseline one."""
    data = bytearray(kinds.jpeg(subsampling=0))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, precision
    for component, factors in enumerate(sampling):
        data[frame + 11 + 3 * component] = factors
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "markers"),
    [
        ("lossless", [0xC3, 0xC7, 0xCB, 0xCF]),
        ("hierarchical", [0xC5, 0xC6, 0xCD, 0xCE]),
        ("arithmetic-coded", [0xC9, 0xCA]),
    ],
)
def test_lossless_hierarchical_and_arithmetic_coding_are_unsupported(kind: str, markers: list[int]) -> None:
    for marker in markers:
        with pytest.raises(UnsupportedFormat, match=f"^{kind} JPEG is not supported: save it as"):
            image.read_header(changed_frame(marker))


def test_jpeg_ls_is_unsupported() -> None:
    with pytest.raises(UnsupportedFormat, match=r"^JPEG-LS is not supported: save it as"):
        image.read_header(changed_frame(0xF7))


def test_twelve_bit_samples_are_unsupported() -> None:
    with pytest.raises(UnsupportedFormat, match="12 bits"):
        image.read_header(changed_frame(0xC1, precision=12))


@pytest.mark.parametrize("sampling", [b"\x22\x12\x21", b"\x11\x22\x11", b"\x31\x11\x11"])
def test_unusual_subsampling_is_unsupported(sampling: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="subsampling"):
        decoded(changed_frame(sampling=sampling))


@pytest.mark.parametrize("count", [2, 5])
def test_other_component_counts_are_unsupported(count: int) -> None:
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
def test_invalid_huffman_code_is_corrupt(mode: str, options: dict[str, object]) -> None:
    """All ones are the one code that no Huffman table may hold. libjpeg-turbo left to itself reads it as a zero."""
    data = kinds.jpeg(Image.fromarray(kinds.scene(120, 90)).convert(mode), **options)
    for place in range(damage.first_scan(data) + 20, len(data) - 60, 7):
        if b"\xff" not in data[place - 1 : place + 17]:
            assert refusal(data[:place] + b"\xff\0" * 8 + data[place + 16 :]), place


@pytest.mark.parametrize("size", [(2040, 2048), (2048, 2048)])
def test_largest_restart_intervals_are_decoded(size: tuple[int, int]) -> None:
    whole = kinds.jpeg(Image.new("L", size))
    np.testing.assert_array_equal(decoded(whole), np.zeros((size[1], size[0], 3)))
    assert refusal(whole[: len(whole) // 2] + END)


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


# --- what libjpeg remarks on although it costs no pixel -------------------------------------------------------------

SCENE = Image.fromarray(kinds.scene(200, 150))
PLAIN = kinds.jpeg(SCENE)
RESTARTS = kinds.jpeg(SCENE, restart_marker_blocks=10)


def changed(data: bytes, place: int, content: bytes) -> bytes:
    return data[:place] + content + data[place + len(content) :]


def scan_parameters(data: bytes) -> int:
    start = damage.first_scan(data)
    return start + int.from_bytes(data[start + 2 : start + 4], "big") - 1


def inserted(data: bytes, marker: int, content: bytes) -> bytes:
    """With a segment behind the start."""
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]


def without_huffman_tables(data: bytes) -> bytes:
    kept, at = [data[:2]], 2
    scan = damage.first_scan(data)
    while at < scan:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        kept += [data[at:end]] if data[at + 1] != 0xC4 else []
        at = end
    return b"".join(kept) + data[scan:]


HEADERS = {
    "first coefficient of the scan": changed(PLAIN, scan_parameters(PLAIN), b"\1"),
    "last coefficient of the scan": changed(PLAIN, scan_parameters(PLAIN) + 1, b"\0"),
    "bits of the scan": changed(PLAIN, scan_parameters(PLAIN) + 2, b"\x11"),
    "JFIF revision 2.01": changed(PLAIN, 11, b"\2\1"),
    "JFIF revision 0": changed(PLAIN, 11, b"\0\0"),
    "JFIF density": changed(PLAIN, 13, b"\x7f\0\0\0\0"),
    "JFIF thumbnail that is not there": changed(PLAIN, 18, b"\xff\xff"),
    "Adobe transform 7": inserted(PLAIN, 0xEE, b"Adobe\0\x64\0\0\0\0\7"),
    "one chunk of a color profile": inserted(PLAIN, 0xE2, b"ICC_PROFILE\0\2\3" + bytes(50)),
    "chunks of a color profile out of order": inserted(PLAIN, 0xE2, b"ICC_PROFILE\0\0\0"),
    "EXIF that is cut off": inserted(PLAIN, 0xE1, b"Exif\0\0MM"),
    "a table that is never used": inserted(PLAIN, 0xDB, b"\3" + bytes([1] * 64)),
    "comment of length 0": PLAIN[:2] + b"\xff\xfe\0\0" + PLAIN[2:],
    "comment of length 1": PLAIN[:2] + b"\xff\xfe\0\1text" + PLAIN[2:],
    "application segment of length 0": PLAIN[:2] + b"\xff\xe5\0\0" * 3 + PLAIN[2:],
    "zeros between segments": PLAIN[:2] + bytes(2000) + PLAIN[2:],
    "text between segments": PLAIN[: damage.first_scan(PLAIN)] + b"z" * 70_000 + PLAIN[damage.first_scan(PLAIN) :],
}


@pytest.mark.parametrize("name", HEADERS)
def test_harmless_header_error_is_accepted(name: str) -> None:
    np.testing.assert_array_equal(decoded(HEADERS[name]), decoded(PLAIN))
    assert refusal(HEADERS[name][: len(HEADERS[name]) * 3 // 4] + END)


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


TRAILERS = {
    "video": b"\0\0\0\x18ftypmp42" + bytes(300),
    "video with bytes like markers": b"\0\0\0\x18ftypmp42" + np.random.default_rng(5).bytes(50_000),
    "bytes like tables": b"\xff\xc4\0\x10" + bytes(100),
    "bytes like a comment": b"\xff\xfe\xff\xff",
    "another JPEG": PLAIN,
    "text": b"SEFH and SEFT" * 20,
}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 10}], ids=repr)
def test_trailer_without_end_marker_is_ignored(options: dict[str, object], trailer: bytes) -> None:
    data = kinds.jpeg(SCENE, **options)
    np.testing.assert_array_equal(decoded(data[:-2] + trailer), decoded(data))
    assert refusal(data[:-200] + END + trailer)


def test_motion_jpeg_frame_without_huffman_tables_is_accepted() -> None:
    for data in (PLAIN, RESTARTS, kinds.jpeg(SCENE.convert("L"), restart_marker_blocks=3)):
        bare = without_huffman_tables(data)
        assert b"\xff\xc4" not in bare[: damage.first_scan(bare)]
        np.testing.assert_array_equal(decoded(bare), decoded(data))
        strayed = damage.stray_bytes(bare, b"abcdef", rb"\xff\xd3")
        np.testing.assert_array_equal(decoded(strayed), decoded(data))
        assert refusal(bare[: len(bare) // 2] + END)


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


def test_height_above_data_is_corrupt() -> None:
    data = bytearray(kinds.jpeg(kinds.noise(200, 200, 80)))
    whole = decoded(bytes(data))
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">H", data, frame + 5, 96)
    np.testing.assert_array_equal(decoded(bytes(data)), whole[:96])
    struct.pack_into(">H", data, frame + 5, 208)
    assert refusal(bytes(data))


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

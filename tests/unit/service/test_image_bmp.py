"""BMP: the header must fit the data that follows."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from devtools.photos import damage, kinds
from face_comparison import image
from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat

BMPS = {name: sample for name, sample in kinds.samples().items() if name.startswith("bmp")}
PLAIN = {name: sample.data for name, sample in BMPS.items() if "run-length" not in name}
RUNS = {name: sample.data for name, sample in BMPS.items() if "run-length" in name}
END = b"\0\1"
WHOLE = BMPS["bmp 24 bits"].data


def decoded(data: bytes) -> NDArray[np.uint8]:
    return image.decode(data, image.read_header(data))


def refusal(data: bytes) -> str:
    """Why it is corrupt; fails when it is not."""
    with pytest.raises(CorruptImage) as caught:
        decoded(data)
    return caught.value.message


def changed(form: str, at: int, value: int, data: bytes = WHOLE) -> bytes:
    other = bytearray(data)
    struct.pack_into(form, other, at, value)
    return bytes(other)


@pytest.mark.parametrize("name", PLAIN)
def test_truncated_image_is_corrupt(name: str) -> None:
    data = PLAIN[name]
    for size in (*range(2, 200), *range(200, len(data) - 4, 23), len(data) - 4):
        assert refusal(data[:size]), size


@pytest.mark.parametrize("name", RUNS)
def test_truncated_rle_pixels_are_corrupt(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = RUNS[name]
    for size in range(2, len(data) - len(END)):
        assert refusal(data[:size]), size
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("end", [b"", b"\0\0"], ids=["nothing", "end of row"])
@pytest.mark.parametrize("name", RUNS)
def test_run_length_coded_pixels_without_end_marker(name: str, end: bytes) -> None:
    np.testing.assert_array_equal(decoded(RUNS[name].removesuffix(END) + end), BMPS[name].pixels)


def short_palette(compression: int, colors: int, rows: int = 5) -> tuple[bytes, NDArray[np.uint8]]:
    """An image of 8 columns in runs, without an end marker, whose palette has so few colors; and what it shows."""
    palette = np.random.default_rng(4).integers(1, 256, (colors, 3), dtype=np.uint8)
    indices = np.random.default_rng(5).integers(0, min(colors, 16), (rows, 1)).repeat(8, axis=1)
    spread = 17 if compression == 2 else 1  # one index of 8 bits, or two of 4
    body = b"".join(bytes([8, spread * int(row[0]), 0, 0]) for row in indices[::-1])
    extra = np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    data = kinds.bmp(8, rows, 8 // compression, body, compression=compression, extra=extra)
    return changed("<I", 46, colors, data), palette[indices]


@pytest.mark.parametrize(("compression", "colors"), [*((1, n) for n in (1, 2, 4, 16, 17, 255, 256)), (2, 2), (2, 16)])
def test_rle_pixels_cut_between_codes_are_corrupt_with_short_palette(compression: int, colors: int) -> None:
    data, expected = short_palette(compression, colors)
    np.testing.assert_array_equal(decoded(data), expected)
    for missing in (1, 3, 4, 8, 12, 16):
        assert refusal(data[:-missing])


@pytest.mark.parametrize("name", BMPS)
def test_trailing_bytes_are_ignored(name: str) -> None:
    np.testing.assert_array_equal(decoded(BMPS[name].data + b"trailing" * 9), BMPS[name].pixels)


@pytest.mark.parametrize("size", [0, 1, 0xFFFFFFFF])
def test_declared_file_size_is_ignored(size: int) -> None:
    np.testing.assert_array_equal(decoded(changed("<I", 2, size)), BMPS["bmp 24 bits"].pixels)


@pytest.mark.parametrize("offset", [0, 53, len(WHOLE), 0x7FFFFFFF, 0xFFFFFFFF])
def test_invalid_pixel_offset_is_corrupt(offset: int) -> None:
    assert "begin at byte" in refusal(changed("<I", 10, offset))


def test_pixel_offset_may_leave_gap() -> None:
    later = changed("<I", 10, 54 + 100)
    np.testing.assert_array_equal(decoded(later[:54] + bytes(100) + later[54:]), BMPS["bmp 24 bits"].pixels)


@pytest.mark.parametrize(
    ("form", "at", "value"),
    [("<I", 14, 41), ("<H", 26, 2), ("<H", 28, 0), ("<H", 28, 3), ("<H", 28, 64), ("<I", 30, 4), ("<I", 30, 5)],
)
def test_other_compressions_are_unsupported(form: str, at: int, value: int) -> None:
    with pytest.raises(UnsupportedFormat):
        image.read_header(changed(form, at, value))


@pytest.mark.parametrize("name", RUNS)
def test_top_down_rle_is_corrupt(name: str) -> None:
    with pytest.raises(CorruptImage):
        image.read_header(changed("<i", 22, -kinds.HEIGHT, RUNS[name]))


@pytest.mark.parametrize("height", [-(1 << 31), (1 << 31) - 1, -4097])
def test_absurd_height_is_rejected_by_header(height: int) -> None:
    with pytest.raises(ImageTooLarge):
        image.read_header(changed("<i", 22, height))


@pytest.mark.parametrize("width", [0, -1, -(1 << 31)])
def test_widths_below_one_are_corrupt(width: int) -> None:
    assert refusal(changed("<i", 18, width))


def test_color_beyond_palette_is_black() -> None:
    body = bytes([0, 1, 2, 3])
    data = kinds.bmp(4, 1, 8, body, extra=bytes([30, 20, 10, 0, 60, 50, 40, 0]))
    np.testing.assert_array_equal(decoded(data), [[[10, 20, 30], [40, 50, 60], [0, 0, 0], [0, 0, 0]]])


def test_repeated_rle_painting_is_bounded() -> None:
    assert decoded(damage.bmp_run_bomb(255, 2_000)).shape == (255, 255, 3)


def test_missing_masks_are_corrupt() -> None:
    assert "begin at byte" in refusal(kinds.bmp(1, 1, 16, bytes(4), compression=3))


def run_length_coded(indices: NDArray[np.uint8], palette: NDArray[np.uint8], width: int) -> bytes:
    """Rows as runs of one, as long as they are, in an image that is said to be so wide."""
    body = b"".join(b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in indices[::-1])[:-2] + b"\0\1"
    extra = np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    return kinds.bmp(width, len(indices), 8, body, compression=1, extra=extra)


@pytest.mark.parametrize("wider", [1, 2, 3, 7, 8])
def test_rle_rows_beyond_width_are_clipped(wider: int) -> None:
    """As ImageMagick writes an image that it has cropped."""
    palette = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
    indices = kinds.scene(60, 40)[:, :, 0]
    data = run_length_coded(indices, palette, 60 - wider)
    np.testing.assert_array_equal(decoded(data), palette[indices[:, : 60 - wider]])


@pytest.mark.parametrize("wider", [9, 13, 25, 40])
def test_rle_rows_far_beyond_width_are_corrupt(wider: int) -> None:
    palette = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
    with pytest.raises(CorruptImage):
        decoded(run_length_coded(kinds.scene(60, 40)[:, :, 0], palette, 60 - wider))


@pytest.mark.parametrize("name", [name for name in kinds.samples() if name.startswith("bmp")])
def test_zero_planes_are_read_as_one(name: str) -> None:
    sample = kinds.samples()[name]
    place = 22 if sample.data[14] == 12 else 26
    data = sample.data[:place] + b"\0\0" + sample.data[place + 2 :]
    assert np.abs(decoded(data).astype(int) - sample.pixels).max() <= sample.tolerance


def test_several_planes_are_unsupported() -> None:
    with pytest.raises(UnsupportedFormat, match="3 planes"):
        decoded(changed("<H", 26, 3))


@pytest.mark.parametrize("width", [45, 46, 47])
@pytest.mark.parametrize("depth", [8, 24])
def test_padding_of_last_row_may_be_missing(width: int, depth: int) -> None:
    row = (width * depth + 31) // 32 * 4
    used = width * depth // 8
    extra = b"".join(bytes([value] * 3 + [0]) for value in range(256)) if depth == 8 else b""
    data = kinds.bmp(width, 4, depth, bytes(range(200)) * 20, extra=extra)
    whole = data[: len(data) - 4000 + 4 * row]
    for missing in range(row - used + 1):
        np.testing.assert_array_equal(decoded(whole[: len(whole) - missing]), decoded(whole))
    assert refusal(whole[: len(whole) - (row - used) - 1])


def test_two_bit_and_os2_bitmaps_are_decoded() -> None:
    palette = np.random.default_rng(2).integers(0, 256, (4, 3), dtype=np.uint8)
    indices = (kinds.scene(14, 5)[:, :, 0] >> 6).astype(np.uint8)
    padded = np.pad(indices, ((0, 0), (0, 2))).reshape(5, 4, 4)
    rows = padded[..., 0] << 6 | padded[..., 1] << 4 | padded[..., 2] << 2 | padded[..., 3]
    extra = np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    data = kinds.bmp(14, 5, 2, rows[::-1].astype(np.uint8).tobytes(), extra=extra)
    np.testing.assert_array_equal(decoded(data), palette[indices])
    short = data[:10] + struct.pack("<II", 30 + len(extra), 16) + data[18:30] + data[54:]
    np.testing.assert_array_equal(decoded(short), palette[indices])
    no_room = changed("<I", 10, 54, changed("<I", 46, 4, data))
    np.testing.assert_array_equal(decoded(no_room), palette[indices])


def test_alpha_is_used_if_header_declares_it() -> None:
    scene = kinds.scene(8, 4)
    cover = np.tile(np.array([0, 255], np.uint8), (4, 4))
    pixels = np.concatenate([scene[:, :, ::-1], cover[:, :, None]], axis=2)[::-1].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = kinds.bmp(8, 4, 32, pixels, compression=3, header=108, extra=masks)
    np.testing.assert_array_equal(decoded(data), np.where(cover[:, :, None] == 255, scene, 255))
    invisible = data[: len(data) - len(pixels)] + bytes(len(pixels) // 4 * 4)
    np.testing.assert_array_equal(decoded(invisible), np.zeros((4, 8, 3)))

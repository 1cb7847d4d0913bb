"""PNG: whole and checked in every part, or refused; what is no part of the pixels costs nothing."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from devtools.photos import damage, kinds
from face_comparison import image
from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat

PNGS = {name: sample for name, sample in kinds.samples().items() if name.startswith("png")}
SCENE = kinds.scene()
WHOLE = kinds.png(SCENE, 8, 2)
ROWS = kinds.png_rows(SCENE, 8)


def decoded(data: bytes) -> NDArray[np.uint8]:
    return image.decode(data, image.read_header(data))


def refusal(data: bytes) -> str:
    """Why it is corrupt; fails when it is not."""
    with pytest.raises(CorruptImage) as caught:
        decoded(data)
    return caught.value.message


@pytest.mark.parametrize("name", PNGS)
def test_truncated_pixels_are_corrupt(name: str) -> None:
    data = PNGS[name].data
    last = data.rindex(b"IDAT") + 4
    end = last + int.from_bytes(data[last - 8 : last - 4], "big")
    for size in (*range(8, end, 11), end - 1):
        assert refusal(data[:size]), size
    for size in range(end, len(data)):
        np.testing.assert_array_equal(decoded(data[:size]), decoded(data))


@pytest.mark.parametrize("behind", [b"", b"\0\0", b"\0\0\0\0IEND\0\0\0\0", kinds.png_chunk(b"tEXt", b"x")[:-3]])
def test_missing_end_chunk_is_accepted(behind: bytes) -> None:
    np.testing.assert_array_equal(decoded(WHOLE[:-12] + behind), SCENE)


def test_trailing_bytes_are_ignored() -> None:
    np.testing.assert_array_equal(decoded(WHOLE + b"trailing" * 99), SCENE)


def test_bit_flip_is_detected_or_harmless() -> None:
    for place in range(8, len(WHOLE)):
        changed = bytearray(WHOLE)
        changed[place] ^= 1 << place % 8
        try:
            pixels = decoded(bytes(changed))
        except (CorruptImage, ImageTooLarge):
            continue
        np.testing.assert_array_equal(pixels, SCENE)  # the length of the last chunk: its stream is whole


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (zlib.compress(ROWS)[:300], "end early"),
        (zlib.compress(ROWS)[:-4] + b"\0\0\0\0", "damaged"),
        (zlib.compress(ROWS)[:200] + b"\xaa" * 40, "damaged"),
        (b"no stream at all", "damaged"),
        (zlib.compress(ROWS[:-1]), "end early"),
        (zlib.compress(ROWS[: -len(ROWS) // kinds.HEIGHT]), "end early"),
        (zlib.compress(b""), "end early"),
        (zlib.compress(b"\5" + ROWS[1:]), "unknown filter"),
    ],
)
def test_stream_of_wrong_size_is_corrupt(stream: bytes, why: str) -> None:
    """With right checksums: only the stream itself tells."""
    assert why in refusal(kinds.png(SCENE, 8, 2, stream=stream))


def test_bytes_after_stream_are_ignored() -> None:
    np.testing.assert_array_equal(decoded(kinds.png(SCENE, 8, 2, stream=zlib.compress(ROWS) + b"more")), SCENE)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_any_compression_and_chunking_is_decoded(level: int) -> None:
    stream = zlib.compress(ROWS, level)
    start = WHOLE.index(b"IDAT") - 4
    chunks = b"".join(kinds.png_chunk(b"IDAT", bytes([byte])) for byte in stream)
    np.testing.assert_array_equal(decoded(WHOLE[:start] + chunks + kinds.png_chunk(b"IEND")), SCENE)


@pytest.mark.parametrize("interlaced", [False, True])
def test_many_chunks_are_decoded(interlaced: bool) -> None:
    """More than the inflater hands out at once, in rows that no piece ends with."""
    scene = kinds.scene(701, 503)
    np.testing.assert_array_equal(decoded(kinds.png(scene, 8, 2, interlaced=interlaced)), scene)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (9, 1), (2, 3), (4, 5), (8, 8)])
def test_small_interlaced_images_are_decoded(width: int, height: int) -> None:
    scene = kinds.scene(width, height)
    np.testing.assert_array_equal(decoded(kinds.png(scene, 8, 2, interlaced=True)), scene)


def header(*fields: int) -> bytes:
    start = WHOLE.index(b"IDAT") - 4
    return WHOLE[:8] + kinds.png_chunk(b"IHDR", struct.pack(">IIBBBBB", *fields)) + WHOLE[start:]


@pytest.mark.parametrize(
    "fields", [(9, 9, 3, 2, 0, 0, 0), (9, 9, 8, 1, 0, 0, 0), (9, 9, 8, 7, 0, 0, 0), (9, 9, 16, 3, 0, 0, 0),
               (9, 9, 8, 2, 1, 0, 0), (9, 9, 8, 2, 0, 1, 0), (9, 9, 8, 2, 0, 0, 2), (9, 9, 0, 0, 0, 0, 0)]
)  # fmt: skip
def test_invalid_header_values_are_corrupt(fields: tuple[int, ...]) -> None:
    with pytest.raises(CorruptImage):
        image.read_header(header(*fields))


@pytest.mark.parametrize(
    ("width", "height"), [(kinds.WIDTH - 1, kinds.HEIGHT + 1), (kinds.WIDTH, kinds.HEIGHT + 1), (kinds.WIDTH + 1, 30)]
)
def test_size_above_data_is_corrupt(width: int, height: int) -> None:
    with pytest.raises(CorruptImage):
        decoded(header(width, height, 8, 2, 0, 0, 0))


def chunks(data: bytes) -> list[bytes]:
    parts, at = [], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at:end])
        at = end
    return parts


def test_missing_or_misplaced_chunks_are_corrupt() -> None:
    signature, (first, *pixels, end) = WHOLE[:8], chunks(WHOLE)
    other = kinds.png_chunk(b"teSt", b"harmless")
    np.testing.assert_array_equal(decoded(signature + first + other + b"".join(pixels) + other + end), SCENE)
    for wrong in (
        [first, end],
        [*pixels, end],
        [other, first, *pixels, end],
        [first, first, *pixels, end],
        [first, pixels[0], other, *pixels[1:], end],
        [first, kinds.png_chunk(b"TEsT", b"must be understood"), *pixels, end],
    ):
        assert refusal(signature + b"".join(wrong))


def test_palettes_of_any_size_are_decoded() -> None:
    indices = (np.arange(16, dtype=np.uint8) % 4).reshape(4, 4, 1)
    colors = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [9, 9, 9]], np.uint8)
    short = np.where(indices == 3, 0, colors[indices[:, :, 0]])
    np.testing.assert_array_equal(decoded(kinds.png(indices, 2, 3, PLTE=colors[:3].tobytes())), short)
    long = np.concatenate([colors, colors, colors])
    np.testing.assert_array_equal(decoded(kinds.png(indices, 2, 3, PLTE=long.tobytes())), colors[indices[:, :, 0]])
    assert "palette" in refusal(kinds.png(indices, 2, 3, PLTE=colors.tobytes()[:-1]))
    assert "palette" in refusal(kinds.png(indices, 2, 3))


def test_meaningless_palette_or_transparency_is_ignored() -> None:
    np.testing.assert_array_equal(decoded(kinds.png(SCENE, 8, 2, PLTE=b"abc" * 5)), SCENE)
    np.testing.assert_array_equal(decoded(kinds.png(SCENE, 8, 2, PLTE=b"ab", tRNS=b"\0")), SCENE)
    alpha = np.concatenate([SCENE, np.full((*SCENE.shape[:2], 1), 255, np.uint8)], axis=2)
    np.testing.assert_array_equal(decoded(kinds.png(alpha, 8, 6, tRNS=b"\0\0\0\0\0\0")), SCENE)


@pytest.mark.parametrize("color", [0, 2])
def test_transparent_color_is_masked_to_sample_bits(color: int) -> None:
    gray = np.full((3, 3, 1 if color == 0 else 3), 7, np.uint8)
    key = b"\xff\x07" * gray.shape[2]
    np.testing.assert_array_equal(decoded(kinds.png(gray, 8, color, tRNS=key)), np.full((3, 3, 3), 255))


def test_ancillary_chunks_are_ignored() -> None:
    parts: dict[str, Any] = {
        "gAMA": struct.pack(">I", 1),
        "iCCP": b"x\0\0nonsense",
        "tEXt": b"no keyword",
        "acTL": bytes(8),
    }
    np.testing.assert_array_equal(decoded(kinds.png(SCENE, 8, 2, **parts)), SCENE)
    assert decoded(damage.png_text_bomb(1 << 28)).shape == (4, 4, 3)


def test_endless_stream_is_abandoned() -> None:
    """A gigabyte of zeros for 16 pixels."""
    assert decoded(damage.png_bomb(1 << 30)).shape == (4, 4, 3)


@pytest.mark.parametrize("more", [b"\0", b"\7", bytes(200_000)], ids=len)
def test_bytes_after_last_row_are_ignored(more: bytes) -> None:
    """The checksums of the chunks prove the rows before them; where one is missing, nothing does."""
    data = kinds.png(SCENE, 8, 2, stream=zlib.compress(ROWS + more))
    np.testing.assert_array_equal(decoded(data), SCENE)
    assert "ends early" in refusal(data[:-17])


@pytest.mark.parametrize("missing", [1, 4])
def test_chunk_checksum_covers_missing_stream_checksum(missing: int) -> None:
    np.testing.assert_array_equal(decoded(kinds.png(SCENE, 8, 2, stream=zlib.compress(ROWS)[:-missing])), SCENE)


def test_excess_empty_chunks_are_rejected() -> None:
    assert decoded(damage.png_of_empty_chunks(5_000)).shape == (4, 4, 3)
    with pytest.raises(CorruptImage, match="chunks"):
        image.read_header(damage.png_of_empty_chunks(200_000))


def test_apple_png_is_unsupported() -> None:
    """As Xcode writes it into applications: colors swapped, without zlib's header."""
    data = WHOLE[:8] + kinds.png_chunk(b"CgBI", b"\x50\0\x20\2") + WHOLE[8:]
    with pytest.raises(UnsupportedFormat, match="Apple"):
        image.read_header(data)


def test_broken_signature_is_not_png() -> None:
    with pytest.raises(UnsupportedFormat):
        image.read_header(b"\x89PNG\n\n" + WHOLE[6:])

"""Decodes BMP: uncompressed pixels with NumPy, run-length encoded ones with OpenCV.

The header is checked against the data that follows it. The fourth byte of 32-bit pixels is read as opacity only if the
header has an alpha mask: many encoders leave zeros there, which would mean fully transparent.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.alpha import on_white

SIGNATURE = b"BM"

_FILE_HEADER = 14
_CORE_HEADER, _SHORT_OS2_HEADER, _OS2_HEADER, _ALPHA_HEADER = 12, 16, 64, 56
_HEADERS = (_CORE_HEADER, _SHORT_OS2_HEADER, 40, 52, _ALPHA_HEADER, _OS2_HEADER, 108, 124)

_PLAIN, _RLE8, _RLE4, _BIT_FIELDS, _ALPHA_BIT_FIELDS = 0, 1, 2, 3, 6
_DEPTHS = {
    _PLAIN: (1, 2, 4, 8, 16, 24, 32),
    _RLE8: (8,),
    _RLE4: (4,),
    _BIT_FIELDS: (16, 32),
    _ALPHA_BIT_FIELDS: (16, 32),
}
"""Bits per pixel that each compression allows."""

_OFFSET_AT, _COLORS_AT = 10, 46
"""Where the header says at which byte the pixels begin, and how many colors the palette has."""

_RUN, _ROW_END, _END = b"\4\x11", b"\0\0", b"\0\1"
_WIDER = (8, 20)
"""Extra columns with which a run-length encoded image is decoded."""

_MASKS_AT = 54
_MASKS = {16: (0x7C00, 0x03E0, 0x001F), 32: (0xFF0000, 0x00FF00, 0x0000FF)}
"""Default bit masks of red, green and blue, by bits per pixel."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """The headers of a BMP.

    Attributes:
        width: Width in pixels.
        height: Height in pixels; negative if the rows are stored from top to bottom.
        depth: Bits per pixel.
        compression: The compression, one of the keys of `_DEPTHS`.
        header: Size of the information header, in bytes.
        offset: Offset of the pixels, in bytes.
    """

    width: int
    height: int
    depth: int
    compression: int
    header: int
    offset: int


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Returns width, height and orientation (always 1)."""
    layout = _layout(data)
    return layout.width, abs(layout.height), 1


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """Decodes to (H, W, 3) uint8 RGB; `reduce` is not used."""
    layout = _layout(data)
    if layout.compression in (_RLE8, _RLE4):
        return _decode_run_lengths(data, width, height)
    row = (width * layout.depth + 31) // 32 * 4
    padding = row - (width * layout.depth + 7) // 8
    missing = layout.offset + row * height - len(data)
    if missing > padding:
        raise CorruptImage("the BMP ends early")
    if missing > 0:  # only padding of the last row is missing
        data = bytes(data) + bytes(missing)
    rows = np.frombuffer(data, np.uint8, row * height, layout.offset).reshape(height, row)
    rgb = _rgb(rows, data, layout)
    return np.asarray(rgb if layout.height < 0 else cv2.flip(rgb, 0), np.uint8)


def _decode_run_lengths(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Decodes a run-length encoded image to (H, W, 3) uint8 RGB.

    Rows may be encoded wider than the image, as ImageMagick does. OpenCV would continue the excess pixels in the next
    row. So the image is decoded with extra columns, which take the excess and are cut off. If a row exceeds even these,
    its excess ends up at a different place for each number of extra columns. So the image is decoded twice, and the
    results are compared.
    """
    try:
        decoded, redecoded = (_decode_wider(data, width, height, wider) for wider in _WIDER)
    except CorruptImage:
        return _decode_without_end(data, width, height)
    if not np.array_equal(decoded, redecoded):
        raise CorruptImage("the BMP's run-length coded rows are longer than the image is wide")
    return decoded


def _decode_wider(data: bytes, width: int, height: int, wider: int) -> NDArray[np.uint8]:
    fields = bytearray(data)
    struct.pack_into("<iiH", fields, 18, width + wider, height, 1)
    decoded = cv2.imdecode(np.frombuffer(fields, np.uint8), cv2.IMREAD_COLOR_RGB)
    if decoded is None or decoded.shape != (height, width + wider, 3):
        raise CorruptImage("the BMP's run-length coded pixels are damaged or end early")
    return np.ascontiguousarray(decoded[:, :width], np.uint8)


def _decode_without_end(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Decodes pixels that lack only the end marker: runs behind them, in their row and the next, show nowhere.

    Runs that do show differ from what OpenCV leaves there. Indices are decoded as grays, since a palette may have one
    color twice or be shorter than an index of the runs; they get their colors afterwards.
    """
    layout = _layout(data)
    grays = np.repeat(np.arange(255, -1, -1, dtype=np.uint8), 4).tobytes()
    start = _FILE_HEADER + layout.header
    if (len(data) - layout.offset) % 2:  # within a code: all have an even length
        raise CorruptImage("the BMP ends early")
    fields = bytearray(data[:start]) + grays + data[layout.offset :]
    struct.pack_into("<I", fields, _OFFSET_AT, start + len(grays))
    struct.pack_into("<I", fields, _COLORS_AT, 0)
    decoded, redecoded = (
        _decode_wider(bytes(fields) + end, width, height, wider)[:, :, 0].copy()
        for end, wider in zip((_END, _RUN + _ROW_END + _RUN + _END), _WIDER, strict=True)
    )
    if not np.array_equal(decoded, redecoded):
        raise CorruptImage("the BMP ends early, or its run-length coded rows are longer than the image is wide")
    return np.asarray(_apply_palette(255 - decoded, data, layout), np.uint8)


def _layout(data: bytes) -> _Layout:
    try:
        offset, header = struct.unpack_from("<II", data, _OFFSET_AT)
        compression = _PLAIN
        if header == _CORE_HEADER:
            width, height, planes, depth = struct.unpack_from("<HHHH", data, 18)
        elif header == _SHORT_OS2_HEADER:
            width, height, planes, depth = struct.unpack_from("<iiHH", data, 18)
        elif header in _HEADERS:
            width, height, planes, depth, compression = struct.unpack_from("<iiHHI", data, 18)
        else:
            raise UnsupportedFormat(f"a BMP header of {header} bytes is not known")
    except struct.error:
        raise CorruptImage("the BMP ends within its header") from None
    if (
        planes > 1  # some encoders write 0
        or (header == _OS2_HEADER and compression == _BIT_FIELDS)
        or depth not in _DEPTHS.get(compression, ())
    ):
        raise UnsupportedFormat(
            f"BMP with {depth} bits per pixel, {planes} planes and compression {compression} is not supported: "
            "save it as PNG"
        )
    if height < 0 and compression in (_RLE8, _RLE4):
        raise CorruptImage("a run-length coded BMP cannot be stored from top to bottom")
    min_offset = _FILE_HEADER + header
    if depth <= 8 and offset == min_offset and header > _SHORT_OS2_HEADER:  # it leaves no room for the palette
        offset += 4 * (struct.unpack_from("<I", bytes(data[:50]).ljust(50, b"\0"), _COLORS_AT)[0] or 1 << depth)
    if compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS):
        min_offset = max(min_offset, _MASKS_AT + 12)
    if not min_offset <= offset < len(data):
        raise CorruptImage(f"the BMP says that its pixels begin at byte {offset} of {len(data)}")
    return _Layout(width, height, depth, compression, header, offset)


def _rgb(rows: NDArray[np.uint8], data: bytes, layout: _Layout) -> NDArray[Any]:
    width = layout.width
    if layout.depth <= 8:
        return _apply_palette(_indices(rows, layout.depth)[:, :width], data, layout)
    if layout.depth == 24:
        return cv2.cvtColor(rows[:, : 3 * width].reshape(-1, width, 3), cv2.COLOR_BGR2RGB)
    masks = _MASKS[layout.depth]
    if layout.compression != _PLAIN:
        masks = struct.unpack_from("<III", data, _MASKS_AT)
    values = rows.view(f"<u{layout.depth // 8}")[:, :width]
    alpha = _channel(values, _alpha_mask(data, layout))
    if not alpha.any():  # many encoders leave zeros: the image would be invisible
        if masks == _MASKS[32]:
            return cv2.cvtColor(rows.reshape(-1, width, 4), cv2.COLOR_BGRA2RGB)
        return cv2.merge([_channel(values, mask) for mask in masks])
    red, green, blue = (_channel(values, mask) for mask in masks)
    return on_white(cv2.merge([blue, green, red, alpha]))


def _indices(rows: NDArray[np.uint8], depth: int) -> NDArray[np.uint8]:
    """Unpacks samples of 1, 2, 4 or 8 bits; the first one is in the most significant bits of a byte."""
    if depth == 1:
        return np.unpackbits(rows, axis=1)
    if depth == 8:
        return rows
    samples = [rows >> shift & ((1 << depth) - 1) for shift in range(8 - depth, -1, -depth)]
    return np.stack(samples, -1).reshape(len(rows), -1)


def _alpha_mask(data: bytes, layout: _Layout) -> int:
    """Returns the bit mask of a pixel's opacity; 0 if the header has no field for it."""
    has_mask = layout.compression == _ALPHA_BIT_FIELDS or (
        layout.compression == _BIT_FIELDS and layout.header >= _ALPHA_HEADER
    )
    return int(struct.unpack_from("<I", data, _MASKS_AT + 12)[0]) if has_mask and len(data) >= _MASKS_AT + 16 else 0


def _apply_palette(indices: NDArray[np.uint8], data: bytes, layout: _Layout) -> NDArray[Any]:
    """Replaces indices (H, W) by the colors of the file's palette; an index beyond a short palette becomes black."""
    entry = 3 if layout.header == _CORE_HEADER else 4
    start = _FILE_HEADER + layout.header
    stored = np.frombuffer(data, np.uint8, min((layout.offset - start) // entry, 256) * entry, start).reshape(-1, entry)
    palette = np.zeros((256, 1, 3), np.uint8)
    palette[: len(stored), 0] = stored[:, 2::-1]
    return cv2.applyColorMap(np.ascontiguousarray(indices), palette)


def _channel(values: NDArray[Any], mask: int) -> NDArray[np.uint8]:
    """Extracts the bits of `mask` from each pixel and scales them to 0-255."""
    mask &= int(np.iinfo(values.dtype).max)
    if not mask:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    scaled = ((values & mask) >> shift).astype(np.float32) * np.float32(255 / (mask >> shift))
    return (scaled + np.float32(0.5)).astype(np.uint8)

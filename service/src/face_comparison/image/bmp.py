"""BMP: a header held to the data that follows it, then OpenCV's decoder.

The fourth byte of 32-bit pixels is ignored, as most viewers do: many writers leave zeros there that would read as
fully transparent.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, UnsupportedFormat

SIGNATURE = b"BM"

_FILE_HEADER = 14
_CORE_HEADER = 12
_INFO_HEADERS = (40, 52, 56, 64, 108, 124)
_RLE = {1: 8, 2: 4}
"""Bits of a pixel by run-length compression."""
_DEPTHS = {0: (1, 4, 8, 16, 24, 32), 1: (8,), 2: (4,), 3: (16, 32), 6: (16, 32)}
"""Bits of a pixel that a compression may have: none, RLE8, RLE4, bit fields, bit fields with alpha."""


@dataclass(frozen=True, slots=True)
class _Layout:
    width: int
    height: int
    depth: int
    compression: int
    offset: int


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width, height and orientation (always 1)."""
    layout = _layout(data)
    return layout.width, layout.height, 1


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB; `reduce` is not used."""
    layout = _layout(data)
    if layout.compression not in _RLE:
        row = (width * layout.depth + 31) // 32 * 4
        if layout.offset + row * height > len(data):
            raise CorruptImage(f"the BMP ends early: {row * height} bytes of pixels are announced")
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if decoded is None or decoded.shape != (height, width, 3):
        raise CorruptImage("the BMP's pixels are damaged or end early")
    return np.asarray(decoded, np.uint8)


def _layout(data: bytes) -> _Layout:
    try:
        (offset, size) = struct.unpack_from("<II", data, 10)
        if size == _CORE_HEADER:
            width, height, planes, depth = struct.unpack_from("<HHHH", data, 18)
            compression = 0
        elif size in _INFO_HEADERS:
            width, height, planes, depth, compression = struct.unpack_from("<iiHHI", data, 18)
        else:
            raise UnsupportedFormat(f"a BMP header of {size} bytes is not known")
    except struct.error:
        raise CorruptImage("the BMP ends within its header") from None
    if planes != 1 or depth not in _DEPTHS.get(compression, ()):
        raise UnsupportedFormat(f"BMP of {depth} bits with compression {compression} is not decoded")
    if height < 0 and compression in _RLE:
        raise CorruptImage("a run-length compressed BMP cannot be stored from top to bottom")
    if not _FILE_HEADER + size <= offset < len(data):
        raise CorruptImage(f"the BMP says its pixels begin at byte {offset} of {len(data)}")
    return _Layout(width, abs(height), depth, compression, offset)

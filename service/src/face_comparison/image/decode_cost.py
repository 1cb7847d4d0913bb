"""Estimates the memory that decoding an image takes from its header alone, for admission control before decoding."""

from __future__ import annotations

from face_comparison.errors import FaceComparisonError
from face_comparison.image import MAX_SIDE
from face_comparison.image.formats import format_of

_FIXED = 8 << 20


def estimate_decode_bytes(data: bytes, max_side: int = MAX_SIDE) -> int:
    """Returns an upper bound of the memory that `decode` takes beyond the data, at full scale; a search holds no more.

    For data that `read_header` rejects, only a fixed amount is counted: no pixel of it is decoded.

    Args:
        data: The encoded image.
        max_side: Maximum length of the longest side, in pixels.
    """
    try:
        found = format_of(data)
        width, height, _ = found.reader.dimensions(data)
        if max(width, height) > max_side:
            return _FIXED
        per_pixel = found.bytes_per_pixel(data)
    except FaceComparisonError:
        return _FIXED
    return _FIXED + 2 * len(data) + int(per_pixel * width * height)

"""What an image will cost in memory, known from its header before a pixel is decoded."""

from __future__ import annotations

from face_comparison.errors import FaceComparisonError
from face_comparison.image import read_header

BYTES_PER_PIXEL = 12
"""Decoded rows, the 8-bit BGR image, a rotated copy and its reduced copies, as measured."""


def estimate_decode_bytes(data: bytes) -> int:
    """Memory that decoding and analyzing an encoded image takes at its peak, bytes; 0 when its header is not good."""
    try:
        header = read_header(data)
    except FaceComparisonError:
        return 0
    return header.width * header.height * BYTES_PER_PIXEL

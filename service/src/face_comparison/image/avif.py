"""AVIF: libavif as it comes with OpenCV. Of a sequence the image that the file calls its primary one is shown.

libavif decodes what the coded data says and scales that to the size that the file claims, so the coded size is what an
image costs.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage
from face_comparison.image.alpha import on_white
from face_comparison.image.av1 import largest_frame
from face_comparison.image.isobmff import boxes, brands, first_box, primary_image
from face_comparison.image.isobmff_items import coded_items

_BRANDS = frozenset({b"avif", b"avis"})
_STILL = b"avif"
_DESCRIBES, _NOTHING = b"cdsc", b"free"
"""Of references: from metadata to its image, and one without a meaning."""

_BYTES_PER_PIXEL = 22
_MAX_EXCESS, _UNCLAIMED_PIXELS = 4, 256 * 256
"""Coded pixels: tiles reach over the edges, and transparency is an image of its own."""


def matches(start: bytes) -> bool:
    """Returns whether the first bytes are those of an AVIF still image."""
    return bool(brands(start) & _BRANDS)


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width and height as stored, and orientation; that of EXIF only repeats it."""
    image = primary_image(data)
    return image.width, image.height, image.orientation


def bytes_per_pixel(data: bytes) -> float:
    """Memory while the image is decoded, for each pixel that the file claims.

    Raises:
        CorruptImage: the coded data is larger than an image of this size needs.
    """
    image = primary_image(data)
    claimed = image.width * image.height
    frames = [largest_frame(item) for item in coded_items(data, b"av01")]
    coded = sum(width * height for width, height in frames)
    if coded > _MAX_EXCESS * claimed + _UNCLAIMED_PIXELS:
        raise CorruptImage("the AVIF's coded image is larger than the file says")
    return _BYTES_PER_PIXEL * max(1.0, coded / max(1, claimed))


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB; `reduce` is not used."""
    bytes_per_pixel(data)  # raises where more would be decoded than is shown
    still = _still_without_metadata(data)
    decoded = cv2.imdecode(np.frombuffer(still, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None or decoded.shape[:2] != (height, width):
        raise CorruptImage("the AVIF is damaged or ends early")
    return on_white(decoded, (1 << primary_image(data).depth) - 1)


def _still_without_metadata(data: bytes) -> bytearray:
    """Returns the file as a still image to which no metadata belongs.

    Of a file that calls itself a sequence, libavif would decode that; and OpenCV gives up at EXIF that it cannot read.
    """
    still = bytearray(data)
    still[8:12] = _STILL
    meta = first_box(data, 0, len(data), b"meta")
    references = meta and first_box(data, meta[0] + 4, meta[1], b"iref")
    if references:
        for kind, start, _ in boxes(data, references[0] + 4, references[1]):
            if kind == _DESCRIBES:
                still[start - 4 : start] = _NOTHING
    return still

"""Reads AVIF, using the libavif that OpenCV bundles. Of an image sequence, the primary image is decoded.

libavif decodes at the size that the coded data specifies and scales the result to the size that the file claims. The
coded size therefore determines the cost of an image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage
from face_comparison.image.alpha import on_white
from face_comparison.image.av1 import count_frames, largest_frame
from face_comparison.image.isobmff import boxes, brands, first_box, primary_image
from face_comparison.image.isobmff_items import coded_items

_BRANDS = frozenset({b"avif", b"avis"})
_STILL = b"avif"
_DESCRIBES, _NOTHING = b"cdsc", b"free"
"""Types of references between items: the one from metadata to the image it describes, and a meaningless one."""

_BYTES_PER_PIXEL = 22
_MAX_EXCESS, _UNCLAIMED_PIXELS = 4, 256 * 256
"""Limits on coded pixels: this multiple of the claimed pixels, plus a fixed number. There may be more coded pixels than
claimed ones because tiles extend past the edges, transparency is a separate image, and an image may have layers."""


def matches(start: bytes) -> bool:
    """Returns whether the first bytes are those of an AVIF file."""
    return bool(brands(start) & _BRANDS)


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Returns width and height as stored, and the orientation.

    The orientation comes from the image properties; the one in EXIF metadata only repeats it.
    """
    image = primary_image(data)
    return image.width, image.height, image.orientation


def bytes_per_pixel(data: bytes) -> float:
    """Returns the memory that decoding takes, in bytes per pixel that the file claims.

    Raises:
        CorruptImage: The coded image is larger than an image of this size needs.
    """
    image = primary_image(data)
    claimed = image.width * image.height
    coded = decoded = 0
    for item in coded_items(data, b"av01"):
        width, height = largest_frame(item)
        coded += width * height
        decoded += width * height * max(1, count_frames(item))
    if decoded > _MAX_EXCESS * claimed + _UNCLAIMED_PIXELS:
        raise CorruptImage("the AVIF's coded image is larger than the file says, or has more frames than a still image")
    return _BYTES_PER_PIXEL * max(1.0, coded / max(1, claimed))


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """Decodes to (H, W, 3) uint8 RGB; `reduce` is not used."""
    bytes_per_pixel(data)  # raises if the coded image is much larger than the file claims
    cleaned = _still_without_metadata(data)
    decoded = cv2.imdecode(np.frombuffer(cleaned, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None or decoded.shape[:2] != (height, width):
        raise CorruptImage("the AVIF is damaged or ends early")
    return on_white(decoded, (1 << primary_image(data).depth) - 1)


def _still_without_metadata(data: bytes) -> bytearray:
    """Returns the file marked as a still image, with its metadata detached from the image.

    In a file marked as a sequence, libavif would decode the sequence instead of the primary image. And OpenCV fails on
    EXIF metadata that it cannot read.
    """
    cleaned = bytearray(data)
    cleaned[8:12] = _STILL
    meta = first_box(data, 0, len(data), b"meta")
    references = meta and first_box(data, meta[0] + 4, meta[1], b"iref")
    if references:
        for kind, start, _ in boxes(data, references[0] + 4, references[1]):
            if kind == _DESCRIBES:
                cleaned[start - 4 : start] = _NOTHING
    return cleaned

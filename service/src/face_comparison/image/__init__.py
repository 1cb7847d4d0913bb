"""Decodes the bytes of an image to upright RGB pixels, or raises an error; it never guesses missing pixels.

The format is detected from the content, every limit is checked on the header before a pixel is decoded, and what the
underlying decoders would accept (truncated data, bad checksums, endless streams) is rejected here. The functions do no
I/O: no files, no network. The orientation is the only metadata that is used; color profiles and gamma are not applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, ImageTooLarge
from face_comparison.image.exif import SWAPS_SIDES, upright
from face_comparison.image.formats import FORMATS, Format, format_of

__all__ = [
    "FORMATS",
    "LARGEST_MAX_SIDE",
    "MAX_SIDE",
    "Format",
    "Header",
    "Reduce",
    "decode",
    "format_of",
    "read_header",
]

MAX_SIDE = 4096
"""Default maximum of an image's longest side, in pixels."""

LARGEST_MAX_SIDE = 16384
"""Upper bound of the `max_side` that a caller may choose, in pixels."""

Reduce = Literal[1, 2, 4, 8]

# OpenCV reports every damaged file on standard error; the caller gets an error instead.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an image.

    Attributes:
        format: The format.
        width: Width of the upright image, in pixels.
        height: Height of the upright image, in pixels.
        orientation: EXIF orientation, 1-8.
    """

    format: Format
    width: int
    height: int
    orientation: int


def read_header(data: bytes, max_side: int = MAX_SIDE) -> Header:
    """Reads format, size and orientation from the content, without decoding a pixel.

    Args:
        data: The encoded image.
        max_side: Maximum length of the longest side, in pixels.

    Returns:
        The header.

    Raises:
        UnsupportedFormat: The format, or this variant of it, is not supported.
        CorruptImage: The header is damaged, or the data is visibly truncated.
        ImageTooLarge: A side is longer than `max_side`.
    """
    found = format_of(data)
    width, height, orientation = found.reader.dimensions(data)
    if width < 1 or height < 1:
        raise CorruptImage(f"the image claims a size of {width}x{height} pixels")
    if max(width, height) > max_side:
        raise ImageTooLarge(
            f"the image has {width}x{height} pixels; its longest side may have {max_side} (--max-side): send it smaller"
        )
    if SWAPS_SIDES[orientation]:
        width, height = height, width
    return Header(found.name, width, height, orientation)


def decode(data: bytes, header: Header, reduce: Reduce = 1) -> NDArray[np.uint8]:
    """Decodes an image.

    The global interpreter lock is released while pixels are decoded.

    Args:
        data: The encoded image.
        header: The header of the same data.
        reduce: JPEG images are decoded at 1/reduce of their sides, rounded up, which saves most of the work; other
            formats are always decoded at full size.

    Returns:
        Pixels (H, W, 3) uint8, RGB, upright, C-contiguous and owned by the caller. Transparent parts are blended onto
        white.

    Raises:
        UnsupportedFormat: This variant of the format is not supported.
        CorruptImage: Part of the image is missing or damaged.
    """
    across = (header.height, header.width) if SWAPS_SIDES[header.orientation] else (header.width, header.height)
    reader = next(each.reader for each in FORMATS if each.name == header.format)
    return upright(reader.pixels(data, *across, reduce), header.orientation)

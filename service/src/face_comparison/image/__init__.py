"""Bytes of an image to upright RGB pixels, or an error: never pixels guessed from the part that could be read.

The format is judged by content, every limit is checked on the header before a pixel is decoded, and what a decoder
below would let pass (cut data, bad checksums, streams that never end) is refused here. Values in, values out: no
file, no network, nothing written anywhere. Metadata is read for one thing only, the orientation; colour profiles
and gamma are not applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat
from face_comparison.image import bmp, jpeg, png
from face_comparison.image.exif import SWAPS_SIDES, upright

MAX_SIDE = 4096
"""Longest side of an accepted image, pixels."""

Reduce = Literal[1, 2, 4, 8]

_READERS = {"jpeg": jpeg, "png": png, "bmp": bmp}


Format = Literal["jpeg", "png", "bmp"]


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself. width, height: pixels of the upright image. orientation: EXIF, 1-8."""

    format: Format
    width: int
    height: int
    orientation: int


def format_of(start: bytes) -> Format:
    """The format that the first bytes (16 are enough) announce. Raises UnsupportedFormat."""
    names: tuple[Format, ...] = ("jpeg", "png", "bmp")
    for name in names:
        if start[: len(_READERS[name].SIGNATURE)] == _READERS[name].SIGNATURE:
            return name
    raise UnsupportedFormat("the data is no JPEG, PNG or BMP image (judged by its content)")


def read_header(data: bytes, max_side: int = MAX_SIDE) -> Header:
    """Format, size and orientation, read from the content without decoding a pixel.

    Raises UnsupportedFormat when it is none of JPEG, PNG and BMP (or a kind of them that is not decoded),
    CorruptImage when the header is damaged or the data visibly ends early, ImageTooLarge above max_side.
    """
    name = format_of(data)
    width, height, orientation = _READERS[name].dimensions(data)
    if width < 1 or height < 1:
        raise CorruptImage(f"the image claims a size of {width}x{height} pixels")
    if max(width, height) > max_side:
        raise ImageTooLarge(f"the image has {width}x{height} pixels; its longest side may have {max_side}")
    if SWAPS_SIDES[orientation]:
        width, height = height, width
    return Header(name, width, height, orientation)


def decode(data: bytes, header: Header, reduce: Reduce = 1) -> NDArray[np.uint8]:
    """Pixels (H, W, 3), RGB, upright, C-contiguous and owned by the caller. Transparent parts are shown on white.

    header: of the same data. reduce: JPEG images are decoded at 1/reduce of their sides, rounded up, which saves
    most of the work; PNG and BMP images are always decoded whole. Raises CorruptImage when anything of the
    image is missing or damaged. The interpreter lock is released while pixels are decoded.
    """
    across = (header.height, header.width) if SWAPS_SIDES[header.orientation] else (header.width, header.height)
    pixels = _READERS[header.format].pixels(data, *across, reduce)
    return upright(pixels, header.orientation)

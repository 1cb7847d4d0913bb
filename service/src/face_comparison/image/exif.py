"""Reads the EXIF orientation, which says how the camera was held, and applies it to the pixels.

Damaged metadata does not make an image invalid: if the orientation cannot be read, it is 1 (upright as stored).
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

_TAG = 0x0112
_MAX_ENTRIES = 1000
"""Maximum number of entries in a directory; cameras write about twenty."""
_FORMAT_BY_TYPE = {3: "H", 4: "I"}  # SHORT, and LONG, which some encoders write

SWAPS_SIDES = {1: False, 2: False, 3: False, 4: False, 5: True, 6: True, 7: True, 8: True}
"""Whether applying an orientation swaps width and height."""


def orientation_of(tiff: bytes) -> int:
    """Returns the orientation, 1-8, from a TIFF structure as embedded in EXIF; 1 if it has no valid orientation."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(min(entries, _MAX_ENTRIES)):
            at = directory + 2 + 12 * entry
            tag, kind = struct.unpack_from(order + "HH", tiff, at)
            if tag == _TAG and kind in _FORMAT_BY_TYPE:
                (value,) = struct.unpack_from(order + _FORMAT_BY_TYPE[kind], tiff, at + 8)
                return int(value) if value in SWAPS_SIDES else 1
    except struct.error:
        pass
    return 1


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Returns the upright image.

    Args:
        pixels: The image as stored, (H, W, 3) uint8.
        orientation: EXIF orientation, 1-8.

    Returns:
        The upright image, (H, W, 3) or (W, H, 3) uint8, C-contiguous; the same array if the orientation is 1.
    """
    match orientation:
        case 2:
            upright = cv2.flip(pixels, 1)
        case 3:
            upright = cv2.rotate(pixels, cv2.ROTATE_180)
        case 4:
            upright = cv2.flip(pixels, 0)
        case 5:
            upright = cv2.transpose(pixels)
        case 6:
            upright = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            upright = cv2.flip(cv2.transpose(pixels), -1)
        case 8:
            upright = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            upright = pixels
    return np.asarray(upright, np.uint8)

"""EXIF orientation: how a camera was held, read from the one tag that says so, and undone on the pixels.

Damaged metadata is no damage of the image: whatever cannot be read means orientation 1, as it stands.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

_TAG = 0x0112
_MAX_ENTRIES = 1000
"""Of a directory; cameras write some twenty."""
_FORMAT_BY_TYPE = {3: "H", 4: "I"}  # SHORT, and LONG as some writers have it

SWAPS_SIDES = {1: False, 2: False, 3: False, 4: False, 5: True, 6: True, 7: True, 8: True}
"""Whether undoing an orientation swaps width and height."""


def orientation_of(tiff: bytes) -> int:
    """1-8 from a TIFF structure, as EXIF embeds it; 1 when it says nothing that makes sense."""
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
    """Returns the image (H, W, 3) as it should be seen; the same array when orientation is 1. C-contiguous."""
    match orientation:
        case 2:
            turned = cv2.flip(pixels, 1)
        case 3:
            turned = cv2.rotate(pixels, cv2.ROTATE_180)
        case 4:
            turned = cv2.flip(pixels, 0)
        case 5:
            turned = cv2.transpose(pixels)
        case 6:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            turned = cv2.flip(cv2.transpose(pixels), -1)
        case 8:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            turned = pixels
    return np.asarray(turned, np.uint8)

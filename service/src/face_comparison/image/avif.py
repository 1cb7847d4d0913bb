"""AVIF: libavif as it comes with OpenCV. Of a sequence the image that the file calls its primary one is shown."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage
from face_comparison.image.alpha import on_white
from face_comparison.image.isobmff import brands, primary_image

_BRANDS = frozenset({b"avif", b"avis"})


def matches(start: bytes) -> bool:
    """Returns whether the first bytes are those of an AVIF still image."""
    return bool(brands(start) & _BRANDS)


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width and height as stored, and orientation; that of EXIF only repeats it."""
    image = primary_image(data)
    return image.width, image.height, image.orientation


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB; `reduce` is not used."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None or decoded.shape[:2] != (height, width):
        raise CorruptImage("the AVIF is damaged or ends early")
    return on_white(decoded, (1 << primary_image(data).depth) - 1)

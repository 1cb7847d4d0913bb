"""Prepares images for an album: reduces them for the analysis, and crops the faces. No I/O."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.api.responses import BoundingBox
from face_comparison.image import MAX_SIDE, Header, Reduce, decode, read_header
from face_comparison.vision.search import REDUCTIONS

LARGEST_SIDE = 20_000
"""Maximum length of a photograph's longest side, in pixels: cameras exceed the 4096 that a service accepts."""

CROP = 208
"""Side of a crop in pixels: shown at 104 pixels on a high-density screen."""

_AROUND = 1.6
"""Side of a crop as a multiple of the box's longer side, to include hair and chin."""

_QUALITY = 80
_SHRUNK_QUALITY = 95


def header(data: bytes) -> Header:
    """Reads the header of an image.

    Raises:
        UnsupportedFormat: The format, or this variant of it, is not supported.
        CorruptImage: The header is damaged.
        ImageTooLarge: A side is longer than LARGEST_SIDE.
    """
    return read_header(data, LARGEST_SIDE)


def analyzable(data: bytes, of: Header, max_bytes: int) -> bytes:
    """Returns the image, or a smaller copy if it has more pixels or bytes than a service accepts.

    Args:
        data: The encoded image.
        of: The header of the same data.
        max_bytes: Maximum size of an unchanged image, in bytes.

    Raises:
        CorruptImage: Part of the image is missing or damaged.
    """
    side = max(of.width, of.height)
    if side <= MAX_SIDE and len(data) <= max_bytes:
        return data
    reduce = next((each for each in reversed(REDUCTIONS) if -(-side // each) <= MAX_SIDE), REDUCTIONS[0])
    image = decode(data, of, reduce)
    scale = MAX_SIDE / max(image.shape[:2])
    if scale < 1:
        size = [max(1, int(scale * length)) for length in (image.shape[1], image.shape[0])]
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return _jpeg(image, _SHRUNK_QUALITY)


def crops(data: bytes, of: Header, boxes: list[BoundingBox]) -> tuple[bytes, ...]:
    """Crops each face with a margin.

    Args:
        data: The encoded image.
        of: The header of the same data.
        boxes: The boxes of the faces, in fractions of the upright image.

    Returns:
        A square JPEG per face, CROP pixels wide.

    Raises:
        CorruptImage: Part of the image is missing or damaged.
    """
    if not boxes:
        return ()
    smallest = min(_AROUND * max(box.width * of.width, box.height * of.height) for box in boxes)
    reduce: Reduce = next((each for each in REDUCTIONS if smallest / each >= CROP), 1)
    image = decode(data, of, reduce)
    return tuple(_jpeg(_square(image, box), _QUALITY) for box in boxes)


def _square(image: NDArray[np.uint8], box: BoundingBox) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    side = max(1, min(height, width, round(_AROUND * max(box.width * width, box.height * height))))
    left = round((box.left + box.width / 2) * width - side / 2)
    top = round((box.top + box.height / 2) * height - side / 2)
    left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
    part = image[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > CROP else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (CROP, CROP), interpolation=method), np.uint8)


def _jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the image cannot be written as JPEG")
    return data.tobytes()

"""Building blocks of drawings: colors, subpixel coordinates, rounded plates, and PNG encoding. No I/O."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
Image = NDArray[np.uint8]

COLORS: tuple[Color, ...] = (
    (0, 158, 115),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
)
"""RGB colors that color-blind people can distinguish (Okabe and Ito, 2008)."""

WHITE: Color = (255, 255, 255)
SHADE: Color = (16, 20, 24)

SUBPIXELS = 3
"""Fractional bits of coordinates: positions have a resolution of an eighth of a pixel."""


def png(image: Image) -> bytes:
    """Encodes an RGB image as PNG."""
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("the image cannot be written as PNG")
    return data.tobytes()


def plate(canvas: Image, left: int, top: int, width: int, height: int, color: Color) -> None:
    """Draws a filled rectangle with rounded corners; sizes in pixels."""
    radius = height // 4
    shape = np.zeros((height, width), np.uint8)
    cv2.rectangle(shape, (radius, 0), (width - radius - 1, height - 1), 255, cv2.FILLED)
    cv2.rectangle(shape, (0, radius), (width - 1, height - radius - 1), 255, cv2.FILLED)
    for x in (radius, width - radius - 1):
        for y in (radius, height - radius - 1):
            cv2.circle(shape, (x, y), radius, 255, cv2.FILLED, cv2.LINE_AA)
    area = canvas[top : top + height, left : left + width]
    share = shape[: area.shape[0], : area.shape[1], None] / 255
    area[:] = np.rint(area * (1 - share) + np.array(color) * share).astype(np.uint8)


def at(x: float, y: float) -> tuple[int, int]:
    """Converts a point in pixels to the fixed-point coordinates that OpenCV expects with SUBPIXELS."""
    return round(x * 2**SUBPIXELS), round(y * 2**SUBPIXELS)

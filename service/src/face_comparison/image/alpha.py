"""Blends transparent images onto a white background."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_BAND_PIXELS = 1 << 18
"""Pixels processed at a time, so that the memory needed besides input and output stays small."""


def on_white(decoded: NDArray[Any], maximum: int = 65535) -> NDArray[np.uint8]:
    """Converts an image as OpenCV decodes it to 8-bit RGB, blending transparent parts onto white.

    Args:
        decoded: Gray (H, W), BGR (H, W, 3) or BGRA (H, W, 4) of 8 or 16 bits per sample.
        maximum: Maximum value of a 16-bit sample.

    Returns:
        Pixels (H, W, 3) uint8, RGB.
    """
    height, width = decoded.shape[:2]
    blended = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        blended[top : top + rows] = _band(decoded[top : top + rows], maximum)
    return blended


def _band(decoded: NDArray[Any], maximum: int) -> NDArray[np.uint8]:
    eight = decoded if decoded.dtype == np.uint8 else cv2.convertScaleAbs(decoded, alpha=255 / maximum)
    eight = eight.reshape(*decoded.shape)
    if eight.ndim == 2:
        return np.asarray(cv2.cvtColor(eight, cv2.COLOR_GRAY2RGB), np.uint8)
    if eight.shape[2] == 3:
        return np.asarray(cv2.cvtColor(eight, cv2.COLOR_BGR2RGB), np.uint8)
    rgb = cv2.cvtColor(eight, cv2.COLOR_BGRA2RGB)
    alpha = cv2.extractChannel(eight, 3)
    if cv2.minMaxLoc(alpha)[0] < 255:
        cover = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        rgb = cv2.add(cv2.multiply(rgb, cover, scale=1 / 255), cv2.bitwise_not(cover))
    return np.asarray(rgb, np.uint8)

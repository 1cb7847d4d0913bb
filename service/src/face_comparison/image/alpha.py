"""Transparency: images as they look on white paper."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_BAND_PIXELS = 1 << 18
"""Pixels that are worked on at a time: what is needed besides the two images stays small."""


def on_white(decoded: NDArray[Any], maximum: int = 65535) -> NDArray[np.uint8]:
    """OpenCV's gray, BGR or BGRA of 8 or 16 bits as (H, W, 3) RGB of 8 bits; maximum: of a sample of 16 bits."""
    height, width = decoded.shape[:2]
    shown = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        shown[top : top + rows] = _band(decoded[top : top + rows], maximum)
    return shown


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

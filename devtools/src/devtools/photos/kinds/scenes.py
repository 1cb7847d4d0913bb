"""The scene that the images show, and its pixels as a decoder must return them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 45, 31
"""Odd, and no multiple of a block, a byte of small pixels or a pass of an interlaced image."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """An encoded image and its pixels, (H, W, 3) RGB; `tolerance`: the maximum difference of a pixel."""

    data: bytes
    pixels: Pixels
    tolerance: int = 0


def scene(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Returns a scene (H, W, 3) RGB that is smooth, colored, and different in every corner."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red, green, blue = 255 * x, 255 * y, 127 + 127 * np.sin(6 * x + 4 * y)
    return np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


def noise(width: int, height: int, deviation: float) -> Image.Image:
    """Returns a gray image of noise around 128, the same on every call."""
    values = np.random.default_rng(width * height).normal(128, deviation, (height, width))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def to_bytes(values: NDArray[np.integer], maximum: int) -> Pixels:
    """Returns samples of 0 to `maximum` as bytes."""
    return (values * (255 / maximum)).round().astype(np.uint8)


def on_white(colors: Pixels, cover: Pixels) -> Pixels:
    """Returns the colors on white, where `cover` is their alpha."""
    share = cover / 255
    return (colors * share + 255 * (1 - share)).round().astype(np.uint8)

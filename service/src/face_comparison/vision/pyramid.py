"""An image pyramid, and affine crops from it. Uses OpenCV only for its arithmetic."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDENED_PIXELS = 1 << 20
"""Levels of at most so many pixels are held with a fourth channel, too: at most 6 MB, made within a millisecond."""


class Pyramid:
    """An image at full, half, quarter size and so on; each level is computed on first use.

    A crop is sampled from the level nearest to its target resolution, which keeps bilinear sampling free of aliasing
    and makes a large face no more expensive than a small one.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        """Takes the full image (H, W, 3) uint8."""
        self._levels = [image]
        # Levels by depth, with a fourth channel: OpenCV warps 4-channel images in less than half the time, with the
        # same values.
        self._widened: dict[int, NDArray[np.uint8]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the full image, pixels."""
        height, width = self._levels[0].shape[:2]
        return height, width

    def part(self, left: int, top: int, right: int, bottom: int) -> Pyramid:
        """Returns the pyramid of a rectangle of the full image, given in pixels."""
        return Pyramid(self._levels[0][top:bottom, left:right])

    def level(self, shrink: float) -> tuple[NDArray[np.uint8], float]:
        """Returns the level from which to draw the image `shrink` times smaller, and the scale of that level.

        The level is at most twice as large as requested (unless the image is too small to be halved further), and never
        smaller unless the full image is.
        """
        depth = int(math.log2(max(shrink, 1.0)))
        while len(self._levels) <= depth:
            last = self._levels[-1]
            height, width = last.shape[:2]
            if min(height, width) < 2:
                break
            even = last[: height // 2 * 2, : width // 2 * 2]
            half = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(half, np.uint8))
        depth = min(depth, len(self._levels) - 1)
        return self._levels[depth], 0.5**depth

    def warps(self, matrices: NDArray[np.float64], side: int, smoothing: float = 1.0) -> NDArray[np.uint8]:
        """Applies affine transforms to the image; pixels outside it are black.

        Args:
            matrices: (K, 2, 3), from the image to the results; the origin of both is the corner of the first pixel.
            side: Side of the results, in pixels.
            smoothing: With 2, samples come from a level that is at most as fine as the result, which averages noise.

        Returns:
            (K, side, side, 3) uint8.
        """
        return _narrowed(self._draw(matrices, smoothing * _shrinks(matrices), side))

    def warp(self, matrix: NDArray[np.float64], height: int, width: int) -> NDArray[np.uint8]:
        """Applies one affine transform (2, 3) to the image, as `warps` does; returns (height, width, 3) uint8."""
        level, scale = self.level(float(_shrinks(matrix[None])[0]))
        (own,) = _from_pixel_centers(matrix[None], np.array([1 / scale]))
        return np.asarray(cv2.warpAffine(level, own, (width, height), flags=cv2.INTER_LINEAR), np.uint8)

    def blended_warps(self, matrices: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
        """Like `warps`, but interpolates between two adjacent levels (trilinear sampling).

        Without it, the result for a noisy or sharp image would jump where one level takes over from the next.
        """
        shrinks = np.maximum(_shrinks(matrices), 1.0)
        finer, coarser = self._draw(matrices, shrinks, side), self._draw(matrices, 2 * shrinks, side)
        for one, other, share in zip(finer, coarser, (np.log2(shrinks) % 1.0).tolist(), strict=True):
            cv2.addWeighted(one, 1.0 - share, other, share, 0.0, dst=one)
        return _narrowed(finer)

    def _draw(self, matrices: NDArray[np.float64], shrinks: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
        """Returns crops (K, side, side, 4), each sampled from the level for its shrink factor in `shrinks` (K,)."""
        result = np.empty((len(matrices), side, side, 4), np.uint8)
        if not len(matrices):
            return result
        self.level(float(shrinks.max()))
        depths = np.minimum(np.log2(np.maximum(shrinks, 1.0)).astype(np.intp), len(self._levels) - 1)
        own = _from_pixel_centers(matrices, np.exp2(depths))
        for matrix, depth, out in zip(own, depths.tolist(), result, strict=True):
            level = self._wide(depth)
            if level.shape[2] == 4:
                cv2.warpAffine(level, matrix, (side, side), dst=out, flags=cv2.INTER_LINEAR)
            else:
                narrow = cv2.warpAffine(level, matrix, (side, side), flags=cv2.INTER_LINEAR)
                cv2.cvtColor(narrow, cv2.COLOR_RGB2RGBA, dst=out)
        return result

    def _wide(self, depth: int) -> NDArray[np.uint8]:
        """The level with a fourth channel; a large one as it is."""
        height, width = self._levels[depth].shape[:2]
        if height * width > _WIDENED_PIXELS:
            return self._levels[depth]
        if depth not in self._widened:
            self._widened[depth] = np.asarray(cv2.cvtColor(self._levels[depth], cv2.COLOR_RGB2RGBA), np.uint8)
        return self._widened[depth]


def _narrowed(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns images (K, side, side, 4) without their fourth channel."""
    count, height, width, _ = images.shape
    if not count:
        return images[..., :3]
    narrow = cv2.cvtColor(images.reshape(count * height, width, 4), cv2.COLOR_RGBA2RGB)
    return np.asarray(narrow, np.uint8).reshape(count, height, width, 3)


def _from_pixel_centers(matrices: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Converts matrices (K, 2, 3) from the full image to matrices from a level, in OpenCV's convention.

    `factors` (K,) says how many times larger the full image is than the level.
    """
    own = matrices.copy()
    own[:, :, :2] *= factors[:, None, None]
    # OpenCV's origin is the center of the first pixel, which is half a pixel from its corner.
    own[:, :, 2] += own[:, :, :2].sum(axis=2) / 2 - 0.5
    return own


def _shrinks(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the factors (K,) by which matrices (K, 2, 3) shrink the image."""
    return np.asarray(1.0 / np.maximum(np.hypot(matrices[:, 0, 0], matrices[:, 1, 0]), 1e-9), np.float64)

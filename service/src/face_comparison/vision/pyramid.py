"""An image at several sizes, and what affine maps cut from it. OpenCV only for its arithmetic."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray


class Pyramid:
    """An image at full, half, quarter... size, each made when first asked for.

    A face is cut from the level nearest to the size it is wanted in: bilinear sampling stays free of aliasing, and a
    large face costs no more than a small one.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        """image: (H, W, 3) uint8."""
        self._levels = [image]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the full image, pixels."""
        height, width = self._levels[0].shape[:2]
        return height, width

    def level(self, shrink: float) -> tuple[NDArray[np.uint8], float]:
        """The level to take samples from when the image is to be drawn `shrink` times smaller, and its own scale.

        The level is at most 2 times larger than asked for, and never smaller unless the image itself is.
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
        """Draw what 2x3 matrices (image to result, both from corner to corner) make of the image; black outside it.

        Args:
            matrices: (K, 2, 3), from the image to the results.
            side: Of the results, pixels.
            smoothing: 2 takes samples from a level that is at most as fine as the result, which averages noise.

        Returns:
            (K, side, side, 3) uint8.
        """
        result = np.empty((len(matrices), side, side, 3), np.uint8)
        for matrix, shrink, out in zip(matrices, smoothing * _shrinks(matrices), result, strict=True):
            self._warp(matrix, float(shrink), out)
        return result

    def blended_warps(self, matrices: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
        """As `warps`, with the next coarser level mixed in, the more the nearer it is (trilinear sampling).

        Where one level gives way to the next, an image that is noisy or sharp would jump.
        """
        result = self.warps(matrices, side)
        coarser = np.empty((side, side, 3), np.uint8)
        for matrix, shrink, out in zip(matrices, np.maximum(_shrinks(matrices), 1.0), result, strict=True):
            share = float(np.log2(shrink)) % 1.0
            self._warp(matrix, 2 * float(shrink), coarser)
            cv2.addWeighted(out, 1.0 - share, coarser, share, 0.0, dst=out)
        return result

    def _warp(self, matrix: NDArray[np.float64], shrink: float, out: NDArray[np.uint8]) -> None:
        """Draw from the level for an image that is shrunk so many times."""
        level, scale = self.level(shrink)
        own = matrix.copy()
        own[:, :2] /= scale
        # OpenCV counts from the center of the first pixel, half a pixel from its corner.
        own[:, 2] += own[:, :2].sum(axis=1) / 2 - 0.5
        cv2.warpAffine(level, own, out.shape[:2], dst=out, flags=cv2.INTER_LINEAR)


def _shrinks(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times smaller matrices (K, 2, 3) make the image: (K,)."""
    return np.asarray(1.0 / np.maximum(np.hypot(matrices[:, 0, 0], matrices[:, 1, 0]), 1e-9), np.float64)

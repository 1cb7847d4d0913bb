"""Measures the quality of a face, which says whether comparisons with it are reliable. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.api.limits import Unreliability
from face_comparison.vision.pose import roll_and_yaw
from face_comparison.vision.types import Box, Quality

MAX_YAW = 55.0
"""Yaw in degrees above which the landmarks on the far side of the face are guesses."""

MIN_SHARPNESS = 20.0
MIN_EVENNESS = 0.26
"""Minimum `evenness`; below it, the camera or the head moved."""

MIN_BRIGHTNESS = 6.0
MIN_FACE_SIZE = 20.0
MAX_SPREAD = 0.06
"""Maximum deviation of the landmarks between crops, as a fraction of the face's longer side."""


def assess(
    aligned: NDArray[np.uint8],
    box: Box,
    landmarks: NDArray[np.float32],
    spread: float,
    size: tuple[int, int],
    *,
    distinct: bool = True,
) -> Quality:
    """Returns the quality of one face.

    Args:
        aligned: The aligned face, (H, W, 3) uint8 RGB.
        box: In pixels of the image.
        landmarks: (5, 2), in pixels of the image.
        spread: See `detections.OrientedDetections`.
        size: Height and width of the image, in pixels.
        distinct: See `recognizer.Embedded`.
    """
    sharpness, brightness = sharpness_and_brightness(aligned)
    roll, yaw = roll_and_yaw(landmarks)
    face_size = min(box.width, box.height)

    def reasons() -> Iterator[Unreliability]:
        if abs(yaw) > MAX_YAW:
            yield "EXTREME_POSE"
        if (landmarks < 0).any() or (landmarks > np.array(size[::-1])).any():
            yield "CUT_OFF"
        if spread > MAX_SPREAD:
            yield "UNSTABLE_LANDMARKS"
        if not distinct:
            yield "INDISTINCT_FEATURES"
        if sharpness < MIN_SHARPNESS or evenness(aligned) < MIN_EVENNESS:
            yield "LOW_SHARPNESS"
        if brightness < MIN_BRIGHTNESS:
            yield "LOW_BRIGHTNESS"
        if face_size < MIN_FACE_SIZE:
            yield "SMALL_FACE"

    return Quality(sharpness, brightness, face_size, roll, yaw, tuple(reasons()))


def sharpness_and_brightness(face: NDArray[np.uint8]) -> tuple[float, float]:
    """Returns the sharpness and the brightness of an aligned face (H, W, 3) uint8 RGB, each 0-100.

    Brightness is the mean luma (BT.601) in percent. Sharpness is s / (s + 10) in percent, where s is the standard
    deviation of the Laplacian of the luma; the variance of the Laplacian is the usual measure of focus (Pech-Pacheco et
    al., 2000).
    """
    luma = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    deviation = float(cv2.Laplacian(luma, cv2.CV_32F).std())
    return 100.0 * deviation / (deviation + 10.0), float(luma.mean()) / 2.55


def evenness(face: NDArray[np.uint8]) -> float:
    """Returns the ratio (0-1) of detail in a face's least and most detailed directions; a low ratio means motion blur.

    Motion blur removes the detail along its direction but keeps the detail across it, so the sharpness hardly falls.
    The ratio comes from the structure tensor (Bigün and Granlund, 1987) of the Laplacian. The border of the image is
    left out because it adds edges of its own.

    Args:
        face: The aligned face, (H, W, 3) uint8 RGB.
    """
    detail = cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    across, down = (cv2.Sobel(detail, cv2.CV_32F, x, 1 - x)[3:-3, 3:-3].ravel() for x in (1, 0))
    xx, yy, xy = float(across @ across), float(down @ down), float(across @ down)
    spread = math.hypot((xx - yy) / 2, xy)
    return math.sqrt(max((xx + yy) / 2 - spread, 0.0) / max((xx + yy) / 2 + spread, 1e-9))

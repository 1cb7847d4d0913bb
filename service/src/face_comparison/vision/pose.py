"""Estimates the pose of a head from its five landmarks. Pure arithmetic.

Roll and yaw can be estimated. Pitch cannot: with only five landmarks, a long nose and a lowered head look alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.alignment import aligned_roll

NOSE_DEPTH = 0.45
"""Distance of the tip of the nose from the plane of eyes and mouth, as a multiple of the distance between the eyes."""

NOSE_HEIGHT = 0.5
"""Vertical position of the tip of the nose between the eyes (0) and the mouth (1)."""


def roll_and_yaw(landmarks: NDArray[np.float32]) -> tuple[float, float]:
    """Returns the roll (clockwise in the image) and the yaw (to the image's right) of a face, in degrees.

    Args:
        landmarks: (5, 2) pixels, in the order of `api.limits.LANDMARK_TYPES`.
    """
    roll = float(aligned_roll(landmarks[None])[0])
    angle = np.radians(roll)
    upright = landmarks.astype(np.float64) @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    eyes, mouth = upright[0:2], upright[3:5]
    middle = (1 - NOSE_HEIGHT) * eyes[:, 0].mean() + NOSE_HEIGHT * mouth[:, 0].mean()
    # With yaw, the nose moves sideways by depth * sin, and the distance between the eyes shrinks by cos.
    width = max(float(eyes[1, 0] - eyes[0, 0]), 0.0)
    return roll, float(np.degrees(np.arctan2(upright[2, 0] - middle, NOSE_DEPTH * width)))

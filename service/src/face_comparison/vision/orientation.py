"""Chooses additional views of an image from the rolls of the faces found in it. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SMALL_TILT = 30.0
"""Maximum angle in degrees between a face and the nearest view at which the detector works well enough on that view."""

MOST_TILTED_VIEWS = 3


def angle_difference(angles: NDArray[np.float64], others: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Returns the differences between angles in degrees, wrapped to -180 to 180."""
    return (angles - others + 180.0) % 360.0 - 180.0


def next_view(rolls: NDArray[np.float64], seen: Sequence[float]) -> float | None:
    """Returns the roll, in degrees, that another view should compensate for; None if no other view is needed.

    Args:
        rolls: Rolls (K,) of the sure faces, in degrees.
        seen: Rolls of the views that have been searched, in degrees.
    """
    if not len(rolls):
        return None
    distances = np.abs(angle_difference(rolls[:, None], np.array(seen, np.float64))).min(axis=1)
    far = rolls[distances > SMALL_TILT]
    if not len(far):
        return None
    mean = float(np.degrees(np.angle(np.exp(1j * np.radians(far)).sum())))
    # Take the roll of the face nearest to the mean: if faces lean to both sides, the mean would show none upright.
    return float(far[np.abs(angle_difference(far, mean)).argmin()])

"""Chooses additional views of an image from the rolls of the faces found in it. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SMALL_TILT = 30.0
"""Maximum angle in degrees between a face and the nearest view at which the detector works well enough on that view."""

SHARED_TILT = 12.0
"""Like SMALL_TILT, but for the mean of several faces that are all tilted alike: then the camera was tilted, and other
heads lean even further."""

DIAGONALS = (45.0, -45.0, 135.0, -135.0)
"""Rolls in degrees of views between the quarter turns, in which small faces that are tilted by about 45 degrees are
often not detected."""

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
    far = rolls[_distances(rolls, seen) > SMALL_TILT]
    if not len(far) and _are_tilted_alike(rolls, seen):
        far = rolls
    if not len(far):
        return None
    # Take the roll of the face nearest to the mean: if faces lean to both sides, the mean would show none upright.
    return float(far[np.abs(angle_difference(far, _mean(far))).argmin()])


def _are_tilted_alike(rolls: NDArray[np.float64], seen: Sequence[float]) -> bool:
    mean = _mean(rolls)
    alike = np.abs(angle_difference(rolls, mean)).max() <= SMALL_TILT
    return bool(len(rolls) > 1 and alike and _distances(np.array([mean]), seen)[0] > SHARED_TILT)


def _distances(rolls: NDArray[np.float64], seen: Sequence[float]) -> NDArray[np.float64]:
    """Returns the angles (K,) between each roll and the nearest view, in degrees."""
    return np.asarray(np.abs(angle_difference(rolls[:, None], np.array(seen, np.float64))).min(axis=1))


def _mean(rolls: NDArray[np.float64]) -> float:
    """Returns the circular mean, in degrees."""
    return float(np.degrees(np.angle(np.exp(1j * np.radians(rolls)).sum())))

"""Which way up an image is to be looked at, from the faces that were found in it. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SMALL_TILT = 30.0
"""Degrees between a sure face and the nearest of the views, up to which these showed all such faces well enough."""

MOST_TILTED_VIEWS = 3


def angle_difference(angles: NDArray[np.float64], others: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Degrees from the others to the angles, -180 to 180."""
    return (angles - others + 180.0) % 360.0 - 180.0


def next_view(rolls: NDArray[np.float64], seen: Sequence[float]) -> float | None:
    """Roll in degrees of the heads that another view should show upright; None where the views were enough.

    Args:
        rolls: (K,) degrees, of the sure faces.
        seen: Degrees, of the views in which faces were searched for.
    """
    if not len(rolls):
        return None
    distances = np.abs(angle_difference(rolls[:, None], np.array(seen, np.float64))).min(axis=1)
    far = rolls[distances > SMALL_TILT]
    if not len(far):
        return None
    mean = float(np.degrees(np.angle(np.exp(1j * np.radians(far)).sum())))
    # A face's own roll: the mean of faces that lean to both sides shows none of them upright.
    return float(far[np.abs(angle_difference(far, mean)).argmin()])

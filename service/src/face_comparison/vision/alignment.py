"""Aligns faces the way an embedder expects them. A manifest's `alignment` selects the template of landmarks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

ALIGNMENTS: Mapping[str, NDArray[np.float32]] = {
    # The template of ArcFace (Deng et al., 2019), which most later embedders use too; published for 112x112 pixels.
    "arcface": np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
    )
    / np.float32(112),
    # Intel's face-reidentification-retail-0095, from its documentation.
    "retail-0095": np.array(
        [
            [0.31556875, 0.46157411],
            [0.68262292, 0.46157411],
            [0.50026250, 0.64050536],
            [0.34947188, 0.82469196],
            [0.65343646, 0.82469196],
        ],
        np.float32,
    ),
}
"""Landmark positions (5, 2) in an aligned face, as fractions of its side, by the name of the alignment."""


_UPRIGHT = (
    (ALIGNMENTS["arcface"].astype(np.float64) - ALIGNMENTS["arcface"].mean(axis=0, dtype=np.float64)) @ (1, 1j)
).conj()
"""The mean-centered ArcFace landmarks as complex numbers, conjugated."""


def template(alignment: str, side: int) -> NDArray[np.float32]:
    """Returns the landmark positions (5, 2) float32 in an aligned face of side x side pixels."""
    return ALIGNMENTS[alignment] * np.float32(side)


def similarity_transform(points: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the (2, 3) similarity transform that maps points (K, 2) onto a target (K, 2), by least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991. In two dimensions
    and without reflection, the solution is a single complex division.
    """
    source_mean, target_mean = points.mean(axis=0, dtype=np.float64), target.mean(axis=0, dtype=np.float64)
    z = (points.astype(np.float64) - source_mean) @ (1, 1j)
    w = (target.astype(np.float64) - target_mean) @ (1, 1j)
    turn = np.vdot(z, w) / max(float(np.vdot(z, z).real), 1e-12)
    matrix = np.array([[turn.real, -turn.imag, 0.0], [turn.imag, turn.real, 0.0]])
    matrix[:, 2] = target_mean - matrix[:, :2] @ source_mean
    return matrix


def aligned_roll(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns the clockwise rotation (K,) of faces in the image, in degrees from -180 to 180.

    The roll comes from the similarity transform of all five landmarks (K, 5, 2) onto the ArcFace template, which is
    less noisy than the line between the eyes.
    """
    centered = landmarks.astype(np.float64) - landmarks.mean(axis=1, keepdims=True, dtype=np.float64)
    return np.asarray(np.degrees(np.angle((centered @ (1, 1j)) @ _UPRIGHT)), np.float64)

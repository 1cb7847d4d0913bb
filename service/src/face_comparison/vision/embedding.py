"""Face hashes and their distances. Pure arithmetic.

A hash is the L2-normalized embedding, padded with zeros to HASH_SIZE numbers so that the hashes of all bundles have the
same width. Padding changes neither norms nor distances. Only hashes of the same FaceModelVersion are comparable.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.limits import HASH_SIZE


def l2_normalize_and_pad(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the hashes (N, HASH_SIZE) float32 of raw embeddings (N, width); width must not exceed HASH_SIZE."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    padded = np.zeros((embeddings.shape[0], HASH_SIZE), np.float32)
    padded[:, : embeddings.shape[1]] = embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
    return padded


def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Returns the Euclidean distance between two hashes, 0 (equal) to 2 (opposite)."""
    return min(2.0, float(np.linalg.norm(one.astype(np.float64) - other.astype(np.float64))))


def confidence(distance: float, threshold: float, scale: float) -> float:
    """Returns the probability (0-1) that two faces at this distance are the same person.

    It is the logistic function of (threshold - distance) / scale: 0.5 at the threshold, and decreasing with the
    distance. Threshold and scale come from the bundle, which fitted them to labeled pairs.
    """
    return 1.0 / (1.0 + math.exp((distance - threshold) / scale))


def distance_at_confidence(confidence: float, threshold: float, scale: float) -> float:
    """Returns the Euclidean distance (0-2) with this confidence; the inverse of `confidence`."""
    if confidence <= 0:
        return 2.0
    if confidence >= 1:
        return 0.0
    return min(2.0, max(0.0, threshold - scale * math.log(confidence / (1 - confidence))))

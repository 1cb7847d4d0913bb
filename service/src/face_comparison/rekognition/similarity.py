"""Similarity as Amazon Rekognition reports it: 0-100 in single precision. Pure."""

from __future__ import annotations

import numpy as np

from face_comparison.vision import embedding
from face_comparison.vision.analyzer import ModelInfo

_ROUNDING = 1e-3
"""Distance up to which two hashes are equal: normalizing and multiplying float32 numbers causes smaller differences."""


def to_similarity(confidence: float) -> float:
    """Returns the similarity (0-100) of a confidence (0-1)."""
    return float(np.float32(100 * confidence))


def maximum_distance(similarity: float, model: ModelInfo) -> float:
    """Returns the Euclidean distance (0-2) up to which faces have at least this similarity (0-100).

    Identical faces reach every similarity, even 100: their confidence is so close to 1 that the difference has no
    meaning, and clients that ask for 100 expect to find the same image.
    """
    rounded = np.float32(similarity)
    if float(rounded) < similarity:
        rounded = np.nextafter(rounded, np.float32(np.inf))
    below = np.nextafter(rounded, np.float32(-np.inf))
    minimum = (float(below) + float(rounded)) / 2 / 100  # what lies above is rounded to `rounded` or more
    return max(_ROUNDING, embedding.distance_at_confidence(minimum, model.threshold, model.scale))

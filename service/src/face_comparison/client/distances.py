"""Distances between hashes, computed here: the service needs no request for what a program has stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from .detection import DetectedFace


def distance(one: Any, other: Any) -> float:
    """Returns the Euclidean distance (0-2) between two faces, as the service computes it.

    Args:
        one: A detected face, or its hash: 768 numbers of norm 1, as an array or a sequence.
        other: The same.

    Raises:
        ValueError: if the hashes come from different models, or one is not a hash.
    """
    versions = {face.face_model_version for face in (one, other) if isinstance(face, DetectedFace)}
    if len(versions) > 1:
        raise ValueError(f"hashes of different models cannot be compared: {' and '.join(sorted(versions))}")
    vectors = [np.asarray(getattr(face, "face_hash", face), np.float64) for face in (one, other)]
    for vector in vectors:
        if vector.ndim != 1 or vector.shape != vectors[0].shape:
            raise ValueError(f"a hash is one row of 768 numbers, not an array of shape {vector.shape}")
    return float(np.linalg.norm(vectors[0] - vectors[1]))

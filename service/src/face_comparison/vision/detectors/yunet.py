"""Decodes YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) as OpenCV's FaceDetectorYN does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.detections import Candidates, Detections

STRIDES = (8, 16, 32)


def decode(outputs: Sequence[NDArray[np.float32]], height: int, width: int, min_score: float) -> Candidates:
    """Decodes cls, obj, bbox, and kps; each has one output (N, cells, k) per stride (8, 16, 32).

    For each cell of a stride's grid, the score is sqrt(cls * obj), the center (cell + offset) * stride, the size
    exp(.) * stride, and a landmark (cell + offset) * stride.
    """
    # Decode the cells of all strides in one pass: on small inputs, the overhead of the NumPy calls dominates.
    classes, objects, boxes, points = (
        np.concatenate([each.reshape(len(each), -1, each.shape[-1]) for each in outputs[kind : kind + 3]], axis=1)
        for kind in range(0, 12, 3)
    )
    # np.clip is several times slower on small arrays.
    products = (np.minimum(np.maximum(classes, 0), 1) * np.minimum(np.maximum(objects, 0), 1)).reshape(-1)
    selected = np.flatnonzero(products >= min_score * min_score)
    image, cell = np.divmod(selected, classes.shape[1])
    corners, strides = (each[cell] for each in _cells(height, width))
    offsets = boxes.reshape(-1, 4)[selected]
    centers, sizes = corners + offsets[:, :2] * strides, np.exp(offsets[:, 2:]) * strides
    landmarks = points.reshape(-1, 5, 2)[selected] * strides[:, :, None] + corners[:, None, :]
    scores = np.sqrt(products[selected])
    return Candidates(image, Detections(np.concatenate([centers - sizes / 2, sizes], axis=1), scores, landmarks))


@lru_cache(maxsize=64)
def _cells(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the corners (cells, 2) in pixels and the strides (cells, 1) of all cells, in the order of the outputs."""
    grids = [np.mgrid[0 : height // stride, 0 : width // stride][::-1].reshape(2, -1).T * stride for stride in STRIDES]
    strides = np.repeat(STRIDES, [len(grid) for grid in grids])[:, None]
    return np.concatenate(grids).astype(np.float32), strides.astype(np.float32)

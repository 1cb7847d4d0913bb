"""Decodes SCRFD with landmarks.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.detections import Candidates, Detections, concatenate, no_detections

STRIDES = (8, 16, 32)
ANCHORS = 2
"""Anchors per cell of the grid; all are at the top left corner of the cell."""


def decode(outputs: Sequence[NDArray[np.float32]], height: int, width: int, min_score: float) -> Candidates:
    """Decodes scores, boxes, and landmarks; each has one output (N, anchors, k) per stride (8, 16, 32).

    A box is the distances from the anchor to the left, top, right, and bottom edges, a landmark is the offset from the
    anchor, both in units of the stride. The five landmarks are in the same order as YuNet's.
    """
    images = [np.zeros(0, np.intp)]
    parts = [no_detections()]
    for level, stride in enumerate(STRIDES):
        scores, boxes, points = (outputs[kind * len(STRIDES) + level] for kind in range(3))
        selected = np.flatnonzero(scores.reshape(-1) >= min_score)
        if not len(selected):
            continue
        image, anchor = np.divmod(selected, scores.shape[1])
        cell = anchor // ANCHORS
        grid = np.stack([cell % (width // stride), cell // (width // stride)], axis=1).astype(np.float32) * stride
        distances = boxes.reshape(-1, 4)[selected] * stride
        start = grid - distances[:, :2]
        landmarks = points.reshape(-1, 5, 2)[selected] * stride + grid[:, None, :]
        sizes = distances[:, :2] + distances[:, 2:]
        images.append(image)
        parts.append(Detections(np.concatenate([start, sizes], axis=1), scores.reshape(-1)[selected], landmarks))
    image = np.concatenate(images)
    order = np.argsort(image, kind="stable")
    return Candidates(image[order], concatenate(parts).at(order))

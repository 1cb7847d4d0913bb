"""YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023), as OpenCV's FaceDetectorYN decodes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.detections import Candidates, Detections, concatenate, no_detections

STRIDES = (8, 16, 32)


def decode(outputs: Sequence[NDArray[np.float32]], height: int, width: int, min_score: float) -> Candidates:
    """Decode cls, obj, bbox and kps, each for the strides 8, 16 and 32, each (N, cells, k).

    Per cell of a stride's grid: score sqrt(cls * obj); center (cell + offset) * stride; size exp(.) * stride; landmark
    (cell + offset) * stride.
    """
    images = [np.zeros(0, np.intp)]
    parts = [no_detections()]
    for level, stride in enumerate(STRIDES):
        classes, objects, boxes, points = (outputs[kind * len(STRIDES) + level] for kind in range(4))
        cells = classes.shape[1]
        products = (np.clip(classes, 0, 1) * np.clip(objects, 0, 1)).reshape(-1)
        kept = np.flatnonzero(products >= min_score * min_score)
        if not len(kept):
            continue
        image, cell = np.divmod(kept, cells)
        grid = np.stack([cell % (width // stride), cell // (width // stride)], axis=1).astype(np.float32)
        offsets = boxes.reshape(-1, 4)[kept]
        centers, sizes = (grid + offsets[:, :2]) * stride, np.exp(offsets[:, 2:]) * stride
        landmarks = (points.reshape(-1, 5, 2)[kept] + grid[:, None, :]) * stride
        scores = np.sqrt(products[kept])
        images.append(image)
        parts.append(Detections(np.concatenate([centers - sizes / 2, sizes], axis=1), scores, landmarks))
    image = np.concatenate(images)
    order = np.argsort(image, kind="stable")
    return Candidates(image[order], concatenate(parts).at(order))

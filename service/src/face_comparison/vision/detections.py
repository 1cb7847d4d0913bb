"""Detections as arrays, and pure functions on them.

Coordinates are in pixels. The origin is the top left corner of the top left pixel (not its center), so resizing an
image multiplies every coordinate by the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Faces of one image.

    Attributes:
        boxes: (K, 4) float32, left, top, width and height in pixels.
        scores: (K,) float32, 0-1.
        landmarks: (K, 5, 2) float32, pixels.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def at(self, index: NDArray[np.intp] | slice) -> Detections:
        """Returns the detections with these indices."""
        return Detections(self.boxes[index], self.scores[index], self.landmarks[index])

    def scaled(self, scale: float) -> Detections:
        """Returns the same faces in the image resized by `scale`."""
        factor = np.float32(scale)
        return Detections(self.boxes * factor, self.scores, self.landmarks * factor)

    def shifted(self, x: float, y: float) -> Detections:
        """Returns the same faces moved by (x, y) pixels."""
        offset = np.array([x, y], np.float32)
        return Detections(self.boxes + np.array([x, y, 0, 0], np.float32), self.scores, self.landmarks + offset)


def no_detections() -> Detections:
    """Returns an empty set of detections."""
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


def concatenate(parts: Sequence[Detections]) -> Detections:
    """Returns the detections of several parts, in their order."""
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class OrientedDetections:
    """Faces of one image with their rolls.

    Attributes:
        faces: In pixels of the image.
        rolls: (K,) float64, degrees clockwise.
        spreads: (K,) float64, root mean square deviation of the landmarks between crops, as a fraction of the face's
            longer side.
    """

    faces: Detections
    rolls: NDArray[np.float64]
    spreads: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.faces)

    def at(self, index: NDArray[np.intp] | slice) -> OrientedDetections:
        """Returns the detections with these indices."""
        return OrientedDetections(self.faces.at(index), self.rolls[index], self.spreads[index])

    def scaled(self, scale: float) -> OrientedDetections:
        """Returns the detections in an image scaled by `scale`."""
        return OrientedDetections(self.faces.scaled(scale), self.rolls, self.spreads)

    @staticmethod
    def of(faces: Detections, roll: float = 0.0) -> OrientedDetections:
        """Returns detections from a view of this roll, in degrees; nothing else is known about them yet."""
        return OrientedDetections(faces, np.full(len(faces), roll), np.zeros(len(faces)))

    @staticmethod
    def concatenate(parts: Sequence[OrientedDetections]) -> OrientedDetections:
        """Returns the detections of several parts, in their order."""
        return OrientedDetections(
            concatenate([part.faces for part in parts]),
            np.concatenate([part.rolls for part in parts]),
            np.concatenate([part.spreads for part in parts]),
        )


def non_max_suppression(detections: Detections, iou_threshold: float) -> NDArray[np.intp]:
    """Returns the indices of the detections that remain after non-maximum suppression, by descending score.

    Args:
        detections: With overlaps.
        iou_threshold: IoU, 0-1, above which two boxes count as the same face.
    """
    if not len(detections):
        return np.zeros(0, np.intp)
    selected = cv2.dnn.NMSBoxes(detections.boxes.tolist(), detections.scores.tolist(), 0.0, iou_threshold)
    return np.asarray(selected, np.intp).reshape(-1)


def most_prominent(detections: Detections, count: int, sure_confidence: float) -> NDArray[np.intp]:
    """Returns the indices of the `count` most prominent faces.

    Sure faces (score at least `sure_confidence`) come first, then the others; each group by descending area.
    """
    areas = detections.boxes[:, 2] * detections.boxes[:, 3]
    return np.lexsort((-areas, detections.scores < sure_confidence))[:count]


def find_elsewhere(detections: Detections, known: Detections) -> NDArray[np.intp]:
    """Returns the indices of the detections whose centers lie in none of the known boxes."""
    centers = detections.boxes[:, None, :2] + detections.boxes[:, None, 2:] / 2
    start, size = known.boxes[None, :, :2], known.boxes[None, :, 2:]
    inside = np.all((centers >= start) & (centers <= start + size), axis=2)
    return np.flatnonzero(~np.any(inside, axis=1))


def iou(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the intersection over union (K,) of boxes (K, 4) and other boxes (K, 4), row by row."""
    start = np.maximum(boxes[:, :2], others[:, :2])
    end = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
    common = np.maximum(end - start, 0).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + others[:, 2:].prod(axis=1) - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Raw detections in a batch of images, before overlapping boxes are merged.

    Attributes:
        image: (K,) intp, index of the image in the batch, ascending.
        detections: K detections in pixels of the network's input.
    """

    image: NDArray[np.intp]
    detections: Detections

    def of(self, index: int) -> Detections:
        """Returns the candidates of one image."""
        start, end = np.searchsorted(self.image, [index, index + 1])
        return self.detections.at(np.s_[start:end])


def merge_at_center(candidates: Candidates, count: int, side: int) -> Detections:
    """Returns the face at the center of each of `count` square crops of `side` pixels; score 0 where there is none.

    Neighboring cells of a detector's grid detect the same face, each with an error that depends on the position of the
    face relative to the grid. Box and landmarks are therefore the score-weighted mean of all candidates that overlap
    the best one: when the face shifts by a pixel, they move by a fifth less than those of the best candidate alone.
    """
    found = candidates.detections
    merged = Detections(
        np.zeros((count, 4), np.float32), np.zeros(count, np.float32), np.zeros((count, 5, 2), np.float32)
    )
    offset = found.boxes[:, :2] - side / 2
    over = (offset < 0) & (offset + found.boxes[:, 2:] > 0)
    central = np.flatnonzero(over[:, 0] & over[:, 1])
    if not len(central):
        return merged
    order = central[np.lexsort((found.scores[central], candidates.image[central]))]
    best = np.full(count, -1)
    best[candidates.image[order]] = order  # scores ascend, so the best candidate of each image is assigned last
    rows = np.flatnonzero(best[candidates.image] >= 0)
    rows = rows[iou(found.boxes[rows], found.boxes[best[candidates.image[rows]]]) > SAME_FACE_IOU]
    owner = candidates.image[rows]
    weights = found.scores[rows]
    values = np.concatenate([found.boxes[rows], found.landmarks[rows].reshape(-1, 10)], axis=1) * weights[:, None]
    first = np.ones(len(owner), np.bool_)
    first[1:] = owner[1:] != owner[:-1]
    starts = np.flatnonzero(first)
    means = np.add.reduceat(values, starts) / np.add.reduceat(weights, starts)[:, None]
    index = owner[starts]
    merged.boxes[index] = means[:, :4]
    merged.landmarks[index] = means[:, 4:].reshape(-1, 5, 2)
    merged.scores[index] = found.scores[best[index]]
    return merged


SAME_FACE_IOU = 0.5
"""IoU above which two candidates on one crop count as the same face."""

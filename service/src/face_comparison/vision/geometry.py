"""Arithmetic of boxes, landmarks and resampling. Values in, values out; OpenCV only for its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""Where the five landmarks of an aligned face lie in 112x112 pixels: the alignment that ArcFace (Deng et al., 2019)
published and that SFace and most embedders since were trained with."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Faces found, in pixels of whatever image they were found in.

    boxes: (K, 4) float32 left, top, width, height. scores: (K,) float32 0-1. landmarks: (K, 5, 2) float32.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def at(self, index: NDArray[np.intp] | slice) -> Detections:
        return Detections(self.boxes[index], self.scores[index], self.landmarks[index])

    def mapped(self, scale: float, left: float = 0.0, top: float = 0.0) -> Detections:
        """The same faces in an image where this one lies at (left, top), drawn `scale` times as large."""
        offset = np.array([left, top], np.float32)
        boxes = self.boxes * np.float32(scale)
        boxes[:, :2] += offset
        return Detections(boxes, self.scores, self.landmarks * np.float32(scale) + offset)


NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


def joined(parts: list[Detections]) -> Detections:
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
    )


def yunet_detections(outputs: list[NDArray[np.float32]], height: int, width: int, minimum: float) -> Detections:
    """Decode one image's YuNet outputs: cls, obj, bbox, kps, each for the strides 8, 16 and 32, each (cells, k).

    Per cell of a stride's grid (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023; OpenCV's
    FaceDetectorYN decodes alike): score sqrt(cls * obj); centre (cell + offset) * stride; size exp(.) * stride;
    landmark (cell + offset) * stride. Only scores of at least `minimum` are decoded.
    """
    parts = [NOTHING]
    for index, stride in enumerate((8, 16, 32)):
        classes, objects, boxes, points = (outputs[kind * 3 + index] for kind in range(4))
        # Thousands of cells of which few or none hold a face: the exact score is for those that may, a little below
        # the minimum included, so that none is lost by rounding.
        likely = np.flatnonzero(classes[:, 0] * objects[:, 0] >= minimum * minimum * 0.999)
        if not len(likely):
            continue
        scores = np.sqrt(np.clip(classes[likely, 0], 0, 1) * np.clip(objects[likely, 0], 0, 1))
        sure = scores >= minimum
        kept, scores = likely[sure], scores[sure]
        cells = np.stack([kept % (width // stride), kept // (width // stride)], axis=1).astype(np.float32)
        centres = (cells + boxes[kept, :2]) * stride
        sizes = np.exp(boxes[kept, 2:]) * stride
        landmarks = (points[kept].reshape(-1, 5, 2) + cells[:, None, :]) * stride
        parts.append(Detections(np.concatenate([centres - sizes / 2, sizes], axis=1), scores, landmarks))
    return joined(parts)


def distinct(detections: Detections, overlap: float) -> Detections:
    """The best-scored of every group of boxes that overlap by more than `overlap` (IoU, 0-1); best first."""
    if not len(detections):
        return detections
    kept = cv2.dnn.NMSBoxes(detections.boxes.tolist(), detections.scores.tolist(), 0.0, overlap)
    return detections.at(np.asarray(kept, np.intp).reshape(-1))


def in_the_middle(detections: Detections, side: int) -> Detections | None:
    """The one that a square crop was made for: the best-scored whose box holds the middle of side x side pixels."""
    near = detections.boxes[:, :2] - side / 2
    inside = np.flatnonzero(((near < 0) & (near + detections.boxes[:, 2:] > 0)).all(axis=1))
    if not len(inside):
        return None
    return detections.at(inside[[np.argmax(detections.scores[inside])]])


def similarity_transform(points: NDArray[np.float32], template: NDArray[np.float32]) -> NDArray[np.float64]:
    """The 2x3 matrix that rotates, scales and shifts points (K, 2) onto a template (K, 2) with least squared error.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991; in two
    dimensions, without reflection, it is one complex division.
    """
    source = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    target = template.astype(np.float64) - template.mean(axis=0, dtype=np.float64)
    z, w = source[:, 0] + 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    turn = np.vdot(z, w) / max(float(np.vdot(z, z).real), 1e-12)
    matrix = np.array([[turn.real, -turn.imag, 0.0], [turn.imag, turn.real, 0.0]])
    matrix[:, 2] = template.mean(axis=0, dtype=np.float64) - matrix[:, :2] @ points.mean(axis=0, dtype=np.float64)
    return matrix


class Pyramid:
    """An image at full, half, quarter... size, each made when first asked for.

    A face is then cut from the level nearest to the size it is wanted in: bilinear sampling stays free of aliasing,
    and a large face costs no more than a small one.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        """image: (H, W, 3) uint8."""
        self._levels = [image]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the full image, pixels."""
        height, width = self._levels[0].shape[:2]
        return height, width

    def level(self, shrink: float) -> tuple[NDArray[np.uint8], float]:
        """The level to take samples from when the image is to be drawn `shrink` times smaller, and its own scale.

        The level is at most 2 times larger than asked for, and never smaller unless the image itself is.
        """
        depth = max(0, int(np.floor(np.log2(max(shrink, 1.0)))))
        while len(self._levels) <= depth:
            last = self._levels[-1]
            height, width = last.shape[:2]
            if min(height, width) < 2:
                break
            even = last[: height // 2 * 2, : width // 2 * 2]
            half = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(half, np.uint8))
        depth = min(depth, len(self._levels) - 1)
        return self._levels[depth], 0.5**depth

    def warped(self, matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
        """What the 2x3 matrix (image to result) makes of the image, (height, width) pixels; black outside it."""
        shrink = 1.0 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-9)
        image, scale = self.level(shrink)
        own = matrix.copy()
        own[:, :2] /= scale
        # Pixel centres: level pixel i covers image pixels around (i + 0.5) / scale - 0.5.
        own[:, 2] += matrix[:, :2] @ np.full(2, 0.5 / scale - 0.5)
        return cv2.warpAffine(image, own, (size[1], size[0]), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]


def square(box: NDArray[np.float32], room: float, side: int) -> NDArray[np.float64]:
    """The 2x3 matrix that brings a box's surroundings to side x side pixels; the face takes 1/room of its length."""
    scale = side / (room * float(max(box[2], box[3], 1.0)))
    centre = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2], np.float64)
    return np.array([[scale, 0, side / 2 - scale * centre[0]], [0, scale, side / 2 - scale * centre[1]]])


def sharpness_and_brightness(face: NDArray[np.uint8]) -> tuple[float, float]:
    """Of an aligned face (H, W, 3) uint8 RGB, each 0-100.

    Brightness: mean luma (BT.601) in percent. Sharpness: s / (s + 10) in percent, s the standard deviation of the
    Laplacian of the luma: the variance of the Laplacian is the usual measure of focus (Pech-Pacheco et al., 2000).
    """
    luma = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    deviation = float(cv2.Laplacian(luma, cv2.CV_32F).std())
    return 100.0 * deviation / (deviation + 10.0), float(luma.mean()) / 2.55

"""From an upright RGB picture to its faces: detect, refine landmarks, align, embed.

Knows networks only as sessions and a manifest's numbers; decoding pictures and scheduling requests are others' work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison import geometry
from face_comparison.bundle import Manifest
from face_comparison.engines import Session, Shape
from face_comparison.faces import Box, Face, Quality
from face_comparison.geometry import Detections, Pyramid
from face_comparison.similarity import hashes

STRIDE = 32
"""Inputs of the detector are multiples of its largest stride, in pixels."""

ROOM = 2.0
"""A crop for refined landmarks is this many times as long as its face: the size at which YuNet is most exact."""

ASPECTS = (0.6, 0.75, 1.0)
"""Shorter by longer side of the detector's inputs: one a common format (16:9 with its padding, 4:3, square), upright
and lying. A picture takes the first that holds it. Shapes that were not warmed up would make some request pay."""


class Recognizer:
    """Finds and embeds faces with one bundle's networks. Safe to use from several threads at once."""

    def __init__(self, manifest: Manifest, detector: Session, embedder: Session, batches: Sequence[int]) -> None:
        """batches: sizes of batch that the sessions were loaded for, ascending, starting with 1."""
        self._detector, self._embedder = detector, embedder
        self._manifest = manifest
        self._batches = tuple(batches)

    def detect(self, picture: NDArray[np.uint8], minimum: float) -> Detections:
        """Faces of an upright picture (H, W, 3) uint8 RGB with a score of at least `minimum`, in its pixels.

        Boxes may reach over the edges. Landmarks are as exact as the shrunken view allows: see `refine`.
        """
        spec = self._manifest.detector
        found = [self._detect_at(picture, spec.side, minimum)]
        if spec.close_up:
            found.append(self._detect_at(picture, spec.close_up, minimum))
        return geometry.distinct(geometry.joined(found), spec.overlap)

    def _detect_at(self, picture: NDArray[np.uint8], side: int, minimum: float) -> Detections:
        height, width = picture.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        shape = input_shape(size[1], size[0], side)
        canvas = np.zeros((1, *shape, 3), np.uint8)
        cv2.resize(picture, size, dst=canvas[0, : size[1], : size[0]], interpolation=cv2.INTER_LINEAR)
        outputs = [output[0] for output in self._detector.run(canvas)]
        return geometry.yunet_detections(outputs, *shape, minimum).mapped(1 / scale)

    def refine(self, pyramid: Pyramid, detections: Detections) -> NDArray[np.float32]:
        """Landmarks (K, 5, 2) of faces, taken again on crops from the full-resolution picture.

        On each crop the face covers half the length; the landmarks are the mean over the manifest's crop sizes in
        which the same face is found again, and stay as they were where it is found in none.
        """
        total = np.zeros_like(detections.landmarks)
        count = np.zeros((len(detections), 1, 1), np.float32)
        for side in self._manifest.detector.refine:
            matrices = [geometry.square(box, ROOM, side) for box in detections.boxes]
            crops = np.stack([pyramid.warped(matrix, (side, side)) for matrix in matrices])
            outputs = self._batched(self._detector, crops)
            for index, matrix in enumerate(matrices):
                again = geometry.yunet_detections([output[index] for output in outputs], side, side, 0.3)
                nearest = _middle(again, side)
                if nearest is not None:
                    total[index] += (again.landmarks[nearest] - matrix[:, 2]) / matrix[0, 0]
                    count[index] += 1
        return np.where(count > 0, total / np.maximum(count, 1), detections.landmarks).astype(np.float32)

    def embed(
        self, pyramid: Pyramid, landmarks: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
        """Hashes (K, HASH_SIZE) of faces with these landmarks (K, 5, 2), and the sharpness and brightness of each."""
        side = self._manifest.embedder.side
        template = geometry.ARCFACE_TEMPLATE * np.float32(side / 112)
        aligned = np.stack(
            [pyramid.warped(geometry.similarity_transform(points, template), (side, side)) for points in landmarks]
        )
        (embeddings,) = self._batched(self._embedder, aligned)
        return hashes(embeddings), [geometry.sharpness_and_brightness(face) for face in aligned]

    def _batched(self, session: Session, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run any number of equal-sized pictures in batches of the sizes that were loaded, padding the last."""
        parts: list[Sequence[NDArray[np.float32]]] = []
        for start, size in batches(len(pictures), self._batches):
            batch = pictures[start : start + size]
            real = len(batch)
            if real < size:
                batch = np.concatenate([batch, np.zeros((size - real, *batch.shape[1:]), np.uint8)])
            parts.append([output[:real] for output in session.run(batch)])
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def faces(detections: Detections, hashed: NDArray[np.float32], quality: list[tuple[float, float]]) -> tuple[Face, ...]:
    """Face values by descending confidence."""
    return tuple(
        Face(
            box=Box(*(float(value) for value in detections.boxes[index])),
            confidence=float(detections.scores[index]),
            landmarks=detections.landmarks[index],
            quality=Quality(*quality[index], face_size=float(min(detections.boxes[index, 2:]))),
            hash=hashed[index],
        )
        for index in np.argsort(-detections.scores, kind="stable")
    )


def batches(count: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """(start, size) of the batches that run `count` pictures: as many of the largest as fit, then the one that holds
    the rest with least padding."""
    plan, start = [], 0
    while start < count:
        rest = count - start
        size = next((size for size in sizes if size >= rest), sizes[-1])
        plan.append((start, size))
        start += size
    return plan


def view_shapes(side: int) -> list[tuple[int, int]]:
    """Inputs (height, width) of the detector for pictures shrunk into side x side pixels, lying ones, narrowest first."""
    return [(-(-round(side * aspect) // STRIDE) * STRIDE, side) for aspect in ASPECTS]


def input_shape(height: int, width: int, side: int) -> tuple[int, int]:
    """The input that a picture of this size, at most side x side, is padded to."""
    short, long = next(shape for shape in view_shapes(side) if shape[0] >= min(height, width))
    return (short, long) if width >= height else (long, short)


def detector_shapes(manifest: Manifest, batches: Sequence[int]) -> list[Shape]:
    spec = manifest.detector
    views = [shape for side in (spec.side, spec.close_up) if side for shape in view_shapes(side)]
    upright = [(1, height, width) for height, width in views] + [(1, width, height) for height, width in views]
    return sorted({*upright, *((batch, side, side) for side in spec.refine for batch in batches)})


def embedder_shapes(manifest: Manifest, batches: Sequence[int]) -> list[Shape]:
    return [(batch, manifest.embedder.side, manifest.embedder.side) for batch in batches]


def recognizer(
    manifest: Manifest, open_session: Callable[[str, list[Shape]], Session], batches: Sequence[int]
) -> Recognizer:
    """Build from a function that opens `detector` and `embedder` for a list of buckets."""
    return Recognizer(
        manifest,
        open_session("detector", detector_shapes(manifest, batches)),
        open_session("embedder", embedder_shapes(manifest, batches)),
        batches,
    )


def _middle(again: Detections, side: int) -> int | None:
    """Which detection in a crop is the face that the crop was made for: the likeliest whose box holds the middle."""
    middle = side / 2
    boxes = again.boxes
    inside = (
        (boxes[:, 0] < middle)
        & (boxes[:, 1] < middle)
        & (boxes[:, 0] + boxes[:, 2] > middle)
        & (boxes[:, 1] + boxes[:, 3] > middle)
    )
    if not inside.any():
        return None
    return int(np.argmax(np.where(inside, again.scores, -1)))

"""From an upright RGB image to its faces: detect, refine landmarks, align, embed.

Knows networks only as sessions and a manifest's numbers; decoding images and scheduling requests are others' work.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.engines import Session, Shape
from face_comparison.vision import geometry
from face_comparison.vision.bundle import Manifest
from face_comparison.vision.embedding import hashes
from face_comparison.vision.geometry import Detections, Pyramid
from face_comparison.vision.types import Box, Face, Quality

STRIDE = 32
"""Inputs of the detector are multiples of its largest stride, in pixels."""

ROOM = 2.0
"""A crop for refined landmarks is this many times as long as its face: the size at which YuNet is most exact."""

LEAST = 0.3
"""Score on a crop below which nothing is seen there: clean ones scored 0.88 or more, in strong noise 0.65."""

MOST_PROPOSALS = 300
"""More places than this are not looked at again: a bound on the time that an image of a pattern can take."""

ASPECTS = (0.6, 0.7, 0.8, 1.0)
"""Shorter by longer side of the detector's inputs: 16:9, 3:2, 4:3 and 5:4 (with their padding) and square. An image
takes the first that holds it, upright or lying. Shapes that were not warmed up would make some request pay; each takes
11 MiB a thread."""

SQUARE = (1.0,)
"""Where padding costs little: close-up views, and accelerators, on which batches of several requests gain much."""


class Recognizer:
    """Finds and embeds faces with one bundle's networks. Safe to use from several threads at once."""

    def __init__(
        self, manifest: Manifest, views: Session, crops: Session, embedder: Session, aspects: Sequence[float] = ASPECTS
    ) -> None:
        """views, crops: the detector, for whole images and for crops around faces. The sessions take any number of
        images of the sizes in `detector_shapes` and `embedder_shapes`; aspects: the same as for `detector_shapes`."""
        self._views, self._crops, self._embedder = views, crops, embedder
        self._manifest = manifest
        self._aspects = tuple(aspects)

    def propose(self, pyramid: Pyramid, minimum: float) -> Detections:
        """Where faces may be in an upright image, in its pixels, best first; boxes may reach over the edges.

        Takes everything from the manifest's `min_proposal` on (or from `minimum`, 0-1, where that is lower): `refine`
        tells the faces among it. In a shrunken view a small face scores low, and so do a few things that are none. A
        larger one, which a crop would show no finer than the view did, needs a score of `LEAST` already here.
        """
        spec = self._manifest.detector
        lowest = min(spec.min_proposal, minimum) if spec.refine else minimum
        found = [self._detect_at(pyramid, spec.side, 1.0, self._aspects, lowest)]
        if spec.close_up:
            # At least halved: a noisy face that fills a small image is found once its noise is averaged.
            found.append(self._detect_at(pyramid, spec.close_up, 0.5, SQUARE, lowest))
        proposals = geometry.distinct(geometry.joined(found), spec.overlap)
        if spec.refine:
            in_crop = min(spec.refine) / ROOM
            in_view = proposals.boxes[:, 2:].max(axis=1) * min(1.0, spec.side / max(pyramid.size))
            proposals = proposals.at(np.flatnonzero((in_view < in_crop) | (proposals.scores >= min(LEAST, minimum))))
        return proposals.at(np.s_[:MOST_PROPOSALS])

    def _detect_at(
        self, pyramid: Pyramid, side: int, most: float, aspects: Sequence[float], minimum: float
    ) -> Detections:
        """In a view of at most side x side pixels, shrunk to at most `most` of the image's size."""
        height, width = pyramid.size
        scale = min(most, side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        shape = input_shape(size[1], size[0], side, aspects)
        canvas = np.zeros((1, *shape, 3), np.uint8)
        image, _ = pyramid.level(1 / scale)
        cv2.resize(image, size, dst=canvas[0, : size[1], : size[0]], interpolation=cv2.INTER_LINEAR)
        outputs = [output[0] for output in self._views.run(canvas)]
        return geometry.yunet_detections(outputs, *shape, minimum).mapped(1 / scale)

    def refine(self, pyramid: Pyramid, proposals: Detections, minimum: float) -> Detections:
        """The faces among the proposals: looked at again, one by one, on crops from the image.

        On each crop a face covers half the length. Box and landmarks are the mean over the manifest's crop sizes in
        which the same face is found again; the score is the mean over all of them (0 where it is not found), or the
        proposal's own where that is higher. Those with a score of at least `minimum` stay, each face once.
        """
        sides = self._manifest.detector.refine
        if not sides or not len(proposals):
            return proposals
        views: list[list[Detections]] = [[] for _ in range(len(proposals))]
        places = list(range(len(proposals)))
        for side in sides:
            for place, view in zip(places, self._look_again(pyramid, proposals.boxes[places], side), strict=True):
                if view is not None:
                    views[place].append(view)
            # Most proposals in a pattern or a crowd's background are none: one look is enough to drop them.
            places = [place for place in places if views[place] or proposals.scores[place] >= minimum]
            if not places:
                return proposals.at(np.s_[:0])
        found = Detections(
            np.stack([_mean([view.boxes[0] for view in views[i]], proposals.boxes[i]) for i in places]),
            np.array(
                [
                    max(float(proposals.scores[i]), sum(float(view.scores[0]) for view in views[i]) / len(sides))
                    for i in places
                ],
                np.float32,
            ),
            np.stack([_mean([view.landmarks[0] for view in views[i]], proposals.landmarks[i]) for i in places]),
        )
        return geometry.distinct(found.at(np.flatnonzero(found.scores >= minimum)), self._manifest.detector.overlap)

    def _look_again(self, pyramid: Pyramid, boxes: NDArray[np.float32], side: int) -> list[Detections | None]:
        """The face that a crop of side x side pixels around each box (K, 4) shows, in the image's pixels."""
        matrices = [geometry.square(box, ROOM, side) for box in boxes]
        outputs = self._crops.run(np.stack([pyramid.warped(matrix, (side, side)) for matrix in matrices]))
        seen: list[Detections | None] = []
        for index, matrix in enumerate(matrices):
            crop = geometry.yunet_detections([output[index] for output in outputs], side, side, LEAST)
            face = geometry.in_the_middle(crop, side)
            scale = 1 / matrix[0, 0]
            seen.append(None if face is None else face.mapped(scale, *(-matrix[:, 2] * scale)))
        return seen

    def embed(self, pyramid: Pyramid, landmarks: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Hashes (K, HASH_SIZE) of faces with these landmarks (K, 5, 2), and the aligned faces (K, side, side, 3).

        Raises RuntimeError when the network gives no numbers.
        """
        side = self._manifest.embedder.side
        template = geometry.ARCFACE_TEMPLATE * np.float32(side / 112)
        aligned = np.stack(
            [pyramid.warped(geometry.similarity_transform(points, template), (side, side)) for points in landmarks]
        )
        (embeddings,) = self._embedder.run(aligned)
        if not np.isfinite(embeddings).all():
            raise RuntimeError("the embedder's numbers are not finite")
        return hashes(embeddings), aligned


def faces(detections: Detections, hashed: NDArray[np.float32], aligned: NDArray[np.uint8]) -> tuple[Face, ...]:
    """Face values by descending confidence, in the pixels of the detections."""

    def quality(index: int) -> Quality:
        sharpness, brightness = geometry.sharpness_and_brightness(aligned[index])
        return Quality(sharpness, brightness, face_size=float(min(detections.boxes[index, 2:])))

    return tuple(
        Face(
            box=Box(*(float(value) for value in detections.boxes[index])),
            confidence=float(detections.scores[index]),
            landmarks=detections.landmarks[index],
            quality=quality(index),
            hash=hashed[index],
        )
        for index in np.argsort(-detections.scores, kind="stable")
    )


def view_shapes(side: int, aspects: Sequence[float]) -> list[tuple[int, int]]:
    """Inputs (height, width) of the detector for images shrunk into side x side pixels, lying, narrowest first."""
    return [(-(-round(side * aspect) // STRIDE) * STRIDE, side) for aspect in aspects]


def input_shape(height: int, width: int, side: int, aspects: Sequence[float] = ASPECTS) -> tuple[int, int]:
    """The input that an image of this size, at most side x side, is padded to."""
    short, long = next(shape for shape in view_shapes(side, aspects) if shape[0] >= min(height, width))
    return (short, long) if width >= height else (long, short)


def detector_shapes(
    manifest: Manifest, views: Sequence[int], crops: Sequence[int], aspects: Sequence[float] = ASPECTS
) -> list[Shape]:
    """Every bucket of the detector; views, crops: sizes of batch of whole images and of crops around faces."""
    spec = manifest.detector
    lying = view_shapes(spec.side, aspects) + (view_shapes(spec.close_up, SQUARE) if spec.close_up else [])
    both = {*lying, *((width, height) for height, width in lying)}
    return sorted(
        {(batch, *shape) for shape in both for batch in views}
        | {(batch, side, side) for side in spec.refine for batch in crops}
    )


def embedder_shapes(manifest: Manifest, faces: Sequence[int]) -> list[Shape]:
    return [(batch, manifest.embedder.side, manifest.embedder.side) for batch in faces]


def _mean(values: list[NDArray[np.float32]], otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.mean(values, axis=0, dtype=np.float32) if values else otherwise

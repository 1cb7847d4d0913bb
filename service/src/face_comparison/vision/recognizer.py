"""From an image to its faces: views, crops, alignment, embedding.

Knows networks only as sessions and a manifest's numbers; decoding images and scheduling requests are others' work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.engines import Session, Shape
from face_comparison.vision import quality, refinement, views
from face_comparison.vision.alignment import similarity_transform, template
from face_comparison.vision.bundle import Manifest
from face_comparison.vision.crops import MIN_CROP_SCORE
from face_comparison.vision.detections import (
    Candidates,
    Detections,
    OrientedDetections,
    concatenate,
    non_max_suppression,
)
from face_comparison.vision.detectors import DETECTORS
from face_comparison.vision.embedding import hashes
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.types import Box, Face

MAX_PROPOSALS = 300
"""More places than this are not looked at again: a bound on the time that an image of a pattern can take."""

ASPECTS = (0.6, 0.8, 1.0)
"""Shorter by longer side of the detector's inputs: 16:9, 4:3 (with their padding) and square. An image takes the first
that holds it, portrait or landscape. Shapes that were not warmed up would make some request pay; each takes memory."""

SQUARE = (1.0,)
"""Where padding costs little: close-up views, and accelerators, on which batches of several requests gain much."""

QUARTERS = ((0, 0.0), (1, 90.0), (2, 180.0), (3, -90.0))
"""Quarter turns of the view, and the roll of the faces that are upright in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What the embedder says of faces.

    Attributes:
        hashes: (K, HASH_SIZE) float32.
        aligned: (K, side, side, 3) uint8, the faces as the embedder sees them.
        distinct: (K,) whether a face shows enough of what tells people apart.
    """

    hashes: NDArray[np.float32]
    aligned: NDArray[np.uint8]
    distinct: NDArray[np.bool_]


class Recognizer:
    """Finds and embeds faces with one bundle's networks. Safe to use from several threads at once."""

    def __init__(
        self, manifest: Manifest, views: Session, crops: Session, embedder: Session, aspects: Sequence[float] = ASPECTS
    ) -> None:
        """Takes the sessions of a bundle.

        Args:
            manifest: The bundle's.
            views: The detector, for whole images of the sizes in `view_shapes`.
            crops: The detector, for crops around faces of the sizes in `crop_shapes`.
            embedder: The embedder, for aligned faces of the sizes in `embedder_shapes`.
            aspects: As for `view_shapes`.
        """
        self._views, self._crops, self._embedder = views, crops, embedder
        self._manifest = manifest
        self._aspects = tuple(aspects)
        self._decode = DETECTORS[manifest.detector.architecture]
        self._template = template(manifest.embedder.alignment, manifest.embedder.side)

    def view_side(self, longest: int) -> int:
        """Pixels of the longer side that an image of this longer side is shrunk to."""
        return views.view_side(longest, self._manifest.detector.sides)

    def propose(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        """Where faces may be, in the image's pixels, best first; boxes may reach over the edges.

        Takes everything from the manifest's `min_proposal` on (or from `minimum`, 0-1, where that is lower): `refine`
        tells the faces among it. In a shrunken view a small face scores low, and so do a few things that are none. A
        larger one, which a crop would show no finer than the view did, needs a score of MIN_CROP_SCORE already here.

        longest: pixels of the image's longer side before it was decoded smaller.
        """
        found = self._propose(pyramid, minimum, longest, 0)
        scale = min(1.0, self.view_side(longest) / max(pyramid.size))
        return OrientedDetections.of(self._worth_a_crop(found, scale, minimum).at(np.s_[:MAX_PROPOSALS]))

    def refine(
        self, pyramid: Pyramid, proposals: OrientedDetections, minimum: float, count: int, *, turned: bool = False
    ) -> OrientedDetections:
        """Returns the faces among the proposals, each once, best first; score, box and landmarks come from crops.

        count: of the most prominent faces that are wanted; where the sure faces are more, others may be left out.
        turned: try all proposals at other rolls than those of their views, not only likely ones.
        """
        spec = self._manifest.detector
        if not spec.refinement or not len(proposals):
            return proposals.at(non_max_suppression(proposals.faces, spec.nms_iou_threshold))
        criteria = refinement.Criteria(
            count=count,
            min_score=minimum,
            sure_score=spec.sure_confidence,
            search_score=spec.min_proposal if turned else MIN_CROP_SCORE,
            iou_threshold=spec.nms_iou_threshold,
        )
        return refinement.refine(pyramid, proposals, self._detect, spec.refinement, criteria)

    def sure_rolls(self, found: OrientedDetections) -> NDArray[np.float64]:
        """Rolls (K,) in degrees of those that are surely faces."""
        return found.rolls[found.faces.scores >= self._manifest.detector.sure_confidence]

    def propose_turned(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        """As `propose`, in views of the image turned by each quarter, the upright one included."""
        parts = [
            OrientedDetections.of(self._propose(pyramid, minimum, longest, quarters), roll)
            for quarters, roll in QUARTERS
        ]
        found = OrientedDetections.concatenate(parts)
        return found.at(np.argsort(-found.faces.scores, kind="stable")[:MAX_PROPOSALS])

    def finer_side(self, longest: int) -> int:
        """Pixels of the longer side of an image that is fine enough for `propose_finer`."""
        part, side = views.finer(longest, self._manifest.detector.sides)
        return math.ceil(side / part)

    def propose_finer(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        """As `propose`, in views that are about twice as fine."""
        spec = self._manifest.detector
        height, width = pyramid.size
        part, side = views.finer(longest, spec.sides)
        shown = views.parts(height, width) if part < 1 else [(0, 0, width, height)]
        found = concatenate([self._detect_in_part(pyramid, each, side, minimum) for each in shown])
        return OrientedDetections.of(found.at(non_max_suppression(found, spec.nms_iou_threshold)[:MAX_PROPOSALS]))

    def propose_tilted(self, pyramid: Pyramid, minimum: float, longest: int, roll: float) -> OrientedDetections:
        """As `propose`, in a view of the image in which heads of this roll (degrees) are upright."""
        spec = self._manifest.detector
        grown = max(views.tilted_size(*pyramid.size, roll)) / max(pyramid.size)
        side = self.view_side(round(grown * longest))
        view, matrix = views.draw_tilted(pyramid, side, roll)
        found = self._detect_on(views.pad(view, side, self._aspects), min(spec.min_proposal, minimum))
        found = found.at(non_max_suppression(found, spec.nms_iou_threshold)[:MAX_PROPOSALS])
        return OrientedDetections.of(views.tilted_back(found, matrix), roll)

    def merged(self, found: OrientedDetections, more: OrientedDetections) -> OrientedDetections:
        """Returns the faces of both, each once, best first."""
        both = OrientedDetections.concatenate([found, more])
        return both.at(non_max_suppression(both.faces, self._manifest.detector.nms_iou_threshold))

    def embed(self, pyramid: Pyramid, landmarks: NDArray[np.float32]) -> Embedded:
        """The hashes of faces with these landmarks (K, 5, 2).

        Raises RuntimeError when the network gives no numbers.
        """
        matrices = np.stack([similarity_transform(points, self._template) for points in landmarks])
        aligned = pyramid.blended_warps(matrices, self._manifest.embedder.side)
        (embeddings,) = self._embedder.run(aligned)
        if not np.isfinite(embeddings).all():
            raise RuntimeError("the embedder's numbers are not finite")
        distinct = np.linalg.norm(embeddings, axis=1) >= self._manifest.embedder.min_norm
        return Embedded(hashes(embeddings), aligned, distinct)

    def _propose(self, pyramid: Pyramid, minimum: float, longest: int, quarters: int) -> Detections:
        spec = self._manifest.detector
        lowest = min(spec.min_proposal, minimum) if spec.refinement else minimum
        found = self._detect_in_view(pyramid, self.view_side(longest), 1.0, self._aspects, lowest, quarters)
        found = found.at(non_max_suppression(found, spec.nms_iou_threshold))
        if spec.close_up and views.may_be_close_up(found, pyramid.size, spec.sure_confidence):
            # At least halved: a noisy face that fills a small image is found once its noise is averaged.
            closer = self._detect_in_view(pyramid, spec.close_up, 0.5, SQUARE, lowest, quarters)
            found = concatenate([found, closer])
            found = found.at(non_max_suppression(found, spec.nms_iou_threshold))
        return found

    def _worth_a_crop(self, found: Detections, scale: float, minimum: float) -> Detections:
        """Those that are small in a view of this scale, or score well enough in it."""
        spec = self._manifest.detector.refinement
        if not spec:
            return found
        small = found.boxes[:, 2:].max(axis=1) * scale < spec.probe_side / spec.probe_room
        return found.at(np.flatnonzero(small | (found.scores >= min(MIN_CROP_SCORE, minimum))))

    def _detect_in_view(
        self,
        pyramid: Pyramid,
        side: int,
        max_scale: float,
        aspects: Sequence[float],
        minimum: float,
        quarters: int,
    ) -> Detections:
        view, scale = views.draw(pyramid, side, max_scale)
        found = self._detect_on(views.pad(views.turn(view, quarters), side, aspects), minimum)
        return views.turn_back(found, quarters, *view.shape[:2]).scaled(1 / scale)

    def _detect_in_part(
        self, pyramid: Pyramid, part: tuple[int, int, int, int], side: int, minimum: float
    ) -> Detections:
        left, top = part[:2]
        view, scale = views.draw(pyramid.part(*part), side, 1.0)
        lowest = min(self._manifest.detector.min_proposal, minimum)
        found = self._detect_on(views.pad(view, side, self._aspects), lowest).scaled(1 / scale)
        found = self._worth_a_crop(found, scale, minimum)
        offset = np.array([left, top], np.float32)
        return Detections(found.boxes + np.array([left, top, 0, 0], np.float32), found.scores, found.landmarks + offset)

    def _detect_on(self, canvas: NDArray[np.uint8], minimum: float) -> Detections:
        _, height, width, _ = canvas.shape
        return self._decode(self._views.run(canvas), height, width, minimum).of(0)

    def _detect(self, crops: NDArray[np.uint8], min_score: float) -> Candidates:
        _, height, width, _ = crops.shape
        return self._decode(self._crops.run(crops), height, width, min_score)


def faces(found: OrientedDetections, embedded: Embedded, size: tuple[int, int]) -> tuple[Face, ...]:
    """Face values by descending confidence, in pixels of the image of this height and width."""

    def face(index: int) -> Face:
        left, top, width, height = found.faces.boxes[index].tolist()
        box, landmarks = Box(left, top, width, height), found.faces.landmarks[index]
        spread, distinct = float(found.spreads[index]), bool(embedded.distinct[index])
        measured = quality.assess(embedded.aligned[index], box, landmarks, spread, size, distinct=distinct)
        return Face(box, float(found.faces.scores[index]), landmarks, measured, embedded.hashes[index])

    return tuple(face(index) for index in np.argsort(-found.faces.scores, kind="stable"))


def view_shapes(manifest: Manifest, batches: Sequence[int], aspects: Sequence[float] = ASPECTS) -> list[Shape]:
    """Every bucket of the detector for whole images."""
    spec = manifest.detector
    landscape = [shape for side in spec.sides for shape in views.view_shapes(side, aspects)]
    landscape += views.view_shapes(spec.close_up, SQUARE) if spec.close_up else []
    both = {*landscape, *((width, height) for height, width in landscape)}
    return sorted((batch, *shape) for shape in both for batch in batches)


def crop_shapes(manifest: Manifest, batches: Sequence[int]) -> list[Shape]:
    """Every bucket of the detector for crops around faces."""
    spec = manifest.detector.refinement
    sides = {spec.probe_side, spec.roll_side, spec.landmark_side} if spec else set()
    return sorted((batch, side, side) for side in sides for batch in batches)


def embedder_shapes(manifest: Manifest, batches: Sequence[int]) -> list[Shape]:
    """Returns the shapes of aligned faces, one per batch size."""
    return [(batch, manifest.embedder.side, manifest.embedder.side) for batch in batches]

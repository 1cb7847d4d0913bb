"""Finds and embeds the faces of a decoded image: views, crops, alignment, embedding.

This module knows the networks only as sessions and the manifest's numbers. Decoding images and scheduling requests
happen elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from face_comparison.vision.embedding import l2_normalize_and_pad
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.rounding import is_sensitive_to_rounding
from face_comparison.vision.types import Box, Face

MAX_PROPOSALS = 300
"""Maximum number of proposals that are refined. It bounds the time for an image of a repeating pattern."""

FINER_MIN_PROPOSAL = 0.025
"""Minimum score of a proposal in a finer view. Faces that no other view shows score 0.03 to 0.1 there, but above 0.8 on
crops."""

MAX_FINER_PROPOSALS = 64
"""Maximum number of proposals of finer views that are refined."""

MAX_FINER_CANDIDATES = 1000
"""Maximum number of detections in finer views that are considered. In grainy images there are many thousands."""

DOUBTLESS_SCORE, FACELESS_LENGTH = 0.85, 0.6
"""A detection with a lower score is not a face if its embedding is also shorter than this (see `Embedded`). Sharp faces
score at least 0.88, and no face that was recognized had an embedding shorter than 1."""

ASPECTS = (0.6, 0.8, 1.0)
"""Shorter by longer side of the detector's inputs: 16:9 and 4:3 (each with some padding), and square.

An image, portrait or landscape, takes the first one that holds it. The set is fixed because a shape that has not been
warmed up would slow down some request, and small because each shape takes memory.
"""

SQUARE = (1.0,)
"""Aspect ratio where padding costs little: for close-up views, and on accelerators, which gain much from batching the
images of several requests."""

QUARTERS = ((0, 0.0), (1, 90.0), (2, 180.0), (3, -90.0))
"""Quarter turns of a view, each with the roll in degrees of the faces that are upright in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Embedded faces.

    Attributes:
        hashes: (K, HASH_SIZE) float32.
        aligned: (K, side, side, 3) uint8, the aligned faces that the embedder got.
        lengths: (K,) L2 norms of the embeddings before normalization, as multiples of the shortest one that
            distinguishes people; infinity if that is not known.
    """

    hashes: NDArray[np.float32]
    aligned: NDArray[np.uint8]
    lengths: NDArray[np.float32]

    def at(self, index: NDArray[np.intp]) -> Embedded:
        """Returns the faces with these indices."""
        return Embedded(self.hashes[index], self.aligned[index], self.lengths[index])

    @staticmethod
    def concatenate(parts: Sequence[Embedded]) -> Embedded:
        """Returns the faces of several parts, in their order."""
        return Embedded(
            np.concatenate([part.hashes for part in parts]),
            np.concatenate([part.aligned for part in parts]),
            np.concatenate([part.lengths for part in parts]),
        )


class Recognizer:
    """Finds and embeds faces with one bundle's networks. Safe to use from several threads at once."""

    def __init__(
        self,
        manifest: Manifest,
        views: Session,
        crops: Session,
        embedder: Session,
        aspects: Sequence[float] = ASPECTS,
        exact_views: Session | None = None,
    ) -> None:
        """Takes the sessions of a bundle.

        Args:
            manifest: The bundle's manifest.
            views: The detector for whole images, loaded for the shapes of `view_shapes`.
            crops: The detector for crops around faces, loaded for the shapes of `crop_shapes`.
            embedder: The embedder for aligned faces, loaded for the shapes of `embedder_shapes`.
            aspects: The aspect ratios given to `view_shapes`.
            exact_views: Like `views`, but in float32, if `views` is less precise.
        """
        self._views, self._crops, self._embedder = views, crops, embedder
        self._exact_views = exact_views
        self._manifest = manifest
        self._aspects = tuple(aspects)
        self._decode = DETECTORS[manifest.detector.architecture]
        self._template = template(manifest.embedder.alignment, manifest.embedder.side)

    def view_side(self, longest: int) -> int:
        """Returns the longer side, in pixels, that an image of this longer side is shrunk to."""
        return views.view_side(longest, self._manifest.detector.sides)

    def propose(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        """Returns proposals in pixels of the image, by descending score; boxes may extend beyond the edges.

        The minimum score is low (the manifest's `min_proposal`, or `minimum` if that is lower), because small faces
        score low in a shrunken view. So do a few things that are not faces; `refine` separates them.

        Args:
            pyramid: The image.
            minimum: Minimum score of the requested faces, 0-1.
            longest: Longer side of the full-size image in pixels, before reduced-size decoding.
        """
        return OrientedDetections.of(self._propose(pyramid, minimum, longest, 0))

    def worth_refining(
        self, proposals: OrientedDetections, pyramid: Pyramid, minimum: float, longest: int
    ) -> OrientedDetections:
        """Returns the proposals of `propose` that may be faces if the image is upright.

        A larger face, which a crop would not show in more detail than the view, must score MIN_CROP_SCORE in the view.

        Args:
            proposals: The proposals.
            pyramid: As for `propose`.
            minimum: As for `propose`.
            longest: As for `propose`.
        """
        scale = min(1.0, self.view_side(longest) / max(pyramid.size))
        return OrientedDetections.of(self._worth_a_crop(proposals.faces, scale, minimum).at(np.s_[:MAX_PROPOSALS]))

    def refine(
        self, pyramid: Pyramid, proposals: OrientedDetections, minimum: float, count: int, *, turned: bool = False
    ) -> OrientedDetections:
        """Returns the faces among the proposals without duplicates, by descending score.

        Scores, boxes, and landmarks come from crops.

        Args:
            pyramid: The image.
            proposals: In pixels of the image.
            minimum: Minimum score, 0-1.
            count: Number of most prominent faces that are needed. If there are more sure faces than that, others may be
                left out.
            turned: Whether to try every proposal at rolls other than that of its view, rather than only likely ones.
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

    def turned_over(self, pyramid: Pyramid, found: OrientedDetections, minimum: float) -> OrientedDetections:
        """Returns the faces, with those that were detected upside down at their right roll; see `refinement`.

        Args:
            pyramid: The image.
            found: In pixels of the image, without duplicates.
            minimum: As for `refine`.
        """
        spec = self._manifest.detector
        if spec.refinement is None or not (found.faces.scores < spec.refinement.upright_score).any():
            return found
        turned = refinement.examine_upside_down(pyramid, found, self._detect, spec.refinement, minimum)
        return self.merged(found, turned)

    def sure_rolls(self, found: OrientedDetections) -> NDArray[np.float64]:
        """Returns the rolls (K,), in degrees, of the sure faces."""
        return found.rolls[found.faces.scores >= self._manifest.detector.sure_confidence]

    def propose_turned(
        self, pyramid: Pyramid, minimum: float, longest: int, upright: OrientedDetections | None = None
    ) -> OrientedDetections:
        """Like `propose`, but in four views of the image, one for each quarter turn including the upright one.

        Args:
            pyramid: As for `propose`.
            minimum: As for `propose`.
            longest: As for `propose`.
            upright: What `propose` returned for the same image; None to compute it.
        """
        parts = [self.propose(pyramid, minimum, longest) if upright is None else upright]
        parts += [
            OrientedDetections.of(self._propose(pyramid, minimum, longest, quarters), roll)
            for quarters, roll in QUARTERS[1:]
        ]
        found = OrientedDetections.concatenate(parts)
        return found.at(np.argsort(-found.faces.scores, kind="stable")[:MAX_PROPOSALS])

    def finer_side(self, longest: int) -> int:
        """Returns the longer side, in pixels, of an image that is fine enough for `propose_finer`."""
        part, side = views.finer(longest, self._manifest.detector.sides)
        return math.ceil(side / part)

    def propose_finer(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        """Like `propose`, but in views with about twice the resolution, and with a lower minimum score."""
        spec = self._manifest.detector
        height, width = pyramid.size
        part, side = views.finer(longest, spec.sides)
        shown = views.parts(height, width) if part < 1 else [(0, 0, width, height)]
        found = concatenate([self._detect_in_part(pyramid, each, side, minimum) for each in shown])
        found = found.at(np.argsort(-found.scores, kind="stable")[:MAX_FINER_CANDIDATES])
        return OrientedDetections.of(found.at(non_max_suppression(found, spec.nms_iou_threshold)[:MAX_FINER_PROPOSALS]))

    def propose_tilted(self, pyramid: Pyramid, minimum: float, longest: int, roll: float) -> OrientedDetections:
        """Like `propose`, but in a view of the image in which heads of this roll (degrees) are upright."""
        spec = self._manifest.detector
        grown = max(views.tilted_size(*pyramid.size, roll)) / max(pyramid.size)
        side = self.view_side(round(grown * longest))
        view, matrix = views.draw_tilted(pyramid, side, roll)
        canvas, lowest = views.pad(view, side, self._aspects), min(spec.min_proposal, minimum)
        found = self._detect_on(canvas, lowest, lambda found: views.tilted_back(found, matrix))
        found = found.at(non_max_suppression(found, spec.nms_iou_threshold)[:MAX_PROPOSALS])
        return OrientedDetections.of(found, roll)

    def merged(self, found: OrientedDetections, more: OrientedDetections) -> OrientedDetections:
        """Returns the faces of both without duplicates, by descending score."""
        both = OrientedDetections.concatenate([found, more])
        return both.at(non_max_suppression(both.faces, self._manifest.detector.nms_iou_threshold))

    def embed(self, pyramid: Pyramid, landmarks: NDArray[np.float32]) -> Embedded:
        """Aligns and embeds the faces with these landmarks (K, 5, 2), given in pixels of the image.

        Raises:
            RuntimeError: The network's output contains NaN or infinity.
        """
        matrices = np.stack([similarity_transform(points, self._template) for points in landmarks])
        aligned = pyramid.blended_warps(matrices, self._manifest.embedder.side)
        (embeddings,) = self._embedder.run(aligned)
        if not np.isfinite(embeddings).all():
            raise RuntimeError("the embedder's numbers are not finite")
        norms, shortest = np.linalg.norm(embeddings, axis=1), self._manifest.embedder.min_norm
        lengths = norms / np.float32(shortest) if shortest else np.full_like(norms, np.inf)
        return Embedded(l2_normalize_and_pad(embeddings), aligned, lengths)

    def _propose(self, pyramid: Pyramid, minimum: float, longest: int, quarters: int) -> Detections:
        spec = self._manifest.detector
        lowest = min(spec.min_proposal, minimum) if spec.refinement else minimum
        found = self._detect_in_view(pyramid, self.view_side(longest), 1.0, self._aspects, lowest, quarters)
        found = found.at(non_max_suppression(found, spec.nms_iou_threshold))
        if spec.close_up and views.may_be_close_up(found, pyramid.size, spec.sure_confidence):
            # Shrink by at least half: a noisy face that fills a small image is detected once its noise is averaged.
            closer = self._detect_in_view(pyramid, spec.close_up, 0.5, SQUARE, lowest, quarters)
            found = concatenate([found, closer])
            found = found.at(non_max_suppression(found, spec.nms_iou_threshold))
        return found

    def _worth_a_crop(self, found: Detections, scale: float, minimum: float) -> Detections:
        """Returns the detections worth refining: they are small in a view of this scale, or score high enough in it."""
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
        canvas = views.pad(views.turn(view, quarters), side, aspects)
        return self._detect_on(
            canvas, minimum, lambda found: views.turn_back(found, quarters, *view.shape[:2]).scaled(1 / scale)
        )

    def _detect_in_part(
        self, pyramid: Pyramid, part: tuple[int, int, int, int], side: int, minimum: float
    ) -> Detections:
        left, top = part[:2]
        view, scale = views.draw(pyramid.part(*part), side, 1.0)
        lowest = min(FINER_MIN_PROPOSAL, minimum)
        canvas = views.pad(view, side, self._aspects)
        found = self._detect_on(canvas, lowest, lambda found: found.scaled(1 / scale).shifted(left, top))
        return self._worth_a_crop(found, scale, minimum)

    def _detect_on(
        self, canvas: NDArray[np.uint8], minimum: float, placed: Callable[[Detections], Detections]
    ) -> Detections:
        """Returns the detections on a padded view, in pixels of the image, to which `placed` maps them."""
        _, height, width, _ = canvas.shape
        spec = self._manifest.detector
        found = placed(self._decode(self._views.run(canvas), height, width, minimum).of(0))
        if self._exact_views is None or spec.refinement is None:
            return found
        if not is_sensitive_to_rounding(found, spec.refinement, spec.nms_iou_threshold):
            return found
        return placed(self._decode(self._exact_views.run(canvas), height, width, minimum).of(0))

    def _detect(self, crops: NDArray[np.uint8], min_score: float) -> Candidates:
        _, height, width, _ = crops.shape
        return self._decode(self._crops.run(crops), height, width, min_score)


def faces(found: OrientedDetections, embedded: Embedded, size: tuple[int, int]) -> tuple[Face, ...]:
    """Returns the faces by descending confidence, in pixels of the image.

    Args:
        found: The detections.
        embedded: Their embeddings, in the same order.
        size: Height and width of the image, in pixels.
    """

    def face(index: int) -> Face:
        left, top, width, height = found.faces.boxes[index].tolist()
        box, landmarks = Box(left, top, width, height), found.faces.landmarks[index]
        spread, distinct = float(found.spreads[index]), bool(embedded.lengths[index] >= 1)
        measured = quality.assess(embedded.aligned[index], box, landmarks, spread, size, distinct=distinct)
        return Face(box, float(found.faces.scores[index]), landmarks, measured, embedded.hashes[index])

    return tuple(face(index) for index in np.argsort(-found.faces.scores, kind="stable"))


def confirmed(scores: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray[np.intp]:
    """Returns the indices of the detections that at least one of the networks takes for a face.

    An embedder, which was trained on faces alone, gives short vectors to what is not a face.

    Args:
        scores: (K,) of the detector, 0-1.
        lengths: (K,) See `Embedded`.
    """
    return np.flatnonzero((scores >= DOUBTLESS_SCORE) | (lengths >= FACELESS_LENGTH))


def view_shapes(manifest: Manifest, batches: Sequence[int], aspects: Sequence[float] = ASPECTS) -> list[Shape]:
    """Returns every input shape (batch, height, width) of the detector for whole images."""
    spec = manifest.detector
    landscape = [shape for side in spec.sides for shape in views.view_shapes(side, aspects)]
    landscape += views.view_shapes(spec.close_up, SQUARE) if spec.close_up else []
    both = {*landscape, *((width, height) for height, width in landscape)}
    return sorted((batch, *shape) for shape in both for batch in batches)


def crop_shapes(manifest: Manifest, batches: Sequence[int]) -> list[Shape]:
    """Returns every input shape (batch, side, side) of the detector for crops around faces."""
    spec = manifest.detector.refinement
    sides = {spec.probe_side, spec.roll_side, spec.landmark_side} if spec else set()
    return sorted((batch, side, side) for side in sides for batch in batches)


def embedder_shapes(manifest: Manifest, batches: Sequence[int]) -> list[Shape]:
    """Returns every input shape (batch, side, side) of the embedder."""
    return [(batch, manifest.embedder.side, manifest.embedder.side) for batch in batches]

"""Searches one image for faces: chooses the views in which to look, and the resolution at which to decode the image."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.image import Reduce
from face_comparison.vision.detections import Detections, OrientedDetections, find_elsewhere
from face_comparison.vision.orientation import DIAGONALS, MOST_TILTED_VIEWS, next_view
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.recognizer import QUARTERS, Recognizer

MIN_FACE_PIXELS = 112.0
"""Shorter side of a face, in pixels of the decoded image, above which a finer image adds nothing: the inputs of the
networks show faces at about this size at most."""

FINER_SCORE = 0.8
"""Minimum score of a face that only a finer view proposed: among many small places, one is easily mistaken for a
face."""

REDUCTIONS: tuple[Reduce, ...] = (8, 4, 2, 1)
"""Factors by which JPEG images can be decoded smaller, coarsest first."""


@dataclass(frozen=True, slots=True)
class SearchCriteria:
    """Which faces to search for.

    Attributes:
        minimum: Minimum score, 0-1, that the request asks for.
        usual: Minimum score, 0-1, of requests that do not set their own.
        count: Number of most prominent faces that are needed; if there are more sure faces, others may be left out.
    """

    minimum: float
    usual: float
    count: int


class Search:
    """The search for the faces of one image.

    Attributes:
        image: The image, decoded as fine as the faces found so far need.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        decode: Callable[[Reduce], NDArray[np.uint8]],
        longest: int,
        criteria: SearchCriteria,
        stages: dict[str, float],
    ) -> None:
        """Decodes the image, no finer than the views need.

        Args:
            recognizer: Finds faces.
            decode: Returns the image at 1/reduce of its sides, or finer.
            longest: Longer side of the full-size image, in pixels.
            criteria: Which faces to search for.
            stages: Seconds per phase; the times of `decode` and `detect` are added to it.
        """
        self._recognizer, self._decode, self._longest = recognizer, decode, longest
        self._criteria, self._stages = criteria, stages
        self._reduce = reduction(longest, recognizer.view_side(longest))
        self.image = self._decoded()

    def faces(self) -> OrientedDetections:
        """Returns the faces in pixels of `image`, by descending score, including some below the requested minimum.

        The search first runs with the usual minimum score, whatever the request asks for, so that the hash of a face
        does not depend on the requested minimum. Weaker faces are searched for afterwards, where no face was found.
        """
        found = self._usual_faces()
        if self._criteria.minimum < self._criteria.usual:
            with timed(self._stages, "detect"):
                proposals = self._recognizer.propose(self.image, self._criteria.minimum, self._longest)
                proposals = self._worth_refining(proposals, self._criteria.minimum)
                weaker = proposals.at(find_elsewhere(proposals.faces, found.faces))
                more = self._refine(weaker, self._criteria.minimum, turned=False)
            more = more.at(find_elsewhere(more.faces, found.faces))  # crops move to faces
            found = self._recognizer.merged(found, more)
        return found

    def _usual_faces(self) -> OrientedDetections:
        """Returns the faces with at least the usual score, by descending score.

        If no face is sure, the search continues on the image turned sideways and upside down, then in finer views, and
        then on the image turned diagonally, each only if there is still no sure face. If a face is tilted far from
        every view, a view is added in which it is upright, because other faces are often tilted the same way.
        """
        recognizer, minimum, longest = self._recognizer, self._criteria.usual, self._longest
        with timed(self._stages, "detect"):
            image, upright = self.image, recognizer.propose(self.image, minimum, longest)
            proposals = self._worth_refining(upright, minimum)
        found, seen = self._refined(proposals, turned=False), [0.0]
        if not len(recognizer.sure_rolls(found)):
            with timed(self._stages, "detect"):
                known = upright if self.image is image else None
                proposals = recognizer.propose_turned(self.image, minimum, longest, known)
            found, seen = self._refined(proposals, turned=True), [roll for _, roll in QUARTERS]
        if not len(recognizer.sure_rolls(found)) and longest > recognizer.view_side(longest):
            found = self._with_finer(found)
        for roll in DIAGONALS:
            if len(recognizer.sure_rolls(found)):
                break
            found = self._with_tilted(found, roll)
            seen.append(roll)
        for _ in range(MOST_TILTED_VIEWS):
            next_roll = next_view(recognizer.sure_rolls(found), seen)
            if next_roll is None:
                break
            found = self._with_tilted(found, next_roll)
            seen.append(next_roll)
        with timed(self._stages, "detect"):
            return recognizer.turned_over(self.image, found, minimum)

    def _worth_refining(self, proposals: OrientedDetections, minimum: float) -> OrientedDetections:
        return self._recognizer.worth_refining(proposals, self.image, minimum, self._longest)

    def _with_finer(self, found: OrientedDetections) -> OrientedDetections:
        """Returns the faces plus those elsewhere that only a finer view shows; if there are none, keeps the image.

        The first view proposes faces of 13 pixels, but not at every position relative to the detector's grid of cells.
        """
        coarse = self.image, self._reduce
        self._decode_at_least(reduction(self._longest, self._recognizer.finer_side(self._longest)))
        with timed(self._stages, "detect"):
            proposals = self._recognizer.propose_finer(self.image, self._criteria.usual, self._longest)
        both = self._with_more(found.scaled(self.image.size[1] / coarse[0].size[1]), proposals, FINER_SCORE)
        if len(both) > len(found):
            return both
        self.image, self._reduce = coarse
        return found

    def _with_tilted(self, found: OrientedDetections, roll: float) -> OrientedDetections:
        """Returns the faces plus those elsewhere in a view that shows heads of this roll (degrees) upright."""
        with timed(self._stages, "detect"):
            proposals = self._recognizer.propose_tilted(self.image, self._criteria.usual, self._longest, roll)
        return self._with_more(found, proposals, self._criteria.usual)

    def _with_more(
        self, found: OrientedDetections, proposals: OrientedDetections, minimum: float
    ) -> OrientedDetections:
        """Returns the faces plus those among the proposals that are elsewhere and have at least this score."""
        width = self.image.size[1]
        more = self._refined(proposals.at(find_elsewhere(proposals.faces, found.faces)), turned=False)
        more = more.at(np.flatnonzero(more.faces.scores >= minimum))
        return self._recognizer.merged(found.scaled(self.image.size[1] / width), more)

    def _refined(self, proposals: OrientedDetections, *, turned: bool) -> OrientedDetections:
        """Returns the faces among the proposals, refined on an image that is fine enough for all of them."""
        minimum, width = self._criteria.usual, self.image.size[1]
        # Decode a finer image first if a proposal that already scores as a face is small, and again if only the crops
        # showed that a small proposal is a face.
        self._decode_finer(proposals.faces.at(np.flatnonzero(proposals.faces.scores >= minimum)))
        while True:
            proposals = proposals.scaled(self.image.size[1] / width)
            width = self.image.size[1]
            with timed(self._stages, "detect"):
                proposals = self._refine(proposals, minimum, turned=turned)
            if not self._decode_finer(proposals.faces):
                return proposals

    def _refine(self, proposals: OrientedDetections, minimum: float, *, turned: bool) -> OrientedDetections:
        return self._recognizer.refine(self.image, proposals, minimum, self._criteria.count, turned=turned)

    def _decode_finer(self, faces: Detections) -> bool:
        """Decodes a finer image if these faces need one; returns whether it did."""
        return self._decode_at_least(finer_reduction(smallest(faces), self._reduce))

    def _decode_at_least(self, reduce: Reduce) -> bool:
        """Decodes the image at this reduction unless it is already that fine; returns whether it did."""
        if reduce >= self._reduce:
            return False
        self._reduce = reduce
        if max(self.image.size) < self._longest:  # others than JPEG are always decoded whole
            self.image = self._decoded()
        return True

    def _decoded(self) -> Pyramid:
        with timed(self._stages, "decode"):
            return Pyramid(self._decode(self._reduce))


def reduction(longest: int, side: int) -> Reduce:
    """Returns the largest factor by which an image may be decoded smaller and still fill the detector's input.

    Args:
        longest: Longer side of the image, in pixels.
        side: Side of the detector's input, in pixels.
    """
    return next((reduce for reduce in REDUCTIONS if longest >= side * reduce), 1)


def finer_reduction(face: float, reduce: Reduce) -> Reduce:
    """Returns the coarsest reduction at which a face is large enough to be embedded.

    Args:
        face: Shorter side of the face, in pixels of the image decoded at `reduce`.
        reduce: The current reduction; the result is not coarser.
    """
    return next((finer for finer in REDUCTIONS if finer <= reduce and face * reduce >= MIN_FACE_PIXELS * finer), 1)


def smallest(detections: Detections) -> float:
    """Returns the shortest side of all boxes, in pixels; infinity if there are none."""
    return float(detections.boxes[:, 2:].min(initial=np.inf))


@contextmanager
def timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    """Measures a `with` block and adds its seconds to a phase."""
    start = time.perf_counter()
    try:
        yield
    finally:
        stages[stage] += time.perf_counter() - start

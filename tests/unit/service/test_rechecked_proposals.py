"""A view in which rounding could change a crop is computed again in float32, and only such a view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from face_comparison.models import bundle_store
from face_comparison.vision.bundle import parse_manifest
from face_comparison.vision.detections import Candidates, Detections
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.recognizer import Recognizer

MANIFEST = parse_manifest(bundle_store.known_manifests()[bundle_store.DEFAULT], "default")
IMAGE = Pyramid(np.zeros((480, 640, 3), np.uint8))


class Scores:
    """A session whose only output is the scores of two candidates for the same face."""

    def __init__(self, *scores: float) -> None:
        self._scores = np.array(scores, np.float32)
        self.runs = 0

    def run(self, images: np.ndarray) -> Sequence[np.ndarray]:
        self.runs += 1
        return [self._scores]


def decode(outputs: Sequence[np.ndarray], height: int, width: int, min_score: float) -> Candidates:
    """Returns two candidates that overlap, but lead to different crops."""
    boxes = np.array([[40, 40, 60, 60], [58, 40, 60, 60]], np.float32)
    landmarks = boxes[:, None, :2] + 60 * np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return Candidates(np.zeros(2, np.intp), Detections(boxes, outputs[0], landmarks.astype(np.float32)))


@pytest.mark.parametrize(("rounded", "rechecked"), [((0.9, 0.899), True), ((0.95, 0.6), False)])
def test_exact_view_decides_between_candidates_of_nearly_the_same_score(
    rounded: tuple[float, float], rechecked: bool
) -> None:
    low, exact = Scores(*rounded), Scores(0.899, 0.9)
    built = Recognizer(MANIFEST, low, low, low, exact_views=exact)
    built._decode = decode
    found = built.propose(IMAGE, 0.6, 640)
    assert (exact.runs > 0) is rechecked
    others = Recognizer(MANIFEST, exact if rechecked else low, low, low)
    others._decode = decode
    np.testing.assert_array_equal(found.faces.boxes, others.propose(IMAGE, 0.6, 640).faces.boxes)

"""What the views propose: the finer ones weaker places, but only the best of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from face_comparison.models import bundle_store
from face_comparison.vision.bundle import parse_manifest
from face_comparison.vision.detections import Candidates, Detections
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.recognizer import FINER_MIN_PROPOSAL, MAX_FINER_PROPOSALS, Recognizer

MANIFEST = parse_manifest(bundle_store.known_manifests()[bundle_store.DEFAULT], "default")
IMAGE = Pyramid(np.zeros((1080, 1920, 3), np.uint8))


class Unused:
    def run(self, images: np.ndarray) -> Sequence[np.ndarray]:
        return []


def recognizer(scores: Sequence[float]) -> Recognizer:
    """Returns a recognizer whose detector finds small faces with these scores in every view, side by side."""

    def decode(outputs: Sequence[np.ndarray], height: int, width: int, min_score: float) -> Candidates:
        index = np.arange(len(scores))
        corners = np.column_stack([index % 30, index // 30]) * 16.0
        boxes = np.column_stack([corners, np.full((len(index), 2), 12.0)]).astype(np.float32)
        landmarks = np.repeat(boxes[:, None, :2] + 6, 5, axis=1)
        found = Detections(boxes, np.array(scores, np.float32), landmarks)
        enough = np.flatnonzero(found.scores >= min_score)
        return Candidates(np.zeros(len(enough), np.intp), found.at(enough))

    built = Recognizer(MANIFEST, Unused(), Unused(), Unused())
    built._decode = decode
    return built


@pytest.mark.parametrize(
    ("score", "proposed"), [(FINER_MIN_PROPOSAL + 0.001, True), (FINER_MIN_PROPOSAL - 0.001, False)]
)
def test_finer_view_proposes_weaker_places(score: float, proposed: bool) -> None:
    assert (len(recognizer([score]).propose_finer(IMAGE, 0.6, 1920)) > 0) is proposed
    assert len(recognizer([score]).propose(IMAGE, 0.6, 1920)) == 0


def test_only_the_best_places_of_a_grainy_image_are_refined() -> None:
    scores = np.linspace(0.03, 0.3, 600).tolist()
    found = recognizer(scores).propose_finer(IMAGE, 0.6, 1920)
    assert len(found) == MAX_FINER_PROPOSALS
    assert found.faces.scores.min() > 0.2


def test_upright_view_that_is_known_is_not_detected_again() -> None:
    built = recognizer([0.2])
    upright = built.propose(IMAGE, 0.6, 1920)
    again = built.propose_turned(IMAGE, 0.6, 1920)
    assert built.propose_turned(IMAGE, 0.6, 1920, upright).rolls.tolist() == again.rolls.tolist()
    none = upright.at(np.zeros(0, np.intp))
    assert 0.0 in again.rolls
    assert 0.0 not in built.propose_turned(IMAGE, 0.6, 1920, none).rolls

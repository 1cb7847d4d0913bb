"""What neither the detector nor the embedder takes for a face is not returned, and takes nobody's place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from face_comparison.vision.analyzer import ImageAnalyzer, ModelInfo
from face_comparison.vision.detections import Detections, OrientedDetections
from face_comparison.vision.pyramid import Pyramid
from face_comparison.vision.recognizer import DOUBTLESS_SCORE, FACELESS_LENGTH, Embedded, confirmed
from face_comparison.vision.refinement import most_prominent_places
from face_comparison.vision.types import Face

IMAGE = cv2.imencode(".png", np.zeros((100, 400, 3), np.uint8))[1].tobytes()
MODEL = ModelInfo("tested-1", "tested", 1.1, 0.06, 0.6, "cpu", "none", ())


class Recognizer:
    """Finds detections in one view: size in pixels, score, and length of the embedding, from left to right."""

    def __init__(self, *detections: tuple[float, float, float]) -> None:
        self._sizes, self._scores, self._lengths = np.array(detections, np.float32).T
        self.embedded: list[int] = []
        self.searched: list[int] = []

    def view_side(self, longest: int) -> int:
        return longest

    def propose(self, pyramid: Pyramid, minimum: float, longest: int) -> OrientedDetections:
        left = 50 * np.arange(len(self._sizes), dtype=np.float32)
        boxes = np.column_stack([left, np.zeros_like(left), self._sizes, self._sizes])
        landmarks = np.zeros((len(left), 5, 2), np.float32) + left[:, None, None]
        return OrientedDetections.of(Detections(boxes, self._scores, landmarks))

    def worth_refining(self, proposals: OrientedDetections, *rest: object) -> OrientedDetections:
        return proposals

    def refine(
        self, pyramid: Pyramid, proposals: OrientedDetections, minimum: float, count: int, *, turned: bool
    ) -> OrientedDetections:
        """Leaves out the faces that refinement leaves out if the first crops already show each size and score."""
        self.searched.append(count)
        sure = proposals.faces.scores >= MODEL.sure_confidence
        areas = proposals.faces.boxes[:, 2].astype(np.float64) ** 2
        likely = most_prominent_places(areas, sure, np.zeros(0), count)
        return proposals.at(np.flatnonzero(likely))

    def turned_over(self, pyramid: Pyramid, found: OrientedDetections, minimum: float) -> OrientedDetections:
        return found

    def sure_rolls(self, found: OrientedDetections) -> NDArray[np.float64]:
        return np.zeros(1)

    def embed(self, pyramid: Pyramid, landmarks: NDArray[np.float32]) -> Embedded:
        index = (landmarks[:, 0, 0] / 50).astype(np.intp)
        self.embedded.extend(index.tolist())
        aligned = np.full((len(index), 112, 112, 3), 127, np.uint8)
        hashes = np.repeat(index[:, None], 768, axis=1).astype(np.float32)
        return Embedded(hashes, aligned, self._lengths[index])


def analyzed(recognizer: Recognizer, **options: float) -> tuple[Face, ...]:
    return ImageAnalyzer(MODEL, recognizer).analyze(IMAGE, **options).faces  # type: ignore[arg-type]


def found(recognizer: Recognizer, **options: float) -> list[float]:
    """Returns the left edges of the faces."""
    return sorted(face.box.left for face in analyzed(recognizer, **options))


@pytest.mark.parametrize(
    ("score", "length", "kept"),
    [
        (DOUBTLESS_SCORE - 0.01, FACELESS_LENGTH - 0.01, False),
        (DOUBTLESS_SCORE + 0.01, FACELESS_LENGTH - 0.01, True),
        (DOUBTLESS_SCORE - 0.01, FACELESS_LENGTH + 0.01, True),
        (0.3, np.inf, True),
    ],
)
def test_one_network_suffices_to_confirm_a_face(score: float, length: float, kept: bool) -> None:
    indices = confirmed(np.array([score, 0.9], np.float32), np.array([length, 2], np.float32))
    assert indices.tolist() == ([0, 1] if kept else [1])


def test_unconfirmed_detection_is_not_returned() -> None:
    recognizer = Recognizer((40, 0.9, 2.0), (45, 0.8, 0.5))
    assert found(recognizer) == [0]
    assert found(Recognizer((45, 0.8, 0.5))) == []


def test_next_face_takes_the_place_of_an_unconfirmed_detection() -> None:
    recognizer = Recognizer((20, 0.9, 2.0), (45, 0.8, 0.5), (30, 0.9, 2.0))
    assert found(recognizer, max_faces=1) == [100]
    assert found(recognizer, max_faces=2) == [0, 100]


def test_next_faces_keep_their_own_embeddings() -> None:
    recognizer = Recognizer((30, 0.8, 2.0), (45, 0.84, 0.5), (40, 0.9, 2.0), (35, 0.95, 2.0))
    faces = analyzed(recognizer, max_faces=3)
    assert [(face.box.left, face.hash[0]) for face in faces] == [(150, 3), (100, 2), (0, 0)]


def test_every_detection_is_embedded_at_most_once() -> None:
    recognizer = Recognizer((20, 0.9, 2.0), (30, 0.7, 2.0))
    assert found(recognizer) == [0, 50]
    assert recognizer.embedded == [0, 1]
    false = [(45, 0.7, 0.5)] * 5
    for max_faces in (1, 2, 3, 100):
        recognizer = Recognizer(*false, (20, 0.7, 2.0), (30, 0.7, 2.0))
        assert len(found(recognizer, max_faces=max_faces)) == min(max_faces, 2)
        assert len(recognizer.embedded) == len(set(recognizer.embedded)) == min(5 + max_faces, 7)


@pytest.mark.parametrize("min_confidence", [0.65, 0.75, 0.85])
@pytest.mark.parametrize("seed", range(20))
def test_fewer_faces_are_the_most_prominent_of_all(seed: int, min_confidence: float) -> None:
    random = np.random.default_rng(seed)
    sizes, scores = random.permutation(np.arange(20, 60))[:8], random.choice([0.7, 0.8, 0.9], 8)
    lengths = random.choice([0.3, 2.0], 8)
    detections = list(zip(sizes, scores, lengths, strict=True))
    faces = sorted(
        analyzed(Recognizer(*detections), min_confidence=min_confidence),
        key=lambda face: (face.confidence >= MODEL.sure_confidence, face.box.area),
        reverse=True,
    )
    for count in range(1, 9):
        fewer = found(Recognizer(*detections), max_faces=count, min_confidence=min_confidence)
        assert fewer == sorted(face.box.left for face in faces[:count])


@pytest.mark.parametrize(
    ("detections", "max_faces", "searches"),
    [
        (((45, 0.8, 0.5), (20, 0.9, 2.0)), 1, 2),
        (((45, 0.8, 0.5), (20, 0.9, 2.0)), 3, 1),  # nothing was left out
        (((45, 0.7, 0.5), (20, 0.7, 2.0)), 1, 1),
        (((45, 0.8, 2.0), (20, 0.9, 2.0)), 1, 1),  # nothing was dropped
        (((45, 0.9, 2.0), (44, 0.8, 0.5)), 1, 1),
    ],
)
def test_image_is_searched_again_only_if_a_face_may_be_missing(
    detections: tuple[tuple[float, float, float], ...], max_faces: int, searches: int
) -> None:
    recognizer = Recognizer(*detections)
    analyzed(recognizer, max_faces=max_faces)
    assert len(recognizer.searched) == searches


def test_only_faces_of_the_requested_confidence_are_embedded() -> None:
    recognizer = Recognizer((45, 0.8, 2.0), (20, 0.9, 2.0))
    assert found(recognizer, min_confidence=0.85) == [50]
    assert recognizer.embedded == [1]
    assert found(recognizer, min_confidence=0.95) == []
    assert recognizer.embedded == [1]

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

IMAGE = cv2.imencode(".png", np.zeros((100, 400, 3), np.uint8))[1].tobytes()
MODEL = ModelInfo("tested-1", "tested", 1.1, 0.06, 0.6, "cpu", "none", ())


class Recognizer:
    """Finds detections in one view: size in pixels, score, and length of the embedding, from left to right."""

    def __init__(self, *detections: tuple[float, float, float]) -> None:
        self._sizes, self._scores, self._lengths = np.array(detections, np.float32).T
        self.embedded: list[int] = []

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
        self, pyramid: Pyramid, proposals: OrientedDetections, *rest: object, turned: bool
    ) -> OrientedDetections:
        return proposals

    def sure_rolls(self, found: OrientedDetections) -> NDArray[np.float64]:
        return np.zeros(1)

    def embed(self, pyramid: Pyramid, landmarks: NDArray[np.float32]) -> Embedded:
        index = (landmarks[:, 0, 0] / 50).astype(np.intp)
        self.embedded.extend(index.tolist())
        aligned = np.full((len(index), 112, 112, 3), 127, np.uint8)
        hashes = np.repeat(index[:, None], 768, axis=1).astype(np.float32)
        return Embedded(hashes, aligned, self._lengths[index])


def found(recognizer: Recognizer, **options: int) -> list[float]:
    """Returns the left edges of the faces."""
    analyzer = ImageAnalyzer(MODEL, recognizer)  # type: ignore[arg-type]
    return sorted(face.box.left for face in analyzer.analyze(IMAGE, **options).faces)


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
    faces = ImageAnalyzer(MODEL, recognizer).analyze(IMAGE, max_faces=3).faces  # type: ignore[arg-type]
    assert [(face.box.left, face.hash[0]) for face in faces] == [(150, 3), (100, 2), (0, 0)]


def test_every_detection_is_embedded_at_most_once() -> None:
    recognizer = Recognizer((20, 0.9, 2.0), (30, 0.7, 2.0))
    assert found(recognizer) == [0, 50]
    assert recognizer.embedded == [0, 1]
    false = [(45, 0.8, 0.5)] * 5
    for max_faces in (1, 2, 3, 100):
        recognizer = Recognizer(*false, (20, 0.9, 2.0), (30, 0.7, 2.0))
        assert len(found(recognizer, max_faces=max_faces)) == min(max_faces, 2)
        assert sorted(recognizer.embedded) == list(range(min(5 + max_faces, 7)))

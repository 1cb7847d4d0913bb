"""A face that shows little of what tells people apart is reported as such, and compared with nobody for sure."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import pytest

from devtools.photos import samples
from face_comparison.vision.analyzer import ImageAnalyzer
from face_comparison.vision.matching import image_match
from face_comparison.vision.types import Face

NAMES = ("obama2.jpg", "biden.jpg", "astronaut.png")
Change = Callable[[np.ndarray], np.ndarray]


def faces(analyzer: ImageAnalyzer, portrait: np.ndarray) -> tuple[Face, ...]:
    return analyzer.analyze(cv2.imencode(".png", portrait)[1].tobytes(), max_faces=1).faces


def portraits(analyzer: ImageAnalyzer) -> dict[str, np.ndarray]:
    """Faces 200 pixels high in the middle of 480x480."""
    created = {}
    for name in NAMES:
        photo = np.asarray(cv2.imread(str(samples.photographs(name)[name])))
        (face,) = faces(analyzer, photo)
        scale = 200 / face.box.height
        x, y = (face.box.left + face.box.width / 2) * scale, (face.box.top + face.box.height / 2) * scale
        matrix = np.array([[scale, 0, 240 - x], [0, scale, 240 - y]])
        created[name] = np.asarray(cv2.warpAffine(photo, matrix, (480, 480), borderMode=cv2.BORDER_REFLECT))
    return created


def mosaic(blocks: int) -> Change:
    def change(portrait: np.ndarray) -> np.ndarray:
        small = cv2.resize(portrait, (blocks, blocks), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, portrait.shape[1::-1], interpolation=cv2.INTER_NEAREST))

    return change


def drawn(portrait: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(255 - cv2.Canny(portrait, 60, 140), cv2.COLOR_GRAY2BGR))


INDISTINCT: Mapping[str, Change] = {"mosaic": mosaic(30), "coarse mosaic": mosaic(24), "lines": drawn}
DISTINCT: Mapping[str, Change] = {
    "as taken": lambda portrait: portrait,
    "mirrored": lambda portrait: portrait[:, ::-1],
    "gray": lambda portrait: cv2.cvtColor(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "a third of the light": lambda portrait: portrait // 3,
    "slightly blurred": lambda portrait: cv2.GaussianBlur(portrait, (0, 0), 2),
    "small": lambda portrait: cv2.resize(portrait, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA),
}


def test_face_without_distinct_features_is_not_reliable(analyzer: ImageAnalyzer) -> None:
    calibration = analyzer.model.calibration()
    shown = portraits(analyzer)
    found = 0
    for change in INDISTINCT.values():
        for portrait in shown.values():
            analysis = analyzer.analyze(cv2.imencode(".png", change(portrait))[1].tobytes(), max_faces=1)
            for face in analysis.faces:
                found += 1
                assert "INDISTINCT_FEATURES" in face.quality.reasons
                for name in NAMES:
                    (other,) = faces(analyzer, shown[name])
                    assert image_match(other.hash, analysis, calibration).faces[0].verdict == "review"
    assert found >= 4


@pytest.mark.parametrize("kind", DISTINCT)
def test_face_with_distinct_features_is_reliable(analyzer: ImageAnalyzer, kind: str) -> None:
    for portrait in portraits(analyzer).values():
        (face,) = faces(analyzer, np.ascontiguousarray(DISTINCT[kind](portrait)))
        assert face.quality.reasons == ()

"""Nothing is taken for a face where there is none."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from devtools import phantoms
from devtools.photos import samples
from face_comparison.vision.analyzer import ImageAnalyzer


def textures() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(4)
    rows, columns = np.mgrid[0:480, 0:640]
    for sigma in (1, 4, 12, 30):
        noise = cv2.GaussianBlur(rng.normal(0, 1, (480, 640, 3)), (0, 0), sigma)
        yield np.clip(127 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
    for period in (9, 40):
        waves = 127 + 60 * (np.sin(rows / period) + np.sin(columns / period * 1.3))
        yield np.repeat(np.clip(waves, 0, 255)[:, :, None], 3, axis=2).astype(np.uint8)


def background(name: str) -> np.ndarray:
    """Clothes and hands: the lowest quarter of a portrait."""
    photo = np.asarray(cv2.imread(str(samples.photographs(name)[name]), cv2.IMREAD_COLOR), np.uint8)
    return photo[photo.shape[0] * 3 // 4 :]


def faces(analyzer: ImageAnalyzer, image: np.ndarray) -> int:
    return len(analyzer.analyze(cv2.imencode(".png", image)[1].tobytes()).faces)


def test_textures_have_no_face(analyzer: ImageAnalyzer) -> None:
    assert [faces(analyzer, texture) for texture in textures()] == [0] * 6


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "biden.jpg"])
def test_clothes_and_hands_have_no_face(analyzer: ImageAnalyzer, name: str) -> None:
    assert faces(analyzer, background(name)) == 0


def test_generated_images_have_no_face(analyzer: ImageAnalyzer) -> None:
    """One of each kind; `make pipeline-accuracy` tries 204."""
    found = {kind: phantoms.count_faces(analyzer, image) for kind, image in phantoms.textures(per_kind=1)}
    assert found == dict.fromkeys(phantoms.KINDS, 0)


def test_pattern_that_resembles_a_face_is_not_taken_for_one(analyzer: ImageAnalyzer) -> None:
    """The detector gives it 0.82, as sure as of a blurred face; its embedding is shorter than any face's."""
    draw = phantoms.KINDS["pairs of disks on skin colors"]
    pattern = np.clip(draw(np.random.default_rng([7, 1]), 800, 600), 0, 255).astype(np.uint8)[:, :, ::-1]
    assert phantoms.count_faces(analyzer, pattern) == 0

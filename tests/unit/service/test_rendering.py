"""A marked image: every face is framed and labeled, the rest is left alone, and nothing falls off the edge."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from face_comparison import rendering
from face_comparison.vision.types import Box, Face, Quality


def face(left: float, top: float, side: float) -> Face:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    vector = np.zeros(768, np.float32)
    landmarks = (points * side + [left, top]).astype(np.float32)
    return Face(Box(left, top, side, side), 0.93, landmarks, Quality(50, 50, side), vector)


def image(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def test_marks_are_drawn_on_copy() -> None:
    original = image(1000, 800)
    marked = rendering.draw_faces(original, [face(400, 300, 200)])
    assert (original == 90).all()
    assert marked.shape == original.shape
    changed = (marked != 90).any(axis=2)
    assert changed[300:310, 400:440].any()  # a corner of the frame
    assert changed[380, 460]  # an eye
    assert changed[250:295, 400:480].any()  # the label, above
    assert tuple(marked[380, 460]) == rendering.COLORS[0]
    changed[220:520, 380:620] = False
    assert not changed.any()


def test_faces_have_different_colors() -> None:
    marked = rendering.draw_faces(image(1000, 800), [face(100, 300, 200), face(600, 300, 200)])
    assert tuple(marked[380, 160]) == rendering.COLORS[0]
    assert tuple(marked[380, 660]) == rendering.COLORS[1]


def test_image_without_faces_is_unchanged() -> None:
    assert (rendering.draw_faces(image(1000, 800), []) == image(1000, 800)).all()


def test_small_image_is_enlarged() -> None:
    marked = rendering.draw_faces(image(112, 100), [face(20, 20, 60)])
    assert marked.shape == (600, 672, 3)
    assert tuple(marked[6 * (20 + 24), 6 * (20 + 18)]) == rendering.COLORS[0]


@pytest.mark.parametrize(
    "where", [(-50, -50, 200), (950, 750, 200), (0, 0, 2000), (990, 0, 8), (500, 0, 4), (-300, -300, 100), (0, 795, 40)]
)
@pytest.mark.parametrize("size", [(1000, 800), (40, 20), (1, 1), (3000, 30)])
def test_faces_beyond_edges_are_drawn(where: tuple[float, float, float], size: tuple[int, int]) -> None:
    marked = rendering.draw_faces(image(*size), [face(*where)] * 3)
    assert marked.dtype == np.uint8


def test_png_keeps_colors() -> None:
    marked = rendering.draw_faces(image(700, 700), [face(200, 200, 300)])
    encoded = cv2.imdecode(np.frombuffer(rendering.png(marked), np.uint8), 1)
    assert encoded is not None
    decoded = cv2.cvtColor(encoded, cv2.COLOR_BGR2RGB)
    assert (decoded == marked).all()

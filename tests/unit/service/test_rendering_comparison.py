"""A drawn comparison: verdict and faces can be seen at any size, and nothing falls off the edge."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from face_comparison import rendering
from face_comparison.rendering import Compared, style
from face_comparison.vision.matching import Calibration, FaceMatch, TargetMatch
from face_comparison.vision.types import Box, Face, Quality

CALIBRATION = Calibration(1.128, 1.128, 0.06, 1.07, 1.19)
GRAY = 90


def face(left: float, top: float, side: float) -> Face:
    return Face(
        Box(left, top, side, side), 0.9, np.zeros((5, 2), np.float32), Quality(1, 1, side), np.zeros(768, np.float32)
    )


def image(width: int = 800, height: int = 640) -> np.ndarray:
    return np.full((height, width, 3), GRAY, np.uint8)


def match(distance: float, *, same: bool, where: Face | None = None) -> FaceMatch:
    return FaceMatch(where or face(300, 200, 100), distance, 0.75, same, "same" if same else "different")


def drawn(*targets: Compared, source: np.ndarray | None = None, of: Face | None = None) -> np.ndarray:
    return rendering.draw_comparison(
        "a.jpg", image() if source is None else source, of or face(300, 200, 100), targets, CALIBRATION
    )


def colored(canvas: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (canvas == color).all(axis=2)


@pytest.mark.parametrize("same", [True, False])
def test_color_shows_verdict(same: bool) -> None:
    target = Compared("b.jpg", image(), TargetMatch((match(0.6 if same else 1.3, same=same),), 800, 640))
    images = drawn(target)[:650]  # without the scale below, which has both
    told, not_told = (style.SAME, style.DIFFERENT) if same else (style.DIFFERENT, style.SAME)
    assert colored(images, told).sum() > 2000
    assert not colored(images, not_told).any()


def test_line_style_shows_verdict() -> None:
    def along(same: bool) -> np.ndarray:
        target = Compared("b.jpg", image(), TargetMatch((match(1, same=same),), 800, 640))
        canvas = drawn(target)
        row = canvas[16 + 250]
        between = row[16 + 400 + 6 : 16 + 800 + 16 + 300 - 6]
        color = style.SAME if same else style.DIFFERENT
        return (between == color).all(axis=1)

    whole, broken = along(True), along(False)
    assert whole.mean() > 0.9
    assert 0.3 < broken.mean() < 0.8


def test_every_target_face_is_framed_and_labeled() -> None:
    others = [match(1.4, same=False, where=face(600, 400, 90)), match(1.0, same=True, where=face(50, 450, 90))]
    target = Compared("b.jpg", image(), TargetMatch((match(0.6, same=True), *others), 800, 640))
    canvas = drawn(target)
    left = 16 + 800 + 16
    assert colored(canvas[16 + 400 : 16 + 490, left + 595 : left + 605], style.OTHER).any()
    assert colored(canvas[16 + 450 : 16 + 540, left + 45 : left + 55], style.SAME).any()
    assert colored(canvas[16 + 370 : 16 + 395, left + 600 : left + 640], style.OTHER).any()  # the label


def test_pointer_marks_distance() -> None:
    """The scale goes from 0 to 2: a distance twice as large is twice as far from its left end."""

    def pointer(distance: float) -> float:
        canvas = drawn(Compared("b.jpg", image(), TargetMatch((match(distance, same=True),), 800, 640)))
        scale = canvas[canvas.shape[0] - 63 : canvas.shape[0] - 56, 240:]
        return float(np.flatnonzero(colored(scale, style.INK).any(axis=0))[0])  # left of the threshold's mark

    none, half, whole = pointer(0.2), pointer(0.6), pointer(1.0)
    assert half - none == pytest.approx(whole - half, abs=8)
    assert half - none > 100


def test_failed_target_shows_reason() -> None:
    lost = drawn(Compared("b.jpg", None, "corrupt_image: it is cut off"))
    unseen = drawn(Compared("b.jpg", image(), "no_face: no face was found in the image"))
    for canvas in (lost, unseen):
        assert not colored(canvas, style.SAME).any()
        assert not colored(canvas, style.DIFFERENT).any()
        assert colored(canvas, style.INK).any()


def test_rows_are_stacked_and_shrink() -> None:
    target = Compared("b.jpg", image(80, 60), TargetMatch((match(0.6, same=True, where=face(10, 10, 20)),), 80, 60))
    few, many = drawn(target, target), drawn(*[target] * 100)
    assert few.shape[0] == 2 * drawn(target).shape[0]
    assert many.shape[0] < 45_000
    assert many.shape[0] % 100 == 0


SHAPES = [(4096, 30), (30, 4096), (1, 1), (112, 112), (4000, 3000)]


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("box", [(-20, -20, 60), (0, 0, 4096), (0.2, 0.1, 0.5), (3900, 2900, 300)])
def test_draws_any_image_and_face(size: tuple[int, int], box: tuple[float, float, float]) -> None:
    of = face(*box)
    found = TargetMatch((match(0.9, same=True, where=of), match(1.3, same=False, where=of)), *size)
    canvas = drawn(Compared("n" * 300, image(*size), found), source=image(*size), of=of)
    assert canvas.dtype == np.uint8
    assert canvas.shape[1] < 2200


@pytest.mark.parametrize("name", ["中文.jpg", "\udcff\x1b\n.jpg", "", "😀" * 40])
def test_unusual_names_are_drawn(name: str) -> None:
    canvas = drawn(Compared(name, image(), TargetMatch((match(0.6, same=True),), 800, 640)))
    decoded = cv2.imdecode(np.frombuffer(rendering.png(canvas), np.uint8), 1)
    assert decoded is not None and decoded.shape == canvas.shape


def test_verdict_colors_are_distinguishable() -> None:
    """In blue against yellow, which nearly all color-blind people see: one is mostly blue, the other has none."""
    assert style.SAME[2] - style.SAME[0] > 100
    assert style.DIFFERENT[0] - style.DIFFERENT[2] > 100

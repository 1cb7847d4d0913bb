import cv2
import numpy as np
import pytest

from face_comparison.vision import quality
from face_comparison.vision.alignment import template
from face_comparison.vision.types import Box

LANDMARKS = template("arcface", 112) + 100
BOX = Box(100, 90, 110, 130)
SIZE = (480, 640)


def noise(low: int = 60, high: int = 200) -> np.ndarray:
    return np.random.default_rng(3).integers(low, high, (112, 112, 3)).astype(np.uint8)


def reasons(
    face: np.ndarray | None = None,
    box: Box = BOX,
    landmarks: np.ndarray = LANDMARKS,
    spread: float = 0.0,
    *,
    distinct: bool = True,
) -> tuple[str, ...]:
    shown = noise() if face is None else face
    return quality.assess(shown, box, landmarks, spread, SIZE, distinct=distinct).reasons


def test_sharpness_and_brightness_are_monotonic() -> None:
    face = noise()
    sharp, light = quality.sharpness_and_brightness(face)
    blurred, _ = quality.sharpness_and_brightness(np.asarray(cv2.GaussianBlur(face, (9, 9), 3), np.uint8))
    assert 100 > sharp > blurred >= 0
    _, dark = quality.sharpness_and_brightness(face // 2)
    assert light > dark
    assert quality.sharpness_and_brightness(np.full((8, 8, 3), 255, np.uint8)) == (0, 100)


def test_frontal_face_is_reliable() -> None:
    assessed = quality.assess(noise(), BOX, LANDMARKS, 0.0, SIZE)
    assert assessed.reliable
    assert assessed.roll == pytest.approx(0, abs=0.01)
    assert assessed.yaw == pytest.approx(0, abs=5)
    assert assessed.face_size == 110


def test_unreliable_face_has_reasons() -> None:
    profile = LANDMARKS.copy()
    profile[2, 0] += 60
    assert reasons(landmarks=profile) == ("EXTREME_POSE",)
    assert reasons(landmarks=LANDMARKS - 140) == ("CUT_OFF",)
    assert reasons(landmarks=LANDMARKS + np.array([500, 0])) == ("CUT_OFF",)
    assert reasons(spread=0.2) == ("UNSTABLE_LANDMARKS",)
    assert reasons(distinct=False) == ("INDISTINCT_FEATURES",)
    assert reasons(cv2.GaussianBlur(noise(), (31, 31), 12)) == ("LOW_SHARPNESS",)
    assert reasons(noise(0, 12)) == ("LOW_BRIGHTNESS",)
    assert reasons(box=Box(0, 0, 12, 15)) == ("SMALL_FACE",)

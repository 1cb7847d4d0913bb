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


@pytest.mark.parametrize("degrees", [0, 45, 90, 135])
def test_motion_takes_detail_along_one_direction(degrees: float) -> None:
    kernel = np.zeros((25, 25), np.float32)
    reach = 12 * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    cv2.line(kernel, np.round(12 - reach).astype(int).tolist(), np.round(12 + reach).astype(int).tolist(), (1.0,))
    moved = np.asarray(cv2.filter2D(noise(), -1, kernel / kernel.sum()), np.uint8)
    assert quality.evenness(moved) < quality.MIN_EVENNESS
    assert quality.sharpness_and_brightness(moved)[0] > quality.MIN_SHARPNESS
    assert reasons(moved) == ("LOW_SHARPNESS",)
    for still in (noise(), np.asarray(cv2.GaussianBlur(noise(), (9, 9), 1.5), np.uint8), noise() // 8):
        assert quality.evenness(still) > 0.5
    assert quality.evenness(np.full((112, 112, 3), 9, np.uint8)) == 0


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

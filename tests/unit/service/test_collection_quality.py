"""The quality gate of enrollment."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from face_comparison.api.limits import HASH_SIZE
from face_comparison.collections.quality import (
    LIMITS,
    QualityFilter,
    asymmetry,
    check_quality_filter,
    quality_reasons,
)
from face_comparison.errors import InvalidParameter
from face_comparison.vision.types import Box, Face, Quality

FRONTAL = np.array([(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)], np.float32)


def good(**quality: float) -> Face:
    measured: dict[str, Any] = {"sharpness": 60.0, "brightness": 50.0, "face_size": 120.0, **quality}
    return Face(Box(0, 0, 100, 100), 0.9, FRONTAL, Quality(**measured), np.zeros(HASH_SIZE, np.float32))


def test_good_face_passes_every_filter() -> None:
    for level in get_args(QualityFilter):
        assert quality_reasons(good(), level) == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (good(face_size=20), "SMALL_BOUNDING_BOX"),
        (good(sharpness=5), "LOW_SHARPNESS"),
        (good(brightness=3), "LOW_BRIGHTNESS"),
        (good(brightness=98), "LOW_FACE_QUALITY"),
        (replace(good(), confidence=0.4), "LOW_CONFIDENCE"),
        (
            replace(good(), landmarks=FRONTAL + np.array([[0, 0], [0, 0], [19, 0], [0, 0], [0, 0]], np.float32)),
            "EXTREME_POSE",
        ),
    ],
)
def test_rejected_face_has_reason(bad: Face, reason: Any) -> None:
    for level in ("LOW", "AUTO", "MEDIUM", "HIGH"):
        assert quality_reasons(bad, level) == [reason]
    assert quality_reasons(bad, "NONE") == []


def test_unreliable_face_is_rejected() -> None:
    reasons: tuple[tuple[Any, str], ...] = (
        ("UNSTABLE_LANDMARKS", "LOW_FACE_QUALITY"),
        ("SMALL_FACE", "SMALL_BOUNDING_BOX"),
    )
    for reason, expected in reasons:
        face = replace(good(), quality=replace(good().quality, reasons=(reason,)))
        assert quality_reasons(face, "LOW") == [expected]
        assert quality_reasons(face, "NONE") == []


def test_filters_become_stricter_in_their_order() -> None:
    levels = [LIMITS[level] for level in ("LOW", "AUTO", "MEDIUM", "HIGH")]
    for name in ("face_size", "sharpness", "brightness", "confidence"):
        values = [getattr(level, name) for level in levels]
        assert values == sorted(set(values))
    assert [level.yaw for level in levels] == sorted({level.yaw for level in levels}, reverse=True)


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, 271])
def test_roll_is_not_extreme_pose(degrees: float) -> None:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    assert asymmetry((FRONTAL @ turn.T).astype(np.float32)) == pytest.approx(0, abs=1e-5)


def test_yaw_is_limited_on_both_sides() -> None:
    for shift in (-20, 20):
        turned = FRONTAL.copy()
        turned[2, 0] += shift
        assert asymmetry(turned) == 1
    assert asymmetry(np.zeros((5, 2), np.float32)) == 1


def test_unknown_filter_is_rejected() -> None:
    assert check_quality_filter("HIGH") == "HIGH"
    for value in ("high", "", None, 1):
        with pytest.raises(InvalidParameter, match="NONE, AUTO, LOW, MEDIUM, HIGH"):
            check_quality_filter(value)

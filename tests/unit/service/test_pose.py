"""Roll and yaw of heads whose angles are known: five points in space, projected."""

import numpy as np
import pytest

from face_comparison.vision.pose import roll_and_yaw

# Millimeters, y down and z away from the camera; the means of published anthropometric tables, rounded.
HEAD = np.array([[-31.5, -35, 0], [31.5, -35, 0], [0, 0, -28], [-25, 35, -4], [25, 35, -4]], float)


def project(yaw: float, roll: float, pitch: float = 0.0, distance: float = 800.0) -> np.ndarray:
    y, r, p = np.radians([yaw, roll, pitch])
    turn_yaw = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    turn_pitch = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn_roll = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    points = HEAD @ turn_yaw.T @ turn_pitch.T @ turn_roll.T
    return (points[:, :2] / (points[:, 2:] + distance) * 1000 + 300).astype(np.float32)


@pytest.mark.parametrize("roll", [-150, -60, 0, 20, 90])
@pytest.mark.parametrize("yaw", [-60, -30, -10, 0, 15, 45])
def test_yaw_and_roll_are_within_ten_degrees(yaw: float, roll: float) -> None:
    measured_roll, measured_yaw = roll_and_yaw(project(yaw, roll))
    assert measured_yaw == pytest.approx(yaw, abs=10)
    assert (measured_roll - roll + 180) % 360 - 180 == pytest.approx(0, abs=10)


@pytest.mark.parametrize("pitch", [-20, 20])
def test_pitch_does_not_affect_yaw(pitch: float) -> None:
    _, yaw = roll_and_yaw(project(0, 0, pitch))
    assert yaw == pytest.approx(0, abs=5)


def test_profile_yaw_exceeds_70_degrees() -> None:
    assert roll_and_yaw(project(85, 0))[1] > 70
    assert roll_and_yaw(project(-85, 0))[1] < -70


def test_equal_points_have_finite_pose() -> None:
    assert np.isfinite(roll_and_yaw(np.full((5, 2), 7, np.float32))).all()

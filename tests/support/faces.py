"""Faces in responses, for tests that check only some of their fields."""

from __future__ import annotations

from face_comparison.api.responses import Quality


def quality(sharpness: float, brightness: float, face_size: float) -> Quality:
    """Returns the quality of an upright face whose hash is reliable."""
    return Quality(sharpness, brightness, face_size, roll=0.0, yaw=0.0, reliable=True, reasons=())

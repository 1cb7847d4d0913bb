"""What is written in Amazon Rekognition's own way."""

from __future__ import annotations

import numpy as np

from face_comparison.rekognition import shapes
from face_comparison.vision.types import Box, Face, ImageAnalysis, Quality


def test_left_and_right_are_those_of_viewer() -> None:
    """The AWS CLI's examples have `eyeLeft` on the left of the image; here landmarks are named for the person."""
    points = {
        "eyeRight": (30, 40),
        "eyeLeft": (70, 40),
        "nose": (50, 60),
        "mouthRight": (35, 80),
        "mouthLeft": (65, 80),
    }
    face = Face(
        box=Box(20, 20, 60, 70),
        confidence=0.9,
        landmarks=np.array(list(points.values()), np.float32),
        quality=Quality(sharpness=50.0, brightness=40.0, face_size=60.0),
        hash=np.eye(1, 768, dtype=np.float32)[0],
    )
    detail = shapes.face_detail(face, ImageAnalysis((face,), 100, 100, {}))
    x = {landmark["Type"]: round(landmark["X"], 3) for landmark in detail["Landmarks"]}
    assert x == {"eyeLeft": 0.3, "eyeRight": 0.7, "nose": 0.5, "mouthLeft": 0.35, "mouthRight": 0.65}

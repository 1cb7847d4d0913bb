"""The client's detection has every field of the response."""

from __future__ import annotations

import numpy as np

from face_comparison.api.responses import BoundingBox, DetectResponse, Face, Quality
from face_comparison.client.detection import Detection

QUALITY = Quality(50, 50, 100, 0, 0, reliable=True, reasons=())
FACE = Face(BoundingBox(0, 0, 1, 1), 0.9, np.zeros(768, np.float32), (), QUALITY)


class ExtendedResponse(DetectResponse, frozen=True, eq=False, kw_only=True):
    image_width: int


class ExtendedDetection(Detection, frozen=True, eq=False, kw_only=True):
    image_width: int


def test_detection_keeps_fields_that_are_added_to_the_response() -> None:
    response = ExtendedResponse((FACE,), "m-1", image_width=640)
    detection = ExtendedDetection.from_response(response)
    assert detection.image_width == 640
    assert detection.face_model_version == "m-1"
    assert [face.face_model_version for face in detection.faces] == ["m-1"]
    assert detection.faces[0].quality is QUALITY

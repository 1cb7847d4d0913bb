"""Encodes cropped faces as data URIs, so that a report is a single file without external resources."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pybase64

from face_comparison.album import pixels
from face_comparison.api.responses import BoundingBox
from face_comparison.errors import FaceComparisonError

SIDE = 128
_QUALITY = 80


def face_thumbnail(path: Path, box: BoundingBox) -> str:
    """Returns a face as the data URI of a JPEG image; empty if the file was changed or deleted."""
    try:
        data = path.read_bytes()
        header = pixels.header(data)
        (crop,) = pixels.crops(data, header, [box])
    except (OSError, FaceComparisonError):
        return ""
    face = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
    if face is None:
        return ""
    small = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + pybase64.b64encode(encoded.tobytes()).decode()

"""A server that answers exactly what a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

HASH = np.eye(1, 768, 3, dtype=np.float32)[0]
BOX = {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4}
NOTHING = {"Faces": [], "FaceModelVersion": "m-1"}
FACE = {
    "BoundingBox": BOX,
    "Confidence": 0.9,
    "face_hash": HASH.tobytes(),
    "Landmarks": [{"Type": "nose", "X": 0.25, "Y": 0.5}],
    "Quality": {
        "Sharpness": 50.0,
        "Brightness": 60.0,
        "FaceSize": 70.0,
        "Roll": -3.0,
        "Yaw": 12.0,
        "Reliable": False,
        "Reasons": ["LOW_SHARPNESS"],
    },
}


@dataclass(frozen=True)
class Answer:
    """status 0: break the connection. seconds: to wait before."""

    status: int = 200
    body: Any = field(default_factory=lambda: NOTHING)
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, **headers: str) -> Answer:
    error = {"code": code, "message": "as it is", "request_id": "r1"}
    return Answer(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Script:
    """A server that gives its answers in turn, and the last one again and again."""

    url: str
    answers: list[Answer]
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


ABOUT = {
    "FaceModelVersion": "m-1",
    "name": "face_comparison",
    "version": "0.1.0",
    "endpoints": {"detect": "d", "compare": "c", "openapi": "o", "explorer": "e"},
    "auth": "none",
    "formats": ["jpg"],
    "defaults": {"threshold": 1.25, "min_confidence": 0.5, "sure_confidence": 0.8, "max_faces": 100}
    | {"same_below": 1.1, "different_above": 1.3},
    "limits": {
        **dict.fromkeys(("max_fetch_bytes", "max_side_pixels", "max_faces", "max_targets", "face_hash_numbers"), 1),
        **dict.fromkeys(("request_seconds", "fetch_seconds", "queue"), 1),
        "max_body_bytes": 4096,
    },
}

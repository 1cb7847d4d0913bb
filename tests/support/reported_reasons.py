"""The reasons of the events about resources."""

from __future__ import annotations

from devtools.k8s.api import Faces
from face_comparison_operator.api_resources import EVENT


def reported_reasons(faces: Faces) -> list[str]:
    """Returns the reasons of the events about resources here, in order."""
    found = [
        each for each in faces.api.all(EVENT, faces.namespace) if each["involvedObject"]["kind"] == "FaceComparison"
    ]
    return [each["reason"] for each in sorted(found, key=lambda each: int(each["metadata"]["resourceVersion"]))]

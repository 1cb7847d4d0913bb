"""What `Client.detect` returns: the response, whose faces know the model that computed their hashes."""

from __future__ import annotations

from typing import Self

import msgspec

from ..api.responses import DetectResponse, Face


class DetectedFace(Face, frozen=True, eq=False):
    """A face in an image, which can be sent as a source or target in place of its image.

    Attributes:
        face_model_version: The model that computed `face_hash`; it is sent together with the hash.
    """

    face_model_version: str


class Detection(DetectResponse, frozen=True, eq=False):
    """The faces in an image, sorted by descending confidence; empty if there are none."""

    faces: tuple[DetectedFace, ...]

    @classmethod
    def from_response(cls, response: DetectResponse) -> Self:
        """Returns the response with its model version in every face."""
        version = response.face_model_version
        faces = tuple(
            DetectedFace(**msgspec.structs.asdict(face), face_model_version=version) for face in response.faces
        )
        return cls(**{**msgspec.structs.asdict(response), "faces": faces})

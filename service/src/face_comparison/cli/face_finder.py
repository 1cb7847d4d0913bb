"""Finds the faces that `detect` and `compare` print, with the models on this machine or through a service.

`local_faces` and `remote_faces` both return the service's responses, so commands work the same with either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from face_comparison.api.responses import CompareResponse, DetectResponse, TargetMatch
    from face_comparison.cli.inputs import InputImage, Problem


@dataclass(frozen=True, slots=True)
class Compared:
    """The source's part of a comparison.

    Attributes:
        response: The service's response, without targets.
        faces: Number of faces in the source's image, if known.
    """

    response: CompareResponse
    faces: int | None = None


class FaceFinder(Protocol):
    """Finds and compares faces."""

    def detect(self, images: Sequence[InputImage | Problem]) -> Iterator[tuple[str, DetectResponse | Problem]]:
        """Yields the name and the faces of each image, or its problem, in order.

        Raises:
            ServiceUnusable: The service does not respond, or rejects the caller.
        """
        ...

    def compare(
        self, source: InputImage, targets: Sequence[InputImage | Problem], threshold: float | None
    ) -> tuple[Compared | Problem, Iterator[TargetMatch | Problem]]:
        """Returns the source's part or its problem, and the result of each target in order.

        Raises:
            ServiceUnusable: The service does not respond, or rejects the caller. The iterator may raise it, too.
        """
        ...

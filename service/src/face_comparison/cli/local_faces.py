"""Finds the faces that `detect` and `compare` print with the models on this machine."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from face_comparison.cli import analyzers
from face_comparison.cli.face_finder import Compared
from face_comparison.cli.inputs import InputImage, Problem
from face_comparison.errors import FaceComparisonError

if TYPE_CHECKING:
    from face_comparison.api.responses import DetectResponse, TargetMatch
    from face_comparison.vision import matching
    from face_comparison.vision.matching import Calibration
    from face_comparison.vision.types import Face, ImageAnalysis


class LocalFaces:
    """Finds faces with the models on this machine.

    Args:
        option_values: The options that select the models.
        max_faces: Maximum number of faces per image, for `detect`.
        min_confidence: Minimum detection confidence, for `detect`.
    """

    def __init__(
        self, option_values: dict[str, str | None], max_faces: int | None = None, min_confidence: float | None = None
    ) -> None:
        self._analyzer, self._threads = analyzers.load_analyzer(option_values)
        self.model = self._analyzer.model
        self._limits: dict[str, Any] = {} if max_faces is None else {"max_faces": max_faces}
        if min_confidence is not None:
            self._limits["min_confidence"] = min_confidence

    def detect(self, images: Sequence[InputImage | Problem]) -> Iterator[tuple[str, DetectResponse | Problem]]:
        """See FaceFinder."""
        return ((image.name, self.response(analysis)) for image, analysis in self.analyses(images))

    def response(self, analysis: ImageAnalysis | Problem) -> DetectResponse | Problem:
        """Returns the service's response for an image."""
        from face_comparison.wire.responses import to_detect_response  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)

        return analysis if isinstance(analysis, Problem) else to_detect_response(analysis, self.model.version)

    def compare(
        self, source: InputImage, targets: Sequence[InputImage | Problem], threshold: float | None
    ) -> tuple[Compared | Problem, Iterator[TargetMatch | Problem]]:
        """See FaceFinder."""
        first, found = self.matches(source, targets, threshold)
        if isinstance(first, Problem):
            return first, iter(())
        return self.compared(first, threshold), map(self.target, found)

    def matches(
        self, source: InputImage, targets: Sequence[InputImage | Problem], threshold: float | None
    ) -> tuple[tuple[Face, ImageAnalysis] | Problem, Iterator[matching.TargetMatch | Problem]]:
        """Returns the source's face and image and the matches of each target, or their problems."""
        from face_comparison.vision.matching import most_prominent_face  # noqa: PLC0415

        found = self.analyses([source, *targets])
        _, first = next(found)
        try:
            if isinstance(first, Problem):
                found.close()
                return first, iter(())
            face = most_prominent_face(first.faces, self.model.sure_confidence)
        except FaceComparisonError as error:
            found.close()
            return Problem.of(source.name, error), iter(())
        return (face, first), self._match_faces(face, found, self.model.calibration(threshold))

    def _match_faces(
        self,
        face: Face,
        found: Iterator[tuple[InputImage | Problem, ImageAnalysis | Problem]],
        calibration: Calibration,
    ) -> Iterator[matching.TargetMatch | Problem]:
        from face_comparison.vision.matching import image_match  # noqa: PLC0415

        for image, analysis in found:
            if isinstance(analysis, Problem):
                yield analysis
                continue
            try:
                yield image_match(face.hash, analysis, calibration, reliable=face.quality.reliable)
            except FaceComparisonError as error:
                yield Problem.of(image.name, error)

    def compared(self, first: tuple[Face, ImageAnalysis], threshold: float | None) -> Compared:
        """Returns the source's part of a comparison."""
        from face_comparison.wire.responses import to_compare_response  # noqa: PLC0415

        judged_at = self.model.calibration(threshold).threshold
        return Compared(to_compare_response(first, [], judged_at, self.model.version), len(first[1].faces))

    def target(self, match: matching.TargetMatch | Problem) -> TargetMatch | Problem:
        """Returns a target's part of a comparison."""
        from face_comparison.wire.responses import to_compare_response  # noqa: PLC0415

        if isinstance(match, Problem):
            return match
        (result,) = to_compare_response(None, [match], 0, "").targets
        return cast("TargetMatch", result)

    def analyses(
        self, images: Sequence[InputImage | Problem]
    ) -> Generator[tuple[InputImage | Problem, ImageAnalysis | Problem], None, None]:
        """Yields the faces of each image, or its problem, in order."""
        with ThreadPoolExecutor(self._threads) as pool:
            yield from zip(images, pool.map(self._analysis, images), strict=True)

    def _analysis(self, image: InputImage | Problem) -> ImageAnalysis | Problem:
        if isinstance(image, Problem):
            return image
        try:
            return self._analyzer.analyze(image.read(), **self._limits)
        except FaceComparisonError as error:
            return Problem.of(image.name, error)

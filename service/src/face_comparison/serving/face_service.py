"""Carries out requests: fetches, decodes, analyzes, and compares images.

Uses admission control, the analyzer, and the fetcher; independent of HTTP. Fetching never holds an inference slot.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from face_comparison import cancellation, errors
from face_comparison.api.limits import MAX_FACES
from face_comparison.errors import FaceComparisonError
from face_comparison.image import MAX_SIDE
from face_comparison.image.decode_cost import estimate_decode_bytes
from face_comparison.observability import metrics
from face_comparison.serving.permit import Permit
from face_comparison.vision.analyzer import Analyzer, ModelInfo
from face_comparison.vision.matching import Calibration, TargetMatch, hash_match, image_match, most_prominent_face
from face_comparison.vision.types import Face, ImageAnalysis
from face_comparison.wire.requests import CompareRequest, DetectRequest, FaceHash, Image, ImageOrHash, Url

IMAGES_AT_ONCE = 4
"""Images of one comparison that are fetched or queued concurrently, which bounds memory and keeps a caller with a
hundred targets from displacing all others."""


class Fetcher(Protocol):
    """Fetches images by URL."""

    def fetch(self, url: str, deadline: float | None = None, caller: str = "") -> bytes:
        """Returns the bytes behind a URL.

        Args:
            url: An `http://`, `https://` or `s3://` URL.
            deadline: Deadline of the whole request, in seconds of `time.monotonic`.
            caller: Key of the caller: callers share name lookups fairly.

        Raises:
            UrlNotAllowed: The policy does not permit the address.
            UrlFetchFailed: The server did not deliver the image.
            UrlFetchTimeout: The server did not deliver the image in time.
            BodyTooLarge: The image has too many bytes.
            DeadlineExceeded: The deadline of the request has passed.
        """
        ...


class Stages:
    """Seconds that one request has spent per phase. Thread-safe."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.images = 0
        self.faces = 0
        self._lock = threading.Lock()

    def add(self, stage: str, seconds: float) -> None:
        """Adds seconds to a phase of the request, and to the metric."""
        metrics.PHASE_SECONDS.labels(stage).observe(seconds)
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def add_image(self, analysis: ImageAnalysis) -> None:
        """Adds the phases and the faces of an image."""
        metrics.FACES.observe(len(analysis.faces))
        for stage, seconds in analysis.stages.items():
            self.add(stage, seconds)
        with self._lock:
            self.images += 1
            self.faces += len(analysis.faces)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measures a phase of the request."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)


_IMAGE_ERRORS = (
    errors.BodyTooLarge,
    errors.CorruptImage,
    errors.ImageTooLarge,
    errors.MissingImage,
    errors.NoFace,
    errors.UnsupportedFormat,
    errors.UrlFetchFailed,
    errors.UrlFetchTimeout,
    errors.UrlNotAllowed,
)
"""Errors of a single image in a comparison; the message names the image."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The result of a comparison.

    Attributes:
        source: The source's face and the analysis of its image; None if the source is a hash.
        targets: The matches or the error of each target, in the order of the request.
        threshold: Maximum distance that counts as the same person.
    """

    source: tuple[Face, ImageAnalysis] | None
    targets: tuple[TargetMatch | Exception, ...]
    threshold: float


class FaceService:
    """Detects and compares faces: fetches images, waits for inference slots, runs the models."""

    def __init__(self, analyzer: Analyzer, fetcher: Fetcher, max_side: int = MAX_SIDE) -> None:
        self._analyzer = analyzer
        self._fetcher = fetcher
        self._max_side = max_side

    @property
    def model(self) -> ModelInfo:
        """The loaded models. Raises NotReady before they are loaded."""
        return self._analyzer.model

    def detect(self, request: DetectRequest, permit: Permit, stages: Stages) -> ImageAnalysis:
        """Detects the faces of an image.

        Args:
            request: The image and its options.
            permit: The permit of the request.
            stages: Receives the time spent per phase.

        Returns:
            The faces and their image.

        Raises:
            FaceComparisonError: Whatever the fetcher, the analyzer and the permit raise.
        """
        return self._analysis(request.image, permit, stages, request.max_faces, request.min_confidence)

    def analyze(self, image: Image, permit: Permit, stages: Stages, max_faces: int) -> tuple[ImageAnalysis, bytes]:
        """Detects the largest faces of an image.

        Args:
            image: The image, or its URL.
            permit: The permit of the request.
            stages: Receives the time spent per phase.
            max_faces: Maximum number of faces.

        Returns:
            The faces and their image, and the SHA-256 of the image's bytes.

        Raises:
            FaceComparisonError: Whatever the fetcher, the analyzer and the permit raise.
        """
        with ExitStack() as held:
            data = self._data(image, permit, stages, held)
            return self._analysis(data, permit, stages, max_faces, None), hashlib.sha256(data).digest()

    def compare(self, request: CompareRequest, permit: Permit, stages: Stages) -> Comparison:
        """Compares the source's most prominent face with every face of each target.

        Args:
            request: The source, the targets and the threshold.
            permit: The permit of the request.
            stages: Receives the time spent per phase.

        Returns:
            The result, in which the error of a target takes the place of its matches.

        Raises:
            FaceComparisonError: The source cannot be used.
        """
        calibration = self.model.calibration(request.threshold)
        # Each request has its own threads, so that slow image servers of one request do not delay others.
        pool = ThreadPoolExecutor(IMAGES_AT_ONCE, "comparison")
        try:
            source = self._begin(pool, request.source, permit, stages, max_faces=1)
            targets = [
                target
                if isinstance(target, FaceComparisonError)
                else self._begin(pool, target, permit, stages, MAX_FACES)
                for target in request.targets
            ]
            if isinstance(source, FaceHash):
                shown, vector, reliable = None, source.vector, True
            else:
                try:
                    analysis = _result(source)
                    face = most_prominent_face(analysis.faces, self.model.sure_confidence)
                except _IMAGE_ERRORS as error:
                    raise type(error)(f"source: {error.message}") from None
                shown, vector, reliable = (face, analysis), face.hash, face.quality.reliable
            matches = tuple(_match(vector, target, calibration, reliable) for target in targets)
            return Comparison(shown, matches, calibration.threshold)
        finally:
            # After an error of the source, no further images are begun. Those in progress end by their own limits, so
            # there is no need to wait for them.
            pool.shutdown(wait=False, cancel_futures=True)

    def _begin(
        self, pool: ThreadPoolExecutor, subject: ImageOrHash, permit: Permit, stages: Stages, max_faces: int
    ) -> FaceHash | Future[ImageAnalysis | FaceComparisonError]:
        if isinstance(subject, FaceHash):
            return subject
        return pool.submit(self._analysis_or_error, subject, permit, stages, max_faces)

    def _analysis_or_error(
        self, image: Image, permit: Permit, stages: Stages, max_faces: int
    ) -> ImageAnalysis | FaceComparisonError:
        try:
            return self._analysis(image, permit, stages, max_faces, None)
        except FaceComparisonError as error:
            return error.detached()

    def _analysis(
        self, image: Image, permit: Permit, stages: Stages, max_faces: int, min_confidence: float | None
    ) -> ImageAnalysis:
        with cancellation.working_for(permit), ExitStack() as held:
            data = self._data(image, permit, stages, held)
            held.enter_context(_inference_slot(permit, estimate_decode_bytes(data, self._max_side), stages))
            analysis = self._analyzer.analyze(data, max_faces=max_faces, min_confidence=min_confidence)
        stages.add_image(analysis)
        return analysis

    def _data(self, image: Image, permit: Permit, stages: Stages, held: ExitStack) -> bytes:
        """Returns the image's bytes, and fetches them if necessary; `held` then holds their memory."""
        if not isinstance(image, Url):
            return image
        data = self._fetch(image, permit, stages)
        held.enter_context(permit.memory(len(data)))
        return data

    def _fetch(self, url: Url, permit: Permit, stages: Stages) -> bytes:
        with stages.timed("fetch"), permit.fetch_slot():
            try:
                data = self._fetcher.fetch(url.text, permit.deadline, permit.caller.key)
            except FaceComparisonError:
                permit.check()  # if the request was cancelled, that is the reason for the failure
                raise
        permit.check()
        return data


@contextmanager
def _inference_slot(permit: Permit, cost: int, stages: Stages) -> Iterator[None]:
    started = time.perf_counter()
    metrics.QUEUE_DEPTH.inc()
    waiting = True
    try:
        with permit.inference_slot(cost):
            metrics.QUEUE_DEPTH.dec()
            waiting = False
            stages.add("queue", time.perf_counter() - started)
            yield
    finally:
        if waiting:
            metrics.QUEUE_DEPTH.dec()


def _match(
    source: NDArray[np.float32],
    target: FaceComparisonError | FaceHash | Future[ImageAnalysis | FaceComparisonError],
    calibration: Calibration,
    reliable: bool,
) -> TargetMatch | Exception:
    if isinstance(target, FaceComparisonError):
        return target
    try:
        if isinstance(target, FaceHash):
            return hash_match(source, target.vector, calibration, reliable=reliable)
        return image_match(source, _result(target), calibration, reliable=reliable)
    except FaceComparisonError as error:
        return error.detached()
    except Exception as error:
        return error


def _result(done: Future[ImageAnalysis | FaceComparisonError]) -> ImageAnalysis:
    found = done.result()
    if isinstance(found, FaceComparisonError):
        raise found.detached()
    return found

"""Detects the faces of an album, with the models on this machine or through a service. Both return the same.

Local results are converted to a response first, so that boxes are rounded in the same way and an album does not depend
on where it was created.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from face_comparison.client import Client, ServiceError, ServiceUnreachable
from face_comparison.client.detection import Detection
from face_comparison.errors import FaceComparisonError, ServiceUnusable
from face_comparison.vision.analyzer import Analyzer
from face_comparison.wire.responses import to_detect_response

MAX_BYTES = 20 * 2**20 - 4096
"""Maximum size, in bytes, of an image that is analyzed unchanged: what fits into a request by default."""

IN_FLIGHT = 8
"""Concurrent requests to a service."""

TIMEOUT_SECONDS = 300.0
_RETRIES = 1000  # effectively limited by the timeout of a call only: an album can wait for a busy service

_PERMANENT = frozenset({"unsupported_format", "corrupt_image", "image_too_large", "body_too_large"})
_TEMPORARY = frozenset({"internal", "deadline_exceeded"})


class ImageRejected(Exception):
    """An image could not be analyzed.

    Attributes:
        code: Error code of the service.
        reason: Why it was rejected.
        permanent: Whether another attempt would fail in the same way.
    """

    def __init__(self, code: str, reason: str, *, permanent: bool) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason, self.permanent = code, reason, permanent


class FaceModel(Protocol):
    """The model that detects faces: its version, and the threshold of its bundle."""

    version: str
    threshold: float


class FaceSource(Protocol):
    """Detects faces, locally or through a service.

    Attributes:
        version: FaceModelVersion of the models.
        threshold: The bundle's threshold.
        sure_confidence: The bundle's confidence from which a detection is surely a face.
        max_bytes: Maximum size of an image, in bytes.
        concurrency: Number of images to analyze concurrently.
    """

    version: str
    threshold: float
    sure_confidence: float
    max_bytes: int
    concurrency: int

    def faces(self, data: bytes) -> Detection:
        """Detects the faces of an image.

        Raises:
            ImageRejected: This image cannot be analyzed.
            ServiceUnusable: The service cannot be used, so that every image would fail.
        """
        ...


class LocalFaceSource:
    """The models of this machine. They are loaded for the first image: an album without new images does not need them.

    `faces` also raises what `load` raises.

    Args:
        version: The bundle's FaceModelVersion.
        threshold: The bundle's threshold.
        sure_confidence: The bundle's confidence from which a detection is surely a face.
        load: Loads the models.
        threads: Number of images to analyze concurrently.
    """

    def __init__(
        self, version: str, threshold: float, sure_confidence: float, load: Callable[[], Analyzer], threads: int
    ) -> None:
        self.version, self.threshold, self.sure_confidence = version, threshold, sure_confidence
        self.max_bytes, self.concurrency = MAX_BYTES, threads
        self._load, self._loading = load, threading.Lock()
        self._analyzer: Analyzer | None = None

    def faces(self, data: bytes) -> Detection:
        """Detects the faces of an image with the local models. Raises ImageRejected."""
        with self._loading:
            analyzer = self._analyzer = self._analyzer or self._load()
        try:
            analysis = analyzer.analyze(data)
        except FaceComparisonError as error:
            raise ImageRejected(error.code, error.message, permanent=True) from error
        return Detection.from_response(to_detect_response(analysis, self.version))


class RemoteFaceSource:
    """A running service. The constructor queries the service's models and limits.

    Args:
        url: URL of the service.
        api_key: API key, if the service requires one.
        concurrency: Number of images to analyze concurrently; None: IN_FLIGHT.

    Raises:
        ServiceUnusable: The service cannot be used.
    """

    def __init__(self, url: str, api_key: str | None, concurrency: int | None) -> None:
        try:
            self._client = Client(url, api_key=api_key, timeout=TIMEOUT_SECONDS, retries=_RETRIES)
            with Client(url, api_key=api_key) as asking:  # a mistyped address fails within a minute
                about = asking.describe()
        except (ServiceError, ServiceUnreachable, ValueError) as error:
            raise ServiceUnusable(f"{error}") from error
        self.version, self.threshold = about.face_model_version, about.defaults.threshold
        self.sure_confidence = about.defaults.sure_confidence
        self.max_bytes, self.concurrency = min(MAX_BYTES, about.limits.max_body_bytes - 4096), concurrency or IN_FLIGHT

    def faces(self, data: bytes) -> Detection:
        """Detects the faces of an image through the service.

        Raises:
            ImageRejected: The service cannot analyze this image.
            ServiceUnusable: The service cannot be used, or its models have changed.
        """
        try:
            found = self._client.detect(data)
        except ServiceError as error:
            if error.code in _PERMANENT | _TEMPORARY:
                raise ImageRejected(error.code, error.message, permanent=error.code in _PERMANENT) from error
            raise ServiceUnusable(f"{error}") from error
        except ServiceUnreachable as error:
            raise ServiceUnusable(f"{error}") from error
        if found.face_model_version != self.version:
            raise ServiceUnusable(
                f"the service changed its models meanwhile, {self.version} to {found.face_model_version}"
            )
        return found

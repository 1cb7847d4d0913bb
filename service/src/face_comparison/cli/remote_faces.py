"""Finds the faces that `detect` and `compare` print through a running service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

from face_comparison.cli.face_finder import Compared
from face_comparison.cli.inputs import InputImage, Problem
from face_comparison.errors import BodyTooLarge, FaceComparisonError, NoFace, ServiceUnusable

if TYPE_CHECKING:
    from face_comparison.api import responses as api
    from face_comparison.api.responses import CompareResponse, DetectResponse, TargetMatch
    from face_comparison.client import Client

T = TypeVar("T")

IN_FLIGHT = 8
"""Default number of concurrent requests to a service."""

_ENVELOPE = 4096
"""Maximum number of bytes in a request besides its images."""

_TIMEOUT_SECONDS = 120.0
_RETRIES = 100  # The timeout limits calls, not the number of attempts: a command can wait for a busy service.

_ABOUT_CALLER = frozenset({"unauthorized", "forbidden", "not_found", "method_not_allowed", "invalid_json"})
"""Error codes that do not depend on the image, so every other image would fail with them, too."""


class RemoteFaces:
    """Finds faces through a running service. Images are read here, and their bytes are sent.

    Args:
        url: URL of the service.
        api_key: API key sent with every request.
        threads: Number of requests in flight; None for IN_FLIGHT.
        max_faces: Maximum number of faces per image, for `detect`.
        min_confidence: Minimum detection confidence, for `detect`.

    Raises:
        ServiceUnusable: The service does not respond, or rejects the caller.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        threads: int | None,
        max_faces: int | None = None,
        min_confidence: float | None = None,
    ) -> None:
        from face_comparison.client import Client, ServiceError, ServiceUnreachable  # noqa: PLC0415

        self._limits: dict[str, Any] = {} if max_faces is None else {"max_faces": max_faces}
        if min_confidence is not None:
            self._limits["min_confidence"] = min_confidence
        self._threads = threads or IN_FLIGHT
        try:
            self._client: Client = Client(url, api_key=api_key, timeout=_TIMEOUT_SECONDS, retries=_RETRIES)
            with Client(url, api_key=api_key) as asking:  # default retries, so that a wrong URL fails within a minute
                self._about = asking.describe()
        except (ServiceError, ServiceUnreachable, ValueError) as error:
            raise ServiceUnusable(f"{error}") from error

    def detect(self, images: Sequence[InputImage | Problem]) -> Iterator[tuple[str, DetectResponse | Problem]]:
        """See FaceFinder."""
        from face_comparison.api.responses import DetectResponse  # noqa: PLC0415

        def detected(image: InputImage | Problem) -> DetectResponse | Problem:
            return self._call(image, "", lambda data: {"img": data, **self._limits}, DetectResponse)

        with ThreadPoolExecutor(self._threads) as pool:
            for image, response in zip(images, pool.map(detected, images), strict=True):
                yield image.name, response

    def compare(
        self, source: InputImage, targets: Sequence[InputImage | Problem], threshold: float | None
    ) -> tuple[Compared | Problem, Iterator[TargetMatch | Problem]]:
        """See FaceFinder. The hash of the source's face is compared, so that its image is sent only once."""
        from face_comparison.api import responses as api  # noqa: PLC0415

        found = self._call(source, "", lambda data: {"img": data, "max_faces": 1}, api.DetectResponse)
        if isinstance(found, Problem):
            return found, iter(())
        if not found.faces:
            return Problem(source.name, NoFace.code, "no face was found in the image"), iter(())
        (face,) = found.faces
        judged_at = self._about.defaults.threshold if threshold is None else threshold
        source_face = api.SourceFace(face.bounding_box, face.confidence)
        head = Compared(api.CompareResponse(found.face_model_version, judged_at, source_face, ()))
        return head, self._results(face, head.response, targets)

    def _results(
        self, face: api.Face, head: CompareResponse, targets: Sequence[InputImage | Problem]
    ) -> Iterator[TargetMatch | Problem]:
        from face_comparison.api import responses as api  # noqa: PLC0415

        packed = face.face_hash.astype("<f4").tobytes()
        fields = {
            "source": {"face_hash": packed, "FaceModelVersion": head.face_model_version},
            "threshold": head.threshold,
        }

        def compared(target: InputImage | Problem) -> TargetMatch | Problem:
            found = self._call(
                target, "/compare", lambda data: {**fields, "targets": [{"img": data}]}, api.CompareResponse
            )
            if isinstance(found, Problem):
                return found
            (result,) = found.targets
            if isinstance(result, api.TargetError):
                return Problem(target.name, result.error.code, result.error.message)
            match = cast("TargetMatch", result)
            # The service got only a hash, which does not say whether its face is reliable.
            return match if face.quality.reliable else _mark_for_review(match)

        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(compared, targets)

    def _call(
        self, image: InputImage | Problem, path: str, fields: Callable[[bytes], dict[str, Any]], type_: type[T]
    ) -> T | Problem:
        import msgspec  # noqa: PLC0415

        from face_comparison.client import ServiceError, ServiceUnreachable  # noqa: PLC0415

        if isinstance(image, Problem):
            return image
        try:
            data = image.read()
            max_bytes = self._about.limits.max_body_bytes
            if len(data) > max_bytes - _ENVELOPE:
                raise BodyTooLarge(f"the service accepts requests of at most {max_bytes:,} bytes")
            response: T = self._client.call("POST", path, msgspec.msgpack.encode(fields(data)), type_)
        except FaceComparisonError as error:
            return Problem.of(image.name, error)
        except ServiceError as error:
            if error.code in _ABOUT_CALLER:
                raise ServiceUnusable(f"{error}") from error
            return Problem(image.name, error.code, error.message)
        except ServiceUnreachable as error:
            raise ServiceUnusable(f"{error}") from error
        return response


def _mark_for_review(result: TargetMatch) -> TargetMatch:
    from msgspec.structs import replace  # noqa: PLC0415

    faces = tuple(replace(face, verdict="review") for face in result.faces)
    return replace(result, verdict="review", faces=faces)

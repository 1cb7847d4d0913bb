"""The client for programs that may wait: `Client`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import urllib3

from ..api.collections import CollectionDescription, Erasure
from ..api.responses import CompareResponse, DetectResponse, ServiceDescription
from . import calls, collection_calls
from .calls import (
    CONNECT_SECONDS,
    LONGEST_PAUSE_SECONDS,
    TIMEOUT_SECONDS,
    Attempt,
    LineSplitter,
    Received,
    ServiceError,
    ServiceUnreachable,
    pause,
)
from .collections import Collection, pages, send
from .detection import Detection

if TYPE_CHECKING:
    from .images import ImageSource, Subject

__all__ = ["LONGEST_PAUSE_SECONDS", "TIMEOUT_SECONDS", "Client", "ServiceError", "ServiceUnreachable", "pause"]

_T = TypeVar("_T")


class Client:
    """Calls one service. Several threads may use it at once.

    Args:
        url: URL of the endpoint (`https://host/prod/face_comparison`) or of its stage (`https://host/prod`); a URL
            without a path means the stage `prod`.
        api_key: Sent with every request.
        timeout: Deadline of a whole call in seconds, including retries.
        retries: Maximum retries when the service is busy, starting, or stopping, or the connection breaks. Retries wait
            as long as `Retry-After` says.
        pool: Another connection pool, for example one that trusts a private certificate authority.

    Raises:
        ValueError: if the URL is not an HTTP URL.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = calls.RETRIES,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        self._url = calls.endpoint(url)
        self._timeout, self._retries = timeout, retries
        self._headers = calls.headers(api_key)
        self._pool = pool or urllib3.PoolManager(maxsize=16)

    def detect(
        self, image: ImageSource, *, max_faces: int | None = None, min_confidence: float | None = None
    ) -> Detection:
        """Detects the faces in an image.

        Args:
            image: A path, a URL, the bytes of a file, pixels, or a Pillow image.
            max_faces: Maximum faces to return (1-100); the most prominent are kept. The default is 100.
            min_confidence: Minimum confidence of a face (0-1). The default is that of the service's bundle.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
            OSError: if the file cannot be read.
            TypeError, ValueError: if the argument is not an image.
        """
        body = calls.detect_body(image, max_faces, min_confidence)
        response = self._call("POST", "", body, DetectResponse)
        return Detection.from_response(response)

    def compare(
        self, source: Subject, targets: Subject | Iterable[Subject], *, threshold: float | None = None
    ) -> CompareResponse:
        """Compares the source's most prominent face with every face of each target.

        Args:
            source: An image, a detected face, or a hash.
            targets: One target, or a list, tuple or iterator of up to 100.
            threshold: Maximum distance (0-2) between faces of the same person. The default is that of the service's
                bundle.

        Returns:
            The results in the order of the targets; the result of a target that failed is a `TargetError`.

        Raises:
            ServiceError: if the source or the request is invalid.
            ServiceUnreachable: if there is no response before the deadline.
            OSError: if a file cannot be read.
            TypeError, ValueError: if an argument is not an image.
        """
        body = calls.compare_body(source, targets, threshold)
        return self._call("POST", "/compare", body, CompareResponse)

    def describe(self) -> ServiceDescription:
        """Returns the service's version, model, defaults, and limits. Raises ServiceError, ServiceUnreachable."""
        return self._call("GET", "", None, ServiceDescription)

    def collection(self, name: str) -> Collection:
        """Returns the collection with this name, which may not exist yet."""
        return Collection(self, name)

    def create_collection(
        self,
        name: str,
        *,
        max_false_positive_rate: float | None = None,
        retention_days: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Collection:
        """Creates a collection. Raises ServiceError: `collection_exists` if it exists already."""
        send(self, collection_calls.create_collection(name, max_false_positive_rate, retention_days, metadata))
        return Collection(self, name)

    def collections(self) -> list[CollectionDescription]:
        """Returns descriptions of all collections, by name. Raises ServiceError, ServiceUnreachable."""
        first = collection_calls.list_collections()
        return [each for page in pages(self, first) for each in page.collections]

    def erasure(self, erasure_id: str) -> Erasure:
        """Returns the receipt for an earlier deletion. Raises ServiceError: `not_found` if there is no such receipt."""
        return send(self, collection_calls.describe_erasure(erasure_id))

    def call(self, method: str, path: str, body: bytes | None = None, response_type: Any = Any) -> Any:
        """Calls any route below the endpoint: `call("GET", "/collections/staff/users")`.

        Args:
            method: HTTP method.
            path: Path below the endpoint, including the query.
            body: Body of the request, in MessagePack.
            response_type: Type that the response is decoded to. The default is plain dictionaries and lists.

        Returns:
            The decoded response.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        return self._call(method, path, body, response_type)

    def stream_lines(self, path: str) -> Iterator[bytes]:
        """Yields the lines of a streamed response, without retries. Raises ServiceError, ServiceUnreachable."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=self._timeout)
        try:
            response = self._pool.request(
                "GET",
                self._url + path,
                headers=self._headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                if response.status != 200:
                    response.read(decode_content=True, cache_content=True)
                    calls.check(_to_received(response))
                split = LineSplitter()
                for chunk in response.stream(2**16):
                    yield from split.feed(chunk)
                yield from split.end()
            finally:
                response.close()
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ServiceUnreachable(f"{self._url} does not respond: {error}") from error

    def close(self) -> None:
        """Closes the connections. The client remains usable and opens new ones as needed."""
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: str, body: bytes | None, type_: type[_T]) -> _T:
        steps = calls.call(self._timeout, self._retries, type_)
        step = next(steps)
        while True:
            outcome: Received | ServiceUnreachable | None = None
            if isinstance(step, Attempt):
                outcome = self._attempt(method, path, body, step)
            else:
                time.sleep(step.seconds)
            try:
                step = steps.send(outcome)
            except StopIteration as returned:
                result: _T = returned.value
                return result

    def _attempt(self, method: str, path: str, body: bytes | None, attempt: Attempt) -> Received | ServiceUnreachable:
        try:
            response = self._pool.request(
                method,
                self._url + path,
                body=body,
                headers=self._headers,
                timeout=urllib3.Timeout(connect=attempt.connect_seconds, total=attempt.seconds),
                retries=False,  # urllib3's own retries know neither our deadline nor the service's error codes
                redirect=False,  # never send the API key to another URL
            )
        except urllib3.exceptions.HTTPError as error:
            unreachable = ServiceUnreachable(f"{self._url} does not respond: {error}")
            unreachable.__cause__ = error
            return unreachable
        return _to_received(response)


def _to_received(response: urllib3.BaseHTTPResponse) -> Received:
    return Received(response.status, response.data, response.headers.get("Retry-After", ""))

"""Requests to a service: one deadline per call, within which temporary errors are retried."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import urllib3

from face_comparison.api import encoding
from face_comparison.api.collections import CollectionDescription, CollectionPage
from face_comparison.api.responses import CompareResponse, DetectResponse, ErrorResponse, ServiceDescription
from face_comparison.client.collections import Collection
from face_comparison.client.detection import Detection
from face_comparison.client.images import image_fields, subject_fields

if TYPE_CHECKING:
    from face_comparison.client.images import ImageSource, Subject

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0

_T = TypeVar("_T")
_TEMPORARY = frozenset({"overloaded", "not_ready", "draining", "store_unavailable"})
_BY_PROXIES = frozenset({429, 502, 503, 504})
"""Statuses with which a proxy in front of the service reports that it cannot be reached now."""


class ServiceUnreachable(Exception):
    """No response of the service arrived before the deadline of the call."""


class ServiceError(Exception):
    """The service responded with an error.

    Attributes:
        code: Stable identifier, see the service's table of errors.
        message: What is wrong, and what would be right.
        status: HTTP status.
        request_id: Identifies the request in the service's log.
    """

    def __init__(self, code: str, message: str, status: int, request_id: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class Client:
    """Calls one service; safe to use from several threads at once.

    Args:
        url: URL of the endpoint (`https://host/prod/face_comparison`) or of its stage (`https://host/prod`).
        api_key: Sent with every request.
        timeout: Deadline of a whole call in seconds, including retries.
        retries: Maximum retries when the service is busy, starting or stopping, or the connection breaks; the delay is
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
        retries: int = 4,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        self._url = _endpoint(url)
        self._timeout = timeout
        self._tries = retries + 1
        self._headers: dict[str, str] = {"Content-Type": encoding.MESSAGE_PACK, "Accept": encoding.MESSAGE_PACK}
        if api_key is not None:
            self._headers["X-Api-Key"] = api_key
        self._pool = pool or urllib3.PoolManager(maxsize=16)

    def detect(
        self, image: ImageSource, *, max_faces: int | None = None, min_confidence: float | None = None
    ) -> Detection:
        """Detects the faces of one image.

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
        options = {"max_faces": max_faces, "min_confidence": min_confidence}
        response = self._post("", {**image_fields(image), **_given(options)}, DetectResponse)
        return Detection.from_response(response)

    def compare(
        self, source: Subject, targets: Subject | Iterable[Subject], *, threshold: float | None = None
    ) -> CompareResponse:
        """Compares the source's most prominent face with every face of each target.

        Args:
            source: An image, a detected face, or a hash.
            targets: One target, or a list, tuple or iterator of up to 100.
            threshold: Maximum distance (0-2) of the same person. The default is that of the service's bundle.

        Returns:
            The results in the order of the targets; a target that failed has a `TargetError` in its place.

        Raises:
            ServiceError: if the source or the request is wrong.
            ServiceUnreachable: if there is no response before the deadline.
            OSError: if a file cannot be read.
            TypeError, ValueError: if an argument is not an image.
        """
        several: list[Any] = list(targets) if isinstance(targets, list | tuple | Iterator) else [targets]
        body = {
            "source": subject_fields(source),
            "targets": [subject_fields(target) for target in several],
            **_given({"threshold": threshold}),
        }
        return self._post("/compare", body, CompareResponse)

    def describe(self) -> ServiceDescription:
        """Returns what the service runs and allows. Raises ServiceError, ServiceUnreachable."""
        return self._call("GET", "", None, ServiceDescription)

    def collection(self, name: str) -> Collection:
        """Returns a collection of this name, which need not exist yet."""
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
        fields = {
            "CollectionId": name,
            "MaxFalsePositiveRate": max_false_positive_rate,
            "RetentionDays": retention_days,
            "Metadata": metadata,
        }
        self._post("/collections", _given(fields), CollectionDescription)
        return Collection(self, name)

    def collections(self) -> list[CollectionDescription]:
        """Returns descriptions of all collections, by name. Raises ServiceError, ServiceUnreachable."""
        found: list[CollectionDescription] = []
        query = ""
        while True:
            page = self._call("GET", f"/collections{query}", None, CollectionPage)
            found += page.collections
            if page.next_token is None:
                return found
            query = f"?NextToken={page.next_token}"

    def call(self, method: str, path: str, body: bytes | None = None, response_type: Any = Any) -> Any:
        """Calls any route below the endpoint: `call("GET", "/collections/staff/users")`.

        Args:
            method: HTTP method.
            path: Below the endpoint, with its query.
            body: In MessagePack.
            response_type: Type that the response is decoded to. The default is plain dictionaries and lists.

        Returns:
            The decoded response.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        return self._call(method, path, body, response_type)

    def stream_lines(self, path: str) -> Iterator[bytes]:
        """Yields the lines of a streamed response. Raises ServiceError, ServiceUnreachable; not retried."""
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
                    _parse(response, object)
                rest = b""
                for chunk in response.stream(2**16):
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from lines
                if rest:
                    yield rest
            finally:
                response.close()
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ServiceUnreachable(f"{self._url} does not respond: {error}") from error
        except _Again as again:
            raise again.reason from again.reason.__cause__

    def close(self) -> None:
        """Closes the connections. The client can still be used and opens new ones."""
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, path: str, fields: Mapping[str, Any], type_: type[_T]) -> _T:
        return self._call("POST", path, msgspec.msgpack.encode(fields), type_)

    def _call(self, method: str, path: str, body: bytes | None, type_: type[_T]) -> _T:
        deadline = time.monotonic() + self._timeout
        for attempt in range(self._tries):
            try:
                return _parse(self._attempt(method, path, body, deadline), type_)
            except _Again as again:
                wait = pause(attempt, again.retry_after, random.random())  # noqa: S311 (spreads callers, no secret)
                if attempt + 1 == self._tries or time.monotonic() + wait >= deadline:
                    raise again.reason from again.reason.__cause__
                time.sleep(wait)
        raise AssertionError("every call has at least one attempt")

    def _attempt(self, method: str, path: str, body: bytes | None, deadline: float) -> urllib3.BaseHTTPResponse:
        left = max(0.001, deadline - time.monotonic())
        try:
            return self._pool.request(
                method,
                self._url + path,
                body=body,
                headers=self._headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, left), total=left),
                retries=False,  # as a policy of its own it would know neither our deadline nor the service's codes
                redirect=False,  # an API key goes nowhere else
            )
        except urllib3.exceptions.HTTPError as error:
            unreachable = ServiceUnreachable(f"{self._url} does not respond: {error}")
            unreachable.__cause__ = error
            raise _Again(unreachable, None) from error


class _Again(Exception):
    """A failure that may be temporary. reason: what the caller gets when no retry is left."""

    def __init__(self, reason: Exception, retry_after: float | None) -> None:
        super().__init__()
        self.reason = reason
        self.retry_after = retry_after


def _parse(response: urllib3.BaseHTTPResponse, type_: type[_T]) -> _T:
    try:
        if response.status == 200:
            return encoding.decode(response.data, type_, encoding.MESSAGE_PACK)
        error = encoding.decode(response.data, ErrorResponse, encoding.MESSAGE_PACK).error
    except msgspec.DecodeError:
        text = f"the response, with status {response.status}, is not from the service"
        failure: Exception = ServiceUnreachable(text)
        temporary = response.status in _BY_PROXIES
    else:
        failure = ServiceError(error.code, error.message, response.status, error.request_id)
        temporary = error.code in _TEMPORARY
    if temporary:
        raise _Again(failure, _retry_after(response)) from None
    raise failure


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:  # not given, or a date, which no part of this product sends
        return None


def pause(attempt: int, retry_after: float | None, chance: float) -> float:
    """Seconds before the next try. attempt: 0 after the first. chance: 0-1, so that callers do not come all at once."""
    if retry_after is not None:
        return retry_after + chance * FIRST_PAUSE_SECONDS
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt) * (0.5 + chance / 2)


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"the service's URL must begin with http:// or https://, not {url!r}")
    path = parts.path.rstrip("/")
    if not path.endswith(("/face_comparison", "/face-comparison")):
        path += "/face_comparison"
    return f"{parts.scheme}://{parts.netloc}{path}"


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}

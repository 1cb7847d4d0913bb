"""Requests to a service: one deadline for each call, within which temporary refusals are tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec
import urllib3

from face_comparison.client import replies
from face_comparison.client.collections import Collection
from face_comparison.client.images import image_fields, subject_fields

if TYPE_CHECKING:
    from face_comparison.client.images import ImageSource, Subject

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0
MESSAGE_PACK = "application/msgpack"

_TEMPORARY = frozenset({"overloaded", "not_ready", "draining", "store_unavailable"})
_BY_PROXIES = frozenset({429, 502, 503, 504})
"""Statuses with which something in front of the service says that it cannot be reached now."""


class ServiceUnreachable(Exception):
    """No answer of the service arrived within the time of the call."""


class ServiceError(Exception):
    """The service refused a request.

    code, message: the service's own, see its table of errors. status: HTTP. request_id: identifies the request in the
    service's log.
    """

    def __init__(self, code: str, message: str, status: int, request_id: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class Client:
    """Calls one service; safe to use from several threads at once.

    url: of the endpoint (`https://host/prod/face_comparison`) or of its stage (`https://host/prod`). timeout: seconds
    of a whole call, every new try included. retries: how often a call is tried again when the service is busy, starting
    or stopping, or the connection breaks; a pause is as long as `Retry-After` says. pool: another pool of connections,
    for example one that trusts a private certificate authority.
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
        """Raises ValueError when the URL is none."""
        self._url = _endpoint(url)
        self._timeout = timeout
        self._tries = retries + 1
        self._headers = {"Content-Type": MESSAGE_PACK, "Accept": MESSAGE_PACK}
        if api_key is not None:
            self._headers["X-Api-Key"] = api_key
        self._pool = pool or urllib3.PoolManager(maxsize=16)

    def detect(
        self, image: ImageSource, *, max_faces: int | None = None, min_confidence: float | None = None
    ) -> replies.Detection:
        """Faces of one image: at most max_faces (1-100), each of at least min_confidence (0-1).

        Raises ServiceError, ServiceUnreachable, and what `image_fields` raises for what is not an image.
        """
        options = {"max_faces": max_faces, "min_confidence": min_confidence}
        return replies.detection(self._post("", {**image_fields(image), **_given(options)}))

    def compare(
        self, source: Subject, targets: Subject | Iterable[Subject], *, threshold: float | None = None
    ) -> replies.Comparison:
        """The source's largest face against every face of each target: one, or a list, tuple or iterator of up to 100.

        threshold: the greatest distance (0-2) that counts as the same person, None: the service's. Raises ServiceError
        for what is wrong with the source or the request; what is wrong with one target is that target's result.
        """
        several: list[Any] = list(targets) if isinstance(targets, list | tuple | Iterator) else [targets]
        body = {
            "source": subject_fields(source),
            "targets": [subject_fields(target) for target in several],
            **_given({"threshold": threshold}),
        }
        return replies.comparison(self._post("/compare", body))

    def about(self) -> replies.About:
        """What the service runs and allows. Raises ServiceError, ServiceUnreachable."""
        return replies.about(self._call("GET", "", None))

    def collection(self, name: str) -> Collection:
        """A collection of this name, which need not exist yet."""
        return Collection(self, name)

    def create_collection(
        self,
        name: str,
        *,
        max_false_positive_rate: float | None = None,
        retention_days: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Collection:
        """Create a collection. Raises ServiceError: `collection_exists` when there is one."""
        fields = {
            "CollectionId": name,
            "MaxFalsePositiveRate": max_false_positive_rate,
            "RetentionDays": retention_days,
            "Metadata": metadata,
        }
        self._post("/collections", _given(fields))
        return Collection(self, name)

    def collections(self) -> list[dict[str, Any]]:
        """Descriptions of all collections."""
        found: list[dict[str, Any]] = []
        query = ""
        while True:
            reply = self.call("GET", f"/collections{query}")
            found += reply["Collections"]
            if "NextToken" not in reply:
                return found
            query = f"?NextToken={reply['NextToken']}"

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The decoded reply of any route below the endpoint: `call("GET", "/collections/staff/users")`.

        Raises ServiceError, ServiceUnreachable.
        """
        return self._call(method, path, body)

    def stream_lines(self, path: str) -> Iterator[bytes]:
        """The lines of a streamed reply. Raises ServiceError, ServiceUnreachable; not tried again."""
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
                    _answer(response)
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
            raise ServiceUnreachable(f"{self._url} does not answer: {error}") from error
        except _Again as again:
            raise again.reason from again.reason.__cause__

    def close(self) -> None:
        """Close the connections. The client can still be used and opens new ones."""
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, path: str, fields: Mapping[str, Any]) -> Any:
        return self._call("POST", path, msgspec.msgpack.encode(fields))

    def _call(self, method: str, path: str, body: bytes | None) -> Any:
        deadline = time.monotonic() + self._timeout
        for attempt in range(self._tries):
            try:
                return self._attempt(method, path, body, deadline)
            except _Again as again:
                wait = pause(attempt, again.retry_after, random.random())  # noqa: S311 (spreads callers, no secret)
                if attempt + 1 == self._tries or time.monotonic() + wait >= deadline:
                    raise again.reason from again.reason.__cause__
                time.sleep(wait)
        raise AssertionError("a call is tried at least once")

    def _attempt(self, method: str, path: str, body: bytes | None, deadline: float) -> Any:
        left = max(0.001, deadline - time.monotonic())
        try:
            response = self._pool.request(
                method,
                self._url + path,
                body=body,
                headers=self._headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, left), total=left),
                retries=False,  # as a policy of its own it would know neither our deadline nor the service's codes
                redirect=False,  # an API key goes nowhere else
            )
        except urllib3.exceptions.HTTPError as error:
            unreachable = ServiceUnreachable(f"{self._url} does not answer: {error}")
            unreachable.__cause__ = error
            raise _Again(unreachable, None) from error
        return _answer(response)


class _Again(Exception):
    """A failure that another try may cure. reason: what the caller gets when no retry is left."""

    def __init__(self, reason: Exception, retry_after: float | None) -> None:
        super().__init__()
        self.reason = reason
        self.retry_after = retry_after


def _answer(response: urllib3.BaseHTTPResponse) -> Any:
    try:
        reply = msgspec.msgpack.decode(response.data)
        if response.status == 200:
            return reply
        error = reply["error"]
        refused: Exception = ServiceError(error["code"], error["message"], response.status, error["request_id"])
        temporary = error["code"] in _TEMPORARY
    except (msgspec.DecodeError, KeyError, TypeError):
        refused = ServiceUnreachable(f"something else than the service answered, with status {response.status}")
        temporary = response.status in _BY_PROXIES
    if temporary:
        raise _Again(refused, _retry_after(response)) from None
    raise refused


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

"""One call to a service, without I/O: when to try, how long to wait, and what a response means.

`Client` and `AsyncClient` send and wait as these steps say, so that both keep one deadline and one policy of retries.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec

from ..api import encoding
from ..api.responses import ErrorResponse
from .images import image_fields, subject_fields

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0
RETRIES = 4

_T = TypeVar("_T")
_TEMPORARY = frozenset({"overloaded", "not_ready", "draining", "store_unavailable"})
_BY_PROXIES = frozenset({429, 502, 503, 504})
"""Statuses with which a proxy in front of the service reports that it cannot be reached now."""


class ServiceUnreachable(Exception):
    """The service did not respond before the deadline of the call."""


class ServiceError(Exception):
    """The service responded with an error.

    Attributes:
        code: Stable identifier; the API reference lists all of them.
        message: What is wrong, and how to correct it.
        status: HTTP status.
        request_id: Identifies the request in the service's log.
    """

    def __init__(self, code: str, message: str, status: int, request_id: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send the request. seconds: until the deadline of the call."""

    seconds: float

    @property
    def connect_seconds(self) -> float:
        """Maximum time for the connection."""
        return min(CONNECT_SECONDS, self.seconds)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Received:
    """A response. retry_after: the header, empty if there is none."""

    status: int
    body: bytes
    retry_after: str = ""


Call: TypeAlias = Generator[Attempt | Pause, Received | ServiceUnreachable | None, _T]
"""Yields what to do; is sent what came of an attempt, and None after a pause; returns the decoded response."""


class _Retry(Exception):
    """A failure that may be temporary; `reason` is the exception to raise if no retries are left."""

    def __init__(self, reason: Exception, retry_after: float | None) -> None:
        super().__init__()
        self.reason = reason
        self.retry_after = retry_after


def call(timeout: float, retries: int, type_: type[_T]) -> Call[_T]:
    """Returns the steps of a call.

    Args:
        timeout: Deadline of the whole call in seconds, including retries.
        retries: Maximum retries.
        type_: Type that the response is decoded to.

    Raises:
        ServiceError: if the service responds with an error.
        ServiceUnreachable: if there is no response before the deadline.
    """
    deadline = time.monotonic() + timeout
    for attempt in range(retries + 1):
        outcome = yield Attempt(max(0.001, deadline - time.monotonic()))
        assert outcome is not None  # noqa: S101 (an attempt has an outcome)
        try:
            return parse(outcome, type_)
        except _Retry as retry:
            wait = pause(attempt, retry.retry_after, random.random())  # noqa: S311 (spreads callers, no secret)
            if attempt == retries or time.monotonic() + wait >= deadline:
                raise retry.reason from retry.reason.__cause__
        yield Pause(wait)
    raise AssertionError("every call has at least one attempt")


def parse(received: Received | ServiceUnreachable, type_: type[_T]) -> _T:
    """Returns the decoded response. Raises ServiceError, ServiceUnreachable, and what `call` retries."""
    if isinstance(received, ServiceUnreachable):
        raise _Retry(received, None) from received.__cause__
    try:
        if received.status == 200:
            return encoding.decode(received.body, type_, encoding.MESSAGE_PACK)
        error = encoding.decode(received.body, ErrorResponse, encoding.MESSAGE_PACK).error
    except msgspec.DecodeError:
        text = f"the response, with status {received.status}, is not from the service"
        failure: Exception = ServiceUnreachable(text)
        temporary = received.status in _BY_PROXIES
    else:
        failure = ServiceError(error.code, error.message, received.status, error.request_id)
        temporary = error.code in _TEMPORARY
    if temporary:
        raise _Retry(failure, _seconds(received.retry_after)) from None
    raise failure


def check(received: Received) -> None:
    """Raises ServiceError or ServiceUnreachable for a response that is not to be retried."""
    try:
        parse(received, object)
    except _Retry as retry:
        raise retry.reason from retry.reason.__cause__


def _seconds(retry_after: str) -> float | None:
    try:
        return max(0.0, float(retry_after))
    except ValueError:  # missing, or a date, which no part of this product sends
        return None


def pause(attempt: int, retry_after: float | None, chance: float) -> float:
    """Seconds before the next try. attempt: 0 after the first. chance: 0-1, so that callers do not come all at once."""
    if retry_after is not None:
        return retry_after + chance * FIRST_PAUSE_SECONDS
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt) * (0.5 + chance / 2)


DEFAULT_STAGE = "prod"
"""The service's own default."""


def endpoint(url: str) -> str:
    """Returns the URL of the endpoint. Raises ValueError if the URL is not an HTTP URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"the service's URL must begin with http:// or https://, not {url!r}")
    path = parts.path.rstrip("/") or f"/{DEFAULT_STAGE}"
    if not path.endswith(("/face_comparison", "/face-comparison")):
        path += "/face_comparison"
    return f"{parts.scheme}://{parts.netloc}{path}"


def headers(api_key: str | None) -> dict[str, str]:
    """Returns the headers of every request."""
    fields: dict[str, str] = {"Content-Type": encoding.MESSAGE_PACK, "Accept": encoding.MESSAGE_PACK}
    return fields if api_key is None else {**fields, "X-Api-Key": api_key}


def detect_body(image: Any, max_faces: int | None, min_confidence: float | None) -> bytes:
    """Returns the request of a detection; a path's file is read here. Raises what `image_fields` raises."""
    options = {"max_faces": max_faces, "min_confidence": min_confidence}
    return msgspec.msgpack.encode({**image_fields(image), **without_none(options)})


def compare_body(source: Any, targets: Any, threshold: float | None) -> bytes:
    """Returns the request of a comparison. Raises what `subject_fields` raises."""
    all_targets: list[Any] = list(targets) if isinstance(targets, list | tuple | Iterator) else [targets]
    body = {"source": subject_fields(source), "targets": [subject_fields(target) for target in all_targets]}
    return msgspec.msgpack.encode({**body, **without_none({"threshold": threshold})})


class LineSplitter:
    """The lines of a response that arrives in parts."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> list[bytes]:
        """Returns the lines that are complete with this part."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        return lines

    def end(self) -> list[bytes]:
        """Returns what stands behind the last end of a line."""
        return [self._rest] if self._rest else []


def without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}

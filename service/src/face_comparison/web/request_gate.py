"""Checks the head of a request before its body is received or anything is computed.

The application runs the checks for every request. The server also runs them before it receives a body, so that a
request that will be rejected anyway takes neither memory nor upload time.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from face_comparison.errors import FaceComparisonError, Forbidden, InvalidParameter, Overloaded, Unauthorized
from face_comparison.observability import metrics
from face_comparison.rekognition.signature import signer
from face_comparison.serving.admission import Admission
from face_comparison.serving.permit import Caller
from face_comparison.serving.readiness import Readiness
from face_comparison.web.auth import ApiKeys, FailureThrottle, Headers
from face_comparison.web.request_body import declared_length, too_large

IPV6_PREFIX = 64
"""Length of the prefix usually assigned to one customer: addresses with the same prefix count as one caller."""


class RequestGate:
    """Checks readiness, authorization, and the limits that apply to a request head. Thread-safe."""

    def __init__(self, readiness: Readiness, keys: ApiKeys | None, admission: Admission, max_body_bytes: int) -> None:
        self._readiness, self._keys, self._admission = readiness, keys, admission
        self._max_body_bytes = max_body_bytes
        self._throttle = FailureThrottle(time.monotonic)

    def authorize(self, headers: Headers, address: str) -> Caller:
        """Identifies the sender of a request.

        Raises:
            Unauthorized: No API key was sent, but one is required.
            Forbidden: The API key is unknown.
            Overloaded: Too many unknown keys came from this address.
        """
        if self._keys is None:
            return caller_of_address(address)
        if (name := signer(headers)) is not None:
            # The signature covers the body and cannot be verified before it arrives. Until then, such requests count
            # against the limits of their address.
            if self._keys.secret(name) is None:
                self.count_failure(address, "unknown")
                raise Unauthorized("the access key id of the signature is not the name of an API key")
            return caller_of_address(address)
        try:
            return Caller(f"key:{self._keys.authorize(headers)}", "your API key")
        except Unauthorized:
            metrics.AUTH_FAILURES.labels("missing").inc()
            raise
        except Forbidden:
            self.count_failure(address, "unknown")
            raise

    def count_failure(self, address: str, reason: str) -> None:
        """Counts a failed attempt to authorize; the reason is `unknown` (key) or `signature`.

        Raises:
            Overloaded: Too many failed attempts came from this address.
        """
        if self._throttle.record(caller_of_address(address).key):
            metrics.AUTH_FAILURES.labels("throttled").inc()
            raise Overloaded("too many unknown API keys came from your address; retry later")
        metrics.AUTH_FAILURES.labels(reason).inc()

    def check(self, headers: Headers) -> None:
        """Checks that a request with a body can be served at all.

        Raises:
            NotReady: The models are still loading.
            Draining: This process is shutting down.
            InvalidParameter: The body has an unsupported encoding.
        """
        self._readiness.check()
        if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise InvalidParameter("a compressed body is not supported: send it without Content-Encoding")

    def rejection(self, urls: Map, environ: Mapping[str, Any]) -> Exception | None:
        """Returns why a request must be rejected based on its head, or None if its body should be received."""
        headers = EnvironHeaders(environ)  # type: ignore[arg-type]
        try:
            urls.bind_to_environ(environ).match()  # type: ignore[arg-type]
            self.check(headers)
            caller = self.authorize(headers, environ.get("REMOTE_ADDR", ""))
            length = declared_length(environ)
            if length is not None and length > self._max_body_bytes:
                raise too_large(self._max_body_bytes)
            self._admission.check_room(caller)
        except (FaceComparisonError, HTTPException) as error:
            return error
        return None


@lru_cache(maxsize=4096)  # called several times per request and for every connection
def caller_of_address(address: str) -> Caller:
    """Returns the caller that an address stands for, which the limits apply to where there is no verified API key."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return Caller(f"address:{address}", "your address")
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return Caller(f"address:{parsed.ipv4_mapped}", "your address")
        return Caller(f"address:{ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False)}", "your address")
    return Caller(f"address:{parsed}", "your address")

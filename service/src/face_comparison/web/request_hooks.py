"""What happens around every request: its id, the response to an error, common headers, metrics, and the log line."""

from __future__ import annotations

import re
import time
import uuid
from functools import partial
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from face_comparison import errors
from face_comparison.observability import logs, metrics
from face_comparison.serving.admission import Admission
from face_comparison.serving.face_service import Stages
from face_comparison.settings import Settings
from face_comparison.web import environ as environ_keys
from face_comparison.web import error_table
from face_comparison.web.health_routes import HEALTH
from face_comparison.web.public_errors import to_public_error
from face_comparison.web.rekognition import error_response
from face_comparison.web.replies import to_reply
from face_comparison.web.signed_requests import is_rekognition_request
from face_comparison.wire import responses

# Identifies the responding pods: the operator accepts a response at a URL only from the resource's own pods.
IDENTITY_HEADER = "X-Face-Comparison-Identity"
EXPOSED_HEADERS = "X-Request-Id, Retry-After, Server-Timing, x-amzn-RequestId, x-amzn-ErrorType"
ALLOWED_HEADERS = (
    "Content-Type, Accept, Authorization, X-Api-Key, X-Request-Id, "
    # Sent by AWS's SDK for JavaScript from a browser.
    "X-Amz-Target, X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token, X-Amz-User-Agent, "
    "Amz-Sdk-Invocation-Id, Amz-Sdk-Request"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_RETRIABLE = (errors.Overloaded, errors.Draining, errors.NotReady)


def register_hooks(app: Flask, settings: Settings, admission: Admission) -> None:
    """Adds what happens before and after each request: its id, headers that all responses have, and its log line."""
    stage = settings.stage

    def begin() -> None:
        g.started = time.monotonic()
        g.stages = Stages()
        g.outcome = "ok"
        client_request_id = request.headers.get("X-Request-Id", "")
        g.request_id = client_request_id if _REQUEST_ID.fullmatch(client_request_id) else uuid.uuid4().hex
        rejection = environ_keys.rejection(request.environ)
        if rejection is not None:
            raise rejection

    def failed(error: Exception) -> Response | WerkzeugResponse:
        failure = to_public_error(error)
        g.outcome = failure.code
        if is_rekognition_request():
            response = error_response(failure)
        else:
            response = to_reply(responses.to_error_response(failure, g.request_id), error_table.status(failure))
        if isinstance(error, HTTPException):
            response.headers.extend((k, v) for k, v in error.get_headers() if k == "Allow")
        if isinstance(failure, errors.Unauthorized):
            response.headers["WWW-Authenticate"] = 'Bearer realm="face_comparison"'
        if isinstance(failure, (*_RETRIABLE, errors.StoreUnavailable)):
            if isinstance(failure, _RETRIABLE) and request.endpoint not in HEALTH:  # probes are not rejected requests
                metrics.REJECTED.labels(failure.code).inc()
            response.headers["Retry-After"] = str(admission.retry_after)
        return response

    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        if settings.identity:
            response.headers[IDENTITY_HEADER] = settings.identity
        response.headers.setdefault("Cache-Control", "no-store")
        # The path of a malformed request is unknown, so it may have been meant for the stage.
        under_stage = request.path == f"/{stage}" or request.path.startswith(f"/{stage}/")
        if under_stage or environ_keys.rejection(request.environ) is not None:
            _allow_every_origin(response)
        if g.stages.seconds:
            response.headers["Server-Timing"] = ", ".join(
                f"{name};dur={1000 * seconds:.2f}" for name, seconds in g.stages.seconds.items()
            )
        _record(response)
        return response

    app.before_request(begin)
    app.register_error_handler(Exception, failed)
    app.after_request(finish)


def _allow_every_origin(response: Response) -> None:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS" and "Allow" in response.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = "7200"


def _record(response: Response) -> None:
    seconds = time.monotonic() - g.started
    # A browser's preflight request before a cross-origin request is not a request to the endpoint itself.
    route = "preflight" if request.method == "OPTIONS" else request.endpoint or "unmatched"
    metrics.REQUESTS.labels(route, response.status_code).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)
    if g.get("key_label") is not None:
        metrics.KEY_REQUESTS.labels(g.key_label, response.status_code).inc()
    fields: dict[str, Any] = {
        "id": g.request_id,
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "outcome": g.outcome,
        "seconds": round(seconds, 6),
        "bytes_in": g.get("received", 0),
        # The length of a stream is not known yet, and computing it would read everything into memory.
        "bytes_out": (response.calculate_content_length() if response.is_sequence else None) or 0,
    }
    if g.stages.seconds:
        fields["phases"] = {name: round(value, 6) for name, value in g.stages.seconds.items()}
        fields |= {"images": g.stages.images, "faces": g.stages.faces}
    if "targets" in g:
        fields["targets"] = g.targets
    if "client" in g:
        fields["client"] = g.client
    if route not in HEALTH or response.status_code >= 400:
        later = request.environ.get(environ_keys.LATER)
        if later is None:
            logs.request(fields)
        else:
            later(partial(logs.request, fields))

"""The HTTP application: routes, and the order in which requests are checked.

A POST request passes readiness and authorization checks on its head, then admission control with its body. All expected
failures in the layers below are FaceComparisonErrors, which only this module turns into responses; any other exception
is logged and reported as `internal`, without details in the response. Only the modules in this folder import Flask.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, g, redirect, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from face_comparison import cancellation, errors, request_memory
from face_comparison.api import encoding
from face_comparison.api import responses as api
from face_comparison.errors import FaceComparisonError
from face_comparison.observability import logs, metrics
from face_comparison.rekognition.signature import signer
from face_comparison.serving.admission import Admission, Caller, Permit
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.serving.face_service import FaceService, Fetcher, Stages
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import Analyzer, ModelInfo
from face_comparison.web import environ as environ_keys
from face_comparison.web import error_table, openapi_document, request_body
from face_comparison.web.auth import ApiKeys
from face_comparison.web.client_address import environ_address, trust_proxies
from face_comparison.web.collections import (
    AnyResponse,
    CollectionRoutes,
    has_collections,
    is_collection_path,
    register_collections,
)
from face_comparison.web.permissions import DETECT, Permission, check_permissions
from face_comparison.web.rekognition import (
    error_response,
    is_rekognition_request,
    register_rekognition,
    verify_signed_request,
)
from face_comparison.web.request_gate import RequestGate
from face_comparison.web.static_files import StaticFile, static_file, static_files
from face_comparison.wire import requests, responses
from face_comparison.wire.formats import MESSAGE_PACK_TYPES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Identifies the responding pods: the operator accepts a response at a URL only from the resource's own pods.
IDENTITY_HEADER = "X-Face-Comparison-Identity"
EXPOSED_HEADERS = "X-Request-Id, Retry-After, Server-Timing, x-amzn-RequestId, x-amzn-ErrorType"
ALLOWED_HEADERS = (
    "Content-Type, Accept, Authorization, X-Api-Key, X-Request-Id, "
    # Sent by AWS's SDK for JavaScript from a browser.
    "X-Amz-Target, X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token, X-Amz-User-Agent, "
    "Amz-Sdk-Invocation-Id, Amz-Sdk-Request"
)

_EXPLORER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MAX_ACCEPT_BYTES = 1024
"""Maximum length of an `Accept` or `Accept-Encoding` header that is evaluated. Browsers send 150 bytes; evaluating
12 kB took 12 ms."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_RETRIABLE = (errors.Overloaded, errors.Draining, errors.NotReady)
_GATE = "face_comparison.gate"
_HEALTH = frozenset({"livez", "readyz", "ping", "metrics"})


def create_app(
    settings: Settings,
    analyzer: Analyzer,
    fetcher: Fetcher,
    admission: Admission,
    readiness: Readiness,
    collections: CollectionUpkeep | None = None,
) -> Flask:
    """Creates the WSGI application.

    `head_rejection` says which of its requests can be rejected without reading their bodies.

    Args:
        settings: The options of the service.
        analyzer: Finds faces.
        fetcher: Fetches images by URL.
        admission: Admission control.
        readiness: Whether this process accepts requests.
        collections: The collection service; None if there is no store.

    Raises:
        InvalidSettings: The API keys file is invalid.
    """
    keys = ApiKeys(settings.api_keys_file) if settings.auth == "api-key" and settings.api_keys_file else None
    gate = RequestGate(readiness, keys, admission, settings.max_body_bytes)
    app = Flask("face_comparison", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    _observe(app, settings, admission)
    _serve_health(app, settings, readiness, collections)  # first, so that no stage name hides a probe
    faces = FaceService(analyzer, fetcher, settings.max_side)
    endpoint = _serve_faces(app, settings, faces, admission, gate, keys)
    register_rekognition(app, settings.stage, endpoint, faces, None if collections is None else collections.service)
    if collections is not None:
        register_collections(app, settings.stage, CollectionRoutes(endpoint, faces, collections.service))
    _serve_documents(app, settings, analyzer)
    if settings.former_stage:
        app.wsgi_app = alias_stage(app.wsgi_app, settings.former_stage, settings.stage)  # type: ignore[assignment, method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = trust_proxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[assignment, method-assign]
    app.extensions[_GATE] = gate
    return app


def head_rejection(app: Flask, settings: Settings, environ: WSGIEnvironment) -> Exception | None:
    """Returns why the application rejects a request based on its head alone, or None if it needs the body."""
    gate: RequestGate = app.extensions[_GATE]
    path = former_path(environ["PATH_INFO"], settings.former_stage, settings.stage)
    address = environ_address(environ, settings.trusted_proxies)
    return gate.rejection(app.url_map, environ | {"PATH_INFO": path, "REMOTE_ADDR": address})


def alias_stage(application: WSGIApplication, former: str, stage: str) -> WSGIApplication:
    """Wraps `application` so that paths under the stage `former` are served like those under `stage`."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = former_path(environ.get("PATH_INFO", ""), former, stage)
        return application(environ, start_response)

    return answer


def former_path(path: str, former: str | None, stage: str) -> str:
    """Returns `path` with the stage `former` replaced by `stage`; paths under other stages are returned unchanged."""
    if former and path.startswith(f"/{former}/"):
        return f"/{stage}/{path.removeprefix(f'/{former}/')}"
    return path


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """See `web.collections.Endpoint`."""

    answer: Callable[..., Response]
    answer_head: Callable[..., Response]
    answer_stream: Callable[..., Response]


# --- API endpoints -----------------------------------------------------------------------------------------


def _serve_faces(
    app: Flask,
    settings: Settings,
    service: FaceService,
    admission: Admission,
    gate: RequestGate,
    keys: ApiKeys | None,
) -> _Endpoint:
    def identify(*permissions: Permission) -> Caller:
        caller = gate.authorize(request.headers, request.remote_addr or "")
        if keys is not None:
            g.client, g.key_label = _named(keys, caller)
            check_permissions(keys.permissions(g.client), permissions)
        return caller

    def authorize(*permissions: Permission) -> Caller:
        """Authorizes a request without a body: its signature covers an empty body."""
        caller = identify(*permissions)
        if keys is not None:
            verify_signed_request(keys, gate, b"")
        return caller

    def answer(handle: Callable[[request_body.Received, Permit], AnyResponse], *permissions: Permission) -> Response:
        gate.check(request.headers)
        caller = identify(*permissions)
        deadline = _deadline(settings)
        g.stages.add("read", max(0.0, time.monotonic() - (deadline - settings.request_seconds)))
        with (
            admission.admit(deadline, caller) as permit,
            _cancelled_with_client(permit),
            metrics.IN_FLIGHT.track_inprogress(),
        ):
            body = request_body.received(request.environ, settings.max_body_bytes)
            g.received = len(body)
            if keys is not None:
                verify_signed_request(keys, gate, body)
            with cancellation.working_for(permit), request_memory.charged_by(permit.charge):
                return _answer(handle(body, permit))

    def handle_detect(body: request_body.Received, permit: Permit) -> api.Response:
        wanted = requests.detect_request(body, request.headers.get("Content-Type", ""), request.args)
        return responses.to_detect_response(service.detect(wanted, permit, g.stages), service.model.version)

    def handle_compare(body: request_body.Received, permit: Permit) -> api.Response:
        wanted = requests.compare_request(
            body, request.headers.get("Content-Type", ""), service.model.version, request.args
        )
        g.targets = len(wanted.targets)
        found = service.compare(wanted, permit, g.stages)
        targets = [to_public_error(target) if isinstance(target, Exception) else target for target in found.targets]
        return responses.to_compare_response(found.source, targets, found.threshold, service.model.version)

    def answer_head(handle: Callable[[], AnyResponse], *permissions: Permission) -> Response:
        gate.check(request.headers)
        caller = authorize(*permissions)
        with admission.admit(_deadline(settings), caller):
            return _answer(handle())

    def answer_stream(handle: Callable[[], Iterator[bytes]], media_type: str, *permissions: Permission) -> Response:
        gate.check(request.headers)
        caller = authorize(*permissions)
        with ExitStack() as stack:
            permit = stack.enter_context(admission.admit(_deadline(settings), caller))
            stack.enter_context(_cancelled_with_client(permit))
            stack.enter_context(metrics.IN_FLIGHT.track_inprogress())
            parts = handle()
            if request.method == "HEAD":
                return Response(content_type=media_type)
            return Response(_paced(parts, permit, settings, stack.pop_all()), content_type=media_type)

    def detect() -> Response:
        return answer(handle_detect, DETECT)

    def compare() -> Response:
        return answer(handle_compare, DETECT)

    def describe() -> Response:
        authorize()
        return _answer(openapi_document.description(settings, service.model, _granted(keys)))

    for name in ("face_comparison", "face-comparison"):
        path = f"/{settings.stage}/{name}"
        app.add_url_rule(path, "face_comparison", detect, methods=["POST"])
        app.add_url_rule(f"{path}/compare", "compare", compare, methods=["POST"])
        app.add_url_rule(path, "description", describe, methods=["GET"])
    app.add_url_rule("/invocations", "invocations", detect, methods=["POST"])
    return _Endpoint(answer, answer_head, answer_stream)


def _deadline(settings: Settings) -> float:
    """Returns the deadline of the current request."""
    return request_body.deadline(request.environ, settings.request_seconds)


def _paced(parts: Iterator[bytes], permit: Permit, settings: Settings, held: ExitStack) -> Iterator[bytes]:
    """Yields the parts of a response, each of which must be computed and sent within the maximum duration of a request.

    The request keeps its place in the queue until the end; if other requests need the place, the response is aborted.

    Args:
        parts: The parts.
        permit: The permit of the request; its deadline is extended after each part.
        settings: The options of the service.
        held: Released at the end.
    """
    with held:
        for part in parts:
            permit.check()
            yield part
            permit.check()
            permit.deadline = time.monotonic() + settings.request_seconds


def _granted(keys: ApiKeys | None) -> tuple[str, ...] | None:
    """Returns the permissions of this request's key, or None if keys are not required."""
    return None if keys is None else tuple(sorted(keys.permissions(g.client)))


@contextmanager
def _cancelled_with_client(permit: Permit) -> Iterator[None]:
    """Cancels a request when its client disconnects."""
    client = request.environ.get(environ_keys.CLIENT)
    if not isinstance(client, environ_keys.ClientConnection):  # running under another WSGI server
        yield
        return
    client.on_gone(permit, lambda: permit.cancel(errors.ClientDisconnected("the client has disconnected")))
    try:
        yield
    finally:
        client.forget(permit)


# --- documents and health --------------------------------------------------------------------------------------------


def _serve_documents(app: Flask, settings: Settings, analyzer: Analyzer) -> None:
    stage = settings.stage
    package = resources.files("face_comparison")
    files = static_files(package / "explorer")
    files["sample.jpg"] = static_file("sample.jpg", (package / "sample.jpg").read_bytes())

    @cache
    def described(model: ModelInfo) -> StaticFile:
        return static_file("openapi.json", encoding.encode(openapi_document.document(settings, model), encoding.JSON))

    def send_openapi() -> Response:
        return file_response(described(analyzer.model))

    def explorer(name: str = "index.html") -> Response:
        if name not in files:
            raise errors.NotFound("the API Explorer has no such file")
        response = file_response(files[name])
        response.headers["Content-Security-Policy"] = _EXPLORER_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def to_explorer() -> WerkzeugResponse:
        return redirect(f"/{stage}/", 308)

    app.add_url_rule(f"/{stage}/openapi.json", "openapi", send_openapi)
    app.add_url_rule(f"/{stage}/", "explorer", explorer, strict_slashes=True)
    app.add_url_rule(f"/{stage}/explorer/<path:name>", "explorer", explorer)
    app.add_url_rule(f"/{stage}", "to_explorer", to_explorer, strict_slashes=True)
    app.add_url_rule("/", "to_explorer", to_explorer)


def file_response(file: StaticFile) -> Response:
    """Returns a static file, compressed if the client accepts that, or 304 if the client already has it."""
    response = Response(file.content, content_type=file.media_type)
    if file.gzipped is not None:
        response.vary.add("Accept-Encoding")
        if _is_short("Accept-Encoding") and request.accept_encodings.quality("gzip") > 0:
            response.set_data(file.gzipped)
            response.content_encoding = "gzip"
    response.set_etag(file.etag, weak=True)
    response.cache_control.no_cache = True
    response.make_conditional(request)
    return response


def _serve_health(app: Flask, settings: Settings, readiness: Readiness, collections: CollectionUpkeep | None) -> None:
    def livez() -> Response:
        return _answer(api.Status("alive"))

    def readyz() -> Response:
        readiness.check_all()
        if "verbose" not in request.args:
            return _answer(api.Status("ready"))
        # A store failure does not affect readiness: detection and comparison work without the store.
        state = {"status": "disabled"} if collections is None else collections.state
        return _answer(api.Status("ready", state))

    shared = metrics.Exposition(metrics.exposition)

    def exposition() -> Response:
        started = _deadline(settings) - settings.request_seconds
        return Response(shared.text(started), content_type=metrics.CONTENT_TYPE)

    app.add_url_rule("/livez", "livez", livez)
    app.add_url_rule("/readyz", "readyz", readyz)
    app.add_url_rule("/ping", "ping", readyz)
    app.add_url_rule("/metrics", "metrics", exposition)


# --- around every request --------------------------------------------------------------------------------------------


def _observe(app: Flask, settings: Settings, admission: Admission) -> None:
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
            response = _answer(responses.to_error_response(failure, g.request_id), error_table.status(failure))
        if isinstance(error, HTTPException):
            response.headers.extend((k, v) for k, v in error.get_headers() if k == "Allow")
        if isinstance(failure, errors.Unauthorized):
            response.headers["WWW-Authenticate"] = 'Bearer realm="face_comparison"'
        if isinstance(failure, (*_RETRIABLE, errors.StoreUnavailable)):
            if isinstance(failure, _RETRIABLE) and request.endpoint not in _HEALTH:  # probes are not rejected requests
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


def to_public_error(error: Exception) -> FaceComparisonError:
    """Returns the error to report to the caller. Details of the service's own failures are only logged."""
    known = error if isinstance(error, FaceComparisonError) else map_http_exception(error)
    if known is not None and error_table.status(known) != 500:
        return known
    logs.failure("a request failed", error, id=g.request_id)
    return FaceComparisonError(FaceComparisonError.example)


def map_http_exception(error: Exception) -> FaceComparisonError | None:
    """Maps Flask's own HTTP exceptions to our errors; returns None for an unexpected one."""
    match getattr(error, "code", None) if isinstance(error, HTTPException) else None:
        case 404:
            if is_collection_path(request.path) and not has_collections(current_app):
                return errors.CollectionsDisabled(errors.CollectionsDisabled.example)
            return errors.NotFound("there is nothing at this path")
        case 405:
            return errors.MethodNotAllowed(errors.MethodNotAllowed.example)
        case 413:
            return errors.BodyTooLarge("the body is too large")
        case int(code) if 400 <= code < 500:
            return errors.InvalidParameter("the request is malformed")
    return None


def _named(keys: ApiKeys, caller: Caller) -> tuple[str, str | None]:
    """Returns the name of the key that the request claims to have, and its label in metrics."""
    name = signer(request.headers) or caller.key.removeprefix("key:")
    return name, keys.label(name)


def _allow_every_origin(response: Response) -> None:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS" and "Allow" in response.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = "7200"


def _is_short(name: str) -> bool:
    """Returns whether a header of the request is short enough to be evaluated."""
    return len(request.headers.get(name, "")) <= _MAX_ACCEPT_BYTES


def _answer(response: AnyResponse, status: int = 200) -> Response:
    media_type: encoding.MediaType = encoding.JSON
    if _is_short("Accept"):
        # Parameters, such as a charset, do not select another format; werkzeug would not match a type that has any.
        accepts = MIMEAccept([(each.partition(";")[0].strip(), quality) for each, quality in request.accept_mimetypes])
        accepted = accepts.best_match((encoding.JSON, *MESSAGE_PACK_TYPES), encoding.JSON)
        media_type = encoding.JSON if accepted == encoding.JSON else encoding.MESSAGE_PACK
    body = encoding.encode(response, media_type)
    return Response(body, status, content_type=media_type, headers={"Vary": "Accept"})


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
    if route not in _HEALTH or response.status_code >= 400:
        later = request.environ.get(environ_keys.LATER)
        if later is None:
            logs.request(fields)
        else:
            later(partial(logs.request, fields))

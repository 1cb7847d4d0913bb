"""What the service says of itself: the OpenAPI document and the short description. Pure: settings in, documents out.

Bounds, defaults and the statuses of errors come from where they are enforced, so that neither can say anything else
than what the service does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from face_comparison import __version__, errors
from face_comparison.errors import FaceComparisonError
from face_comparison.image.formats import MEDIA_TYPES, READABLE
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.vision.types import HASH_SIZE
from face_comparison.web import openapi_collections, openapi_schemas
from face_comparison.web.openapi_schemas import MEANINGS, Schema, ref
from face_comparison.wire.formats import MAX_TARGETS
from face_comparison.wire.requests import MAX_FACES

Statuses = Mapping[type[FaceComparisonError], int]

_ALWAYS = (FaceComparisonError, errors.NotReady)
_AUTH = (errors.Unauthorized, errors.Forbidden)
_IMAGE = (
    errors.InvalidJson,
    errors.InvalidParameter,
    errors.MissingImage,
    errors.InvalidBase64,
    errors.UnsupportedFormat,
    errors.CorruptImage,
    errors.ImageTooLarge,
    errors.UrlNotAllowed,
    errors.BodyTooLarge,
    errors.Overloaded,
    errors.UrlFetchFailed,
    errors.Draining,
    errors.UrlFetchTimeout,
    errors.DeadlineExceeded,
)
_COMPARISON = (errors.NoFace, errors.HashVersionMismatch, errors.InvalidFaceHash)
_BINARY: Schema = {"type": "string", "format": "binary"}


def description(settings: Settings, model: ModelInfo) -> dict[str, Any]:
    """What answers `GET` at the endpoint: names, versions and limits."""
    base = f"/{settings.stage}"
    return {
        "name": "face_comparison",
        "version": __version__,
        "FaceModelVersion": model.version,
        "endpoints": {
            "detect": f"POST {base}/face_comparison",
            "compare": f"POST {base}/face_comparison/compare",
            "openapi": f"GET {base}/openapi.json",
            "explorer": f"GET {base}/",
            **({"collections": f"GET {base}/face_comparison/collections"} if has_collections(settings) else {}),
        },
        "auth": settings.auth,
        "formats": [each.label.lower() for each in READABLE],
        "defaults": {"min_confidence": model.min_confidence, "threshold": model.threshold, "max_faces": MAX_FACES},
        "limits": _limits(settings),
    }


def has_collections(settings: Settings) -> bool:
    """Whether the service has a store of collections."""
    return settings.collections is not None or settings.collections_file is not None


def _limits(settings: Settings) -> dict[str, Any]:
    return {
        "max_body_bytes": settings.max_body_bytes,
        "max_fetch_bytes": settings.max_fetch_bytes,
        "max_side_pixels": settings.max_side,
        "max_faces": MAX_FACES,
        "max_targets": MAX_TARGETS,
        "face_hash_numbers": HASH_SIZE,
        "request_seconds": settings.request_seconds,
        "fetch_seconds": settings.fetch_seconds,
        "queue": settings.queue,
    }


def document(settings: Settings, model: ModelInfo, statuses: Statuses) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the service as it runs. statuses: HTTP status of every error."""
    codes = sorted({error.code for error, status in statuses.items() if status != 500} | {FaceComparisonError.code})
    closed = settings.auth == "api-key"
    operations = _Operations(statuses, closed)
    detect = _detect(operations, model)
    base = f"/{settings.stage}"
    components: dict[str, Any] = {
        "schemas": openapi_schemas.schemas(model.version, model.threshold, model.min_confidence, codes),
        "headers": {
            "X-Request-Id": {
                "description": "The request's own, when it sent a sane one, else a new one.",
                "schema": {"type": "string"},
            },
            "Retry-After": {"description": "Whole seconds.", "schema": {"type": "integer", "minimum": 1}},
        },
        "parameters": {
            "X-Request-Id": {
                "name": "X-Request-Id",
                "in": "header",
                "description": "Identifies the request in the reply and in the service's log.",
                "schema": {"type": "string"},
            }
        },
    }
    if closed:
        components["securitySchemes"] = {
            "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "Bearer": {"type": "http", "scheme": "bearer"},
        }
    collections = {}
    if has_collections(settings):
        path = f"{base}/face_comparison/collections"
        always = (*_ALWAYS, *(_AUTH if closed else ()))
        collections = openapi_collections.collection_paths(path, operations, always, _IMAGE, model.version)
        components["schemas"] |= openapi_collections.collection_schemas(model.version, components["schemas"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FaceComparison",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": _introduction(settings, model),
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "faces", "description": "Find faces, compare faces."},
            *([openapi_collections.TAG] if collections else []),
            {"name": "about", "description": "What runs here."},
            {"name": "health", "description": "For probes and monitoring; never closed by API keys."},
        ],
        "paths": {
            f"{base}/face_comparison": {
                "post": {"operationId": "detect", **detect},
                "get": operations.get("description", "The endpoint, its version and limits", "about", closed=closed),
            },
            f"{base}/face_comparison/compare": {"post": _compare(operations, model)},
            **collections,
            "/invocations": {"post": {"operationId": "invocations", **detect}},
            f"{base}/openapi.json": {"get": operations.get("openapi", "This document", "about")},
            f"{base}/": {"get": operations.get("explorer", "The API Explorer", "about", "text/html", ready=True)},
            "/livez": {"get": operations.get("livez", "Whether the process answers", "health", ready=True)},
            "/readyz": {"get": operations.get("readyz", "Whether images can be analyzed", "health", drains=True)},
            "/ping": {"get": operations.get("ping", "The same as /readyz", "health", drains=True)},
            "/metrics": {"get": operations.get("metrics", "Prometheus metrics", "health", "text/plain", ready=True)},
        },
        "components": components,
        # What a page needs before it may have an API key; the description itself is closed by one.
        "x-service": description(settings, model),
    }


def _introduction(settings: Settings, model: ModelInfo) -> str:
    limits = "\n".join(f"- `{name}`: {value}" for name, value in _limits(settings).items())
    return (
        f"Finds faces in images and says whether two are the same person. Model: `{model.version}`.\n\n"
        "`face-comparison` may be written for `face_comparison`, and a path may end in a slash. JSON is understood "
        "whatever `Content-Type` says. Replies come as MessagePack when `Accept` asks for `application/msgpack`.\n\n"
        f"Limits of this service:\n{limits}\n"
    )


class _Operations:
    """Builds operations whose errors have the statuses of the service's own table."""

    def __init__(self, statuses: Statuses, closed: bool) -> None:
        self._statuses = statuses
        self._closed = closed

    def post(
        self,
        summary: str,
        request: Schema,
        reply: Schema,
        failures: Iterable[type[FaceComparisonError]],
    ) -> Schema:
        """A POST of the API. request: media type to its content. reply: the content of its 200."""
        auth = _AUTH if self._closed else ()
        return {
            "tags": ["faces"],
            "summary": summary,
            "parameters": [{"$ref": "#/components/parameters/X-Request-Id"}],
            "requestBody": {"required": True, "content": request},
            "responses": {
                "200": _response("Answered.", reply),
                **self.failures((*_ALWAYS, *auth, *failures)),
            },
            **self.security(),
        }

    def get(
        self,
        name: str,
        summary: str,
        tag: str,
        media_type: str = "application/json",
        *,
        closed: bool = False,
        ready: bool = False,
        drains: bool = False,
    ) -> Schema:
        """A GET. closed: needs an API key. ready: answers even before the models are loaded."""
        schema: Schema = {"type": "object"} if media_type == "application/json" else {"type": "string"}
        failures = (
            *((FaceComparisonError,) if ready else _ALWAYS),
            *(_AUTH if closed else ()),
            *((errors.Draining,) if drains else ()),
        )
        return {
            "operationId": name,
            "tags": [tag],
            "summary": summary,
            "responses": {
                "200": _response("Answered.", {media_type: {"schema": schema}}),
                **self.failures(failures),
            },
            **(self.security() if closed else {}),
        }

    def reply(self, content: Schema) -> Schema:
        """The response of a success."""
        return _response("Answered.", content)

    def security(self) -> Schema:
        """What a caller needs, where keys are needed."""
        return {"security": [{"ApiKey": []}, {"Bearer": []}]} if self._closed else {}

    def failures(self, failures: Iterable[type[FaceComparisonError]]) -> Schema:
        """The responses of these errors, by status."""
        by_status: dict[int, list[str]] = {}
        for failure in failures:
            by_status.setdefault(self._statuses[failure], []).append(failure.code)
        return {str(status): _failure(status, codes) for status, codes in sorted(by_status.items())}


def _response(text: str, content: Schema, **headers: str) -> Schema:
    names = {"X-Request-Id": "X-Request-Id", **headers}
    return {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{header}"} for name, header in names.items()},
        "content": content,
    }


def _failure(status: int, codes: list[str]) -> Schema:
    retry = {"Retry-After": "Retry-After"} if status in (429, 503) else {}
    examples = {
        code: {"value": {"error": {"code": code, "message": MEANINGS[code], "request_id": "5f0c6a52b1d94c5e"}}}
        for code in codes
    }
    text = "\n".join(f"- `{code}`: {MEANINGS[code]}" for code in codes)
    return _response(
        f"{HTTPStatus(status).phrase}.\n\n{text}",
        {"application/json": {"schema": ref("Error"), "examples": examples}},
        **retry,
    )


def _detect(operations: _Operations, model: ModelInfo) -> Schema:
    request, reply = openapi_schemas.detect_examples(model.version)
    form: Schema = {
        "type": "object",
        "properties": {
            "img": {**_BINARY, "description": "The image as a file, or as base64 text."},
            "url": {"type": "string"},
            "max_faces": {"type": "integer", "minimum": 1, "maximum": MAX_FACES},
            "min_confidence": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "description": "One of `img` and `url` is required.",
    }
    operation = operations.post(
        "Faces of one image",
        {
            "application/json": {"schema": ref("DetectRequest"), "example": request},
            "multipart/form-data": {"schema": form},
            "application/msgpack": {"schema": {**ref("DetectRequest"), "description": "`img` as raw bytes."}},
            **{media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES},
        },
        {
            "application/json": {"schema": ref("DetectReply"), "example": reply},
            "application/msgpack": {
                "schema": {**ref("DetectReply"), "description": "`face_hash` as 768 little-endian float32."}
            },
        },
        _IMAGE,
    )
    bounds: Mapping[str, Schema] = {
        "max_faces": {"type": "integer", "minimum": 1, "maximum": MAX_FACES},
        "min_confidence": {"type": "number", "minimum": 0, "maximum": 1},
    }
    operation["parameters"] += [
        {"name": name, "in": "query", "description": "For bodies that have no such field.", "schema": schema}
        for name, schema in bounds.items()
    ]
    return operation


def _compare(operations: _Operations, model: ModelInfo) -> Schema:
    request, reply = openapi_schemas.compare_examples(model.version, model.threshold)
    form: Schema = {
        "type": "object",
        "properties": {
            "source": {**_BINARY, "description": "An image as a file, or its URL as text."},
            "target": {
                "type": "array",
                "items": _BINARY,
                "minItems": 1,
                "maxItems": MAX_TARGETS,
                "description": "Images as files, or their URLs as text.",
            },
            "threshold": {"type": "number", "minimum": 0, "maximum": 2},
        },
        "required": ["source", "target"],
    }
    operation = operations.post(
        "Whether faces are the same person",
        {
            "application/json": {"schema": ref("CompareRequest"), "example": request},
            "multipart/form-data": {"schema": form},
            "application/msgpack": {
                "schema": {**ref("CompareRequest"), "description": "`img` and `face_hash` as raw bytes."}
            },
        },
        {
            "application/json": {"schema": ref("CompareReply"), "example": reply},
            "application/msgpack": {"schema": ref("CompareReply")},
        },
        (*_IMAGE, *_COMPARISON),
    )
    return {"operationId": "compare", **operation}

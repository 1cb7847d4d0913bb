"""Builds the OpenAPI document from the settings.

Bounds, defaults, and error statuses are taken from the code that enforces them, so the document cannot differ from what
the service does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from face_comparison import __version__
from face_comparison.api.limits import MAX_FACES, MAX_TARGETS
from face_comparison.image.formats import MEDIA_TYPES
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.web import (
    endpoint_description,
    error_table,
    openapi_collection_schemas,
    openapi_collections,
    openapi_schemas,
)
from face_comparison.web.openapi_operations import Operations
from face_comparison.web.openapi_schemas import Schema, ref

_BINARY: Schema = {"type": "string", "format": "binary"}
_TEXT: Schema = {"type": "string"}


def document(settings: Settings, model: ModelInfo) -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document of the running service."""
    codes = sorted(error.code for error in error_table.public())
    closed = settings.auth == "api-key"
    operations = Operations(closed)
    detect = _detect(operations, model)
    base = f"/{settings.stage}"
    readiness: dict[str, Any] = {"tag": "health", "schema": ref("Status"), "contexts": ("readiness",)}
    components: dict[str, Any] = {
        "schemas": openapi_schemas.schemas(model, codes),
        "headers": {
            "X-Request-Id": {
                "description": "The request's own id if it sent a valid one, otherwise a new one.",
                "schema": {"type": "string"},
            },
            "Retry-After": {"description": "Whole seconds.", "schema": {"type": "integer", "minimum": 1}},
        },
        "parameters": {
            "X-Request-Id": {
                "name": "X-Request-Id",
                "in": "header",
                "description": "Identifies the request in the response and in the service's log.",
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
    if endpoint_description.has_collections(settings):
        collections = openapi_collections.collection_paths(f"{base}/face_comparison/collections", operations, model)
        components["schemas"] |= openapi_collection_schemas.collection_schemas(model.version, components["schemas"])
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
            {"name": "faces", "description": "Detect faces, compare faces."},
            *([openapi_collections.TAG] if collections else []),
            {"name": "about", "description": "Information about this service."},
            {"name": "health", "description": "For probes and monitoring; no API key is needed."},
        ],
        "paths": {
            f"{base}/face_comparison": {
                "post": {"operationId": "detect", **detect},
                "get": operations.get(
                    "description",
                    "Describe the endpoint, its version, and its limits",
                    "about",
                    ref("ServiceDescription"),
                    contexts=("models", "keys"),
                ),
            },
            f"{base}/face_comparison/compare": {"post": _compare(operations, model)},
            **collections,
            "/invocations": {"post": {"operationId": "invocations", **detect}},
            f"{base}/openapi.json": {"get": operations.get("openapi", "This document", "about", contexts=("models",))},
            f"{base}/": {"get": operations.get("explorer", "The API Explorer", "about", _TEXT, "text/html")},
            "/livez": {"get": operations.get("livez", "Whether the process is alive", "health", ref("Status"))},
            "/readyz": {"get": operations.get("readyz", "Whether images can be analyzed", **readiness)},
            "/ping": {"get": operations.get("ping", "Same as /readyz", **readiness)},
            "/metrics": {"get": operations.get("metrics", "Prometheus metrics", "health", _TEXT, "text/plain")},
        },
        "components": components,
        # What the Explorer needs before it has an API key; the description itself requires one.
        "x-service": msgspec.to_builtins(endpoint_description.description(settings, model)),
        # The status of every error code, including those that no operation lists.
        "x-errors": {error.code: error_table.ERRORS[error].status for error in error_table.public()},
    }


def _introduction(settings: Settings, model: ModelInfo) -> str:
    limits = "\n".join(
        f"- `{name}`: {value}" for name, value in msgspec.structs.asdict(endpoint_description.limits(settings)).items()
    )
    return (
        f"Finds faces in images and says whether two belong to the same person. Model: `{model.version}`.\n\n"
        "`face-comparison` is accepted for `face_comparison`, and a path may end with a slash. JSON is accepted "
        "whatever `Content-Type` says. Responses are MessagePack when `Accept` asks for `application/msgpack`.\n\n"
        f"Limits of this service:\n{limits}\n"
    )


def _detect(operations: Operations, model: ModelInfo) -> Schema:
    request, response = openapi_schemas.detect_examples(model.version)
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
        "Detect the faces in an image",
        {
            "application/json": {"schema": ref("DetectRequest"), "example": request},
            "multipart/form-data": {"schema": form},
            "application/msgpack": {"schema": {**ref("DetectRequest"), "description": "`img` as raw bytes."}},
            **{media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES},
        },
        {
            "application/json": {"schema": ref("DetectResponse"), "example": response},
            "application/msgpack": {
                "schema": {**ref("DetectResponse"), "description": "`face_hash` as 768 little-endian float32."}
            },
        },
        ("image",),
    )
    bounds: Mapping[str, Schema] = {
        "max_faces": {"type": "integer", "minimum": 1, "maximum": MAX_FACES},
        "min_confidence": {"type": "number", "minimum": 0, "maximum": 1},
    }
    operation["parameters"] += [
        {"name": name, "in": "query", "description": "For bodies without such a field.", "schema": schema}
        for name, schema in bounds.items()
    ]
    return operation


def _compare(operations: Operations, model: ModelInfo) -> Schema:
    request, response = openapi_schemas.compare_examples(model.version, model.threshold)
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
        "Compare the face in one image with those in others",
        {
            "application/json": {"schema": ref("CompareRequest"), "example": request},
            "multipart/form-data": {"schema": form},
            "application/msgpack": {
                "schema": {**ref("CompareRequest"), "description": "`img` and `face_hash` as raw bytes."}
            },
        },
        {
            "application/json": {"schema": ref("CompareResponse"), "example": response},
            "application/msgpack": {"schema": ref("CompareResponse")},
        },
        ("image", "hash", "face"),
    )
    return {"operationId": "compare", **operation}

"""Describes the collection operations for the OpenAPI document: one row per operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from face_comparison.image.formats import MEDIA_TYPES
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.web import openapi_collection_examples
from face_comparison.web.error_table import Context
from face_comparison.web.openapi_collection_schemas import BINARY, COLLECTION_ID, FIELDS, PAGE, USER_ID, UUID
from face_comparison.web.openapi_schemas import Schema, ref
from face_comparison.wire.transfer import NDJSON

TAG = {"name": "collections", "description": "Enroll people, identify faces (1:N), erase people."}

_STORE: tuple[Context, ...] = ("models", "keys", "admission", "store")
_NAMED: tuple[Context, ...] = (*_STORE, "named")
_JSON: tuple[Context, ...] = (*_NAMED, "body", "json")
_IMAGE: tuple[Context, ...] = (*_JSON, "image", "hash", "search")

_PAGED: Mapping[str, Schema] = {
    "MaxResults": {**PAGE, "description": "Items per page."},
    "NextToken": {"type": "string", "description": "The NextToken of the previous page."},
}
_OF_USER: Mapping[str, Schema] = {"UserId": {**USER_ID, "description": "Only faces of this user."}}
_PATH_PARAMETERS: Mapping[str, tuple[Schema, str]] = {
    "CollectionId": (COLLECTION_ID, "The collection."),
    "UserId": (USER_ID, "The user."),
    "FaceId": (UUID, "The face."),
    "ErasureId": (UUID, "From a receipt."),
}
_ONE, _FACES, _USERS = "/{CollectionId}", "/{CollectionId}/faces", "/{CollectionId}/users"
_LINES = "lines"
"""In place of the name of a schema: one `ExportedFace` per line."""


class Operations(Protocol):
    """Builds the responses of an operation; see `openapi_document`."""

    def outcomes(self, response: Schema, contexts: tuple[Context, ...]) -> Schema:
        """Returns the responses of an operation, errors included, and its security requirement."""
        ...


class _Operation(NamedTuple):
    """An operation on collections.

    Attributes:
        method: HTTP method.
        path: Path below that of the collections.
        name: Operation ID.
        summary: Summary in one line.
        response: Name of the response's schema, or _LINES.
        contexts: Aspects of the operation that may fail.
        request: Name of the request's schema, or _LINES; None for an operation without a body.
        query: Schemas of the query parameters, by name.
    """

    method: str
    path: str
    name: str
    summary: str
    response: str
    contexts: tuple[Context, ...] = _NAMED
    request: str | None = None
    query: Mapping[str, Schema] = {}


OPERATIONS = (
    _Operation("post", "", "createCollection", "Create a collection", "CollectionDescription",
               (*_STORE, "creation", "body", "json"), "CreateCollectionRequest"),
    _Operation("get", "", "listCollections", "List collections", "CollectionPage", _STORE, query=_PAGED),
    _Operation("get", _ONE, "describeCollection", "Describe a collection", "CollectionDescription"),
    _Operation("delete", _ONE, "deleteCollection", "Delete a collection and everything in it", "Erasure"),
    _Operation("post", _FACES, "enrollFaces", "Enroll the faces in an image", "EnrollResponse",
               (*_IMAGE, "face", "enrollment"), "EnrollRequest"),
    _Operation("get", _FACES, "listFaces", "List faces", "FacePage", query={**_PAGED, **_OF_USER}),
    _Operation("post", f"{_FACES}/delete", "deleteFaces", "Delete faces", "DeleteFacesResponse", _JSON,
               "DeleteFacesRequest"),
    _Operation("delete", f"{_FACES}/{{FaceId}}", "deleteFace", "Delete a face", "DeleteFacesResponse"),
    _Operation("post", f"{_ONE}/search", "searchFaces", "Identify every face in an image", "SearchResponse", _IMAGE,
               "SearchRequest"),
    _Operation("post", _USERS, "createUser", "Create a user", "User", (*_JSON, "user"), "UserRequest"),
    _Operation("get", _USERS, "listUsers", "List users", "UserPage", query=_PAGED),
    _Operation("get", f"{_USERS}/{{UserId}}", "describeUser", "Describe a user", "User"),
    _Operation("patch", f"{_USERS}/{{UserId}}", "updateUser", "Change a user's metadata or expiration", "User", _JSON,
               "UserChange"),
    _Operation("delete", f"{_USERS}/{{UserId}}", "deleteUser", "Erase a user and all of their faces", "UserErasure"),
    _Operation("post", f"{_USERS}/{{UserId}}/verify", "verifyUser",
               "Compare an image with all faces of one user (1:1)", "VerifyResponse", (*_IMAGE, "face"),
               "VerifyRequest"),
    _Operation("get", f"{_ONE}/export", "exportFaces", "Export all faces with their hashes", _LINES),
    _Operation("post", f"{_ONE}/import", "importFaces",
               "Import faces; invalid lines are reported by number, and the others are imported", "ImportResponse",
               (*_NAMED, "body", "enrollment"), _LINES),
    _Operation("get", "/erasures/{ErasureId}", "describeErasure", "Get the status of a deletion", "Erasure"),
)  # fmt: skip


def collection_paths(base: str, operations: Operations, model: ModelInfo) -> Schema:
    """Returns the paths below `base` (`/<stage>/face_comparison/collections`)."""
    examples = {**openapi_collection_examples.REQUESTS, **openapi_collection_examples.responses(model.version)}
    paths: dict[str, dict[str, Schema]] = {}
    for each in OPERATIONS:
        path = base + each.path
        fields = FIELDS.get(each.request or "", {})
        query = {
            **each.query,
            **{name: {**schema, "description": "For raw bodies."} for name, schema in fields.items()},
        }
        described: Schema = {
            "operationId": each.name,
            "tags": ["collections"],
            "summary": each.summary,
            "parameters": _parameters(path, query),
            **operations.outcomes(_response(each.response, examples), each.contexts),
        }
        if each.request is not None:
            described["requestBody"] = {"required": True, "content": _request(each.request, examples)}
        paths.setdefault(path, {})[each.method] = described
    return paths


def _response(name: str, examples: Mapping[str, Any]) -> Schema:
    if name == _LINES:
        return {NDJSON: {"schema": {"type": "string", "description": "One `ExportedFace` per line, streamed."}}}
    return {
        "application/json": {"schema": ref(name), "example": examples[name]},
        "application/msgpack": {"schema": ref(name)},
    }


def _request(name: str, examples: Mapping[str, Any]) -> Schema:
    if name == _LINES:
        return {NDJSON: {"schema": {"type": "string", "description": "One `ExportedFace` per line."}}}
    content: Schema = {"application/json": {"schema": ref(name), "example": examples[name]}}
    if name not in FIELDS:
        return {**content, "application/msgpack": {"schema": ref(name)}}
    form = {
        "type": "object",
        "properties": {"img": BINARY, "url": {"type": "string"}, **FIELDS[name]},
        "description": "One of `img` and `url` is required.",
    }
    return {
        **content,
        "multipart/form-data": {"schema": form},
        "application/msgpack": {"schema": {**ref(name), "description": "`img` and `face_hash` may be raw bytes."}},
        **{media_type: {"schema": BINARY} for media_type in MEDIA_TYPES},
    }


def _parameters(path: str, query: Mapping[str, Schema]) -> list[Schema]:
    return [
        {"$ref": "#/components/parameters/X-Request-Id"},
        *(
            {"name": name, "in": "path", "required": True, "description": text, "schema": schema}
            for name, (schema, text) in _PATH_PARAMETERS.items()
            if f"{{{name}}}" in path
        ),
        *(
            {"name": name, "in": "query", "description": schema.get("description", ""), "schema": schema}
            for name, schema in query.items()
        ),
    ]

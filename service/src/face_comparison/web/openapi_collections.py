"""Collections in the OpenAPI document: operations, and the schemas of their requests and replies. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, get_args

from face_comparison.api import collections as api
from face_comparison.api import encoding
from face_comparison.api.limits import MAX_DISTANCE, MAX_FACES
from face_comparison.collections.identifiers import MAX_FACE_IDS, MAX_PAGE, MAX_RETENTION_DAYS, MAX_SEARCH_USERS
from face_comparison.collections.quality import QualityFilter
from face_comparison.collections.results import OnDuplicate
from face_comparison.collections.service import DEFAULT_MATCHES, DEFAULT_RATE
from face_comparison.image.formats import MEDIA_TYPES
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.web.error_table import Context
from face_comparison.web.openapi_schemas import BOX_EXAMPLE, PIXEL, QUALITY_EXAMPLE, Schema, ref, to_plain
from face_comparison.wire.collection_requests import MAX_MATCHES
from face_comparison.wire.transfer import NDJSON

TAG = {"name": "collections", "description": "Enroll people, find out whose face it is (1:N), erase people."}

_RATE: Schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_DISTANCE: Schema = {"type": "number", "minimum": 0, "maximum": MAX_DISTANCE}
_UUID: Schema = {"type": "string", "format": "uuid"}
_BINARY: Schema = {"type": "string", "format": "binary"}
_COLLECTION_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,255}$"}
_USER_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.:-]{1,128}$"}
_EXTERNAL_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.:-]{1,255}$"}
_METADATA: Schema = {"type": "object", "description": "Whatever you want to keep with it, as JSON."}
_PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1000}
_FACES: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_FACES}
_ID = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"
_RESPONSES = (
    api.CollectionDescription,
    api.CollectionPage,
    api.User,
    api.UserPage,
    api.FacePage,
    api.ExportedFace,
    api.EnrollResponse,
    api.SearchResponse,
    api.VerifyResponse,
    api.Erasure,
    api.UserErasure,
    api.DeleteFacesResponse,
    api.ImportResponse,
)
_WHEN = "2030-01-31T12:00:00.000Z"

_STORE: tuple[Context, ...] = ("models", "keys", "admission", "store")
_NAMED: tuple[Context, ...] = (*_STORE, "named")
_IMAGE: tuple[Context, ...] = (*_NAMED, "body", "json", "image", "hash", "search")


class Operations(Protocol):
    """What builds the responses of an operation; see `openapi_document`."""

    def outcomes(self, response: Schema, contexts: tuple[Context, ...]) -> Schema:
        """Returns the responses of an operation, errors included, and what a caller needs."""
        ...


def collection_paths(base: str, operations: Operations, model: ModelInfo) -> Schema:
    """Returns the paths below `base` (`/<stage>/face_comparison/collections`)."""
    build = _Builder(operations, {**_REQUEST_EXAMPLES, **_response_examples(model.version)})
    one, users, faces = f"{base}/{{CollectionId}}", f"{base}/{{CollectionId}}/users", f"{base}/{{CollectionId}}/faces"
    return {
        base: {
            "post": build.json("createCollection", "Create a collection", "CreateCollectionRequest",
                               "CollectionDescription", (*_STORE, "creation"), base),
            "get": build.get("listCollections", "List collections", "CollectionPage", _STORE, base, paged=True),
        },
        one: {
            "get": build.get("describeCollection", "Describe a collection", "CollectionDescription", _NAMED, one),
            "delete": build.get("deleteCollection", "Delete a collection with all that is in it", "Erasure", _NAMED,
                                one),
        },
        faces: {
            "post": build.image("enrollFaces", "Enroll the faces of an image", "EnrollRequest", "EnrollResponse",
                                (*_IMAGE, "face", "enrollment"), faces),
            "get": build.get("listFaces", "List faces", "FacePage", _NAMED, faces, paged=True, by_user=True),
        },
        f"{faces}/delete": {
            "post": build.json("deleteFaces", "Delete faces", "DeleteFacesRequest", "DeleteFacesResponse", _NAMED,
                               f"{faces}/delete"),
        },
        f"{faces}/{{FaceId}}": {
            "delete": build.get("deleteFace", "Delete a face", "DeleteFacesResponse", _NAMED, f"{faces}/{{FaceId}}"),
        },
        f"{one}/search": {
            "post": build.image("searchFaces", "Identify every face of an image", "SearchRequest", "SearchResponse",
                                _IMAGE, f"{one}/search"),
        },
        users: {
            "post": build.json("createUser", "Create a user", "UserRequest", "User", _NAMED, users),
            "get": build.get("listUsers", "List users", "UserPage", _NAMED, users, paged=True),
        },
        f"{users}/{{UserId}}": {
            "get": build.get("describeUser", "Describe a user", "User", _NAMED, f"{users}/{{UserId}}"),
            "patch": build.json("updateUser", "Change a user's metadata or expiry", "UserChange", "User", _NAMED,
                                f"{users}/{{UserId}}"),
            "delete": build.get("deleteUser", "Erase a user with all faces", "UserErasure", _NAMED,
                                f"{users}/{{UserId}}"),
        },
        f"{users}/{{UserId}}/verify": {
            "post": build.image("verifyUser", "Compare an image with all faces of one user (1:1)", "VerifyRequest",
                                "VerifyResponse", (*_IMAGE, "face"), f"{users}/{{UserId}}/verify"),
        },
        f"{one}/export": {"get": build.export(f"{one}/export")},
        f"{one}/import": {"post": build.import_(f"{one}/import")},
        f"{base}/erasures/{{ErasureId}}": {
            "get": build.get("describeErasure", "What became of a deletion", "Erasure", _NAMED,
                             f"{base}/erasures/{{ErasureId}}"),
        },
    }  # fmt: skip


class _Builder:
    def __init__(self, operations: Operations, examples: Mapping[str, Any]) -> None:
        self._operations, self._examples = operations, examples

    def get(
        self,
        name: str,
        summary: str,
        reply: str,
        contexts: tuple[Context, ...],
        path: str,
        *,
        paged: bool = False,
        by_user: bool = False,
    ) -> Schema:
        """An operation without a body."""
        query: dict[str, Schema] = {}
        if paged:
            query |= {"MaxResults": {**_PAGE, "description": "Items per page."}}
            query |= {"NextToken": {"type": "string", "description": "The NextToken of the page before."}}
        if by_user:
            query |= {"UserId": {**_USER_ID, "description": "Only faces of this user."}}
        return self._operation(name, summary, _parameters(path, query), self._content(reply), contexts)

    def json(
        self,
        name: str,
        summary: str,
        request: str,
        reply: str,
        contexts: tuple[Context, ...],
        path: str,
    ) -> Schema:
        """An operation with a JSON or MessagePack body."""
        body = {"application/json": {"schema": ref(request), "example": self._examples[request]}}
        body["application/msgpack"] = {"schema": ref(request)}
        made = self._operation(name, summary, _parameters(path, {}), self._content(reply), (*contexts, "body", "json"))
        return {**made, "requestBody": {"required": True, "content": body}}

    def image(
        self,
        name: str,
        summary: str,
        request: str,
        reply: str,
        contexts: tuple[Context, ...],
        path: str,
    ) -> Schema:
        """An operation with an image or hash, in every form that an image may come in."""
        fields = _FIELDS[request]
        form = {
            "type": "object",
            "properties": {"img": _BINARY, "url": {"type": "string"}, **fields},
            "description": "One of `img` and `url` is required.",
        }
        body: Schema = {
            "application/json": {"schema": ref(request), "example": self._examples[request]},
            "multipart/form-data": {"schema": form},
            "application/msgpack": {
                "schema": {**ref(request), "description": "`img` and `face_hash` may be raw bytes."}
            },
            **{media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES},
        }
        query = {field: {**schema, "description": "For raw bodies."} for field, schema in fields.items()}
        made = self._operation(
            name,
            summary,
            _parameters(path, query),
            self._content(reply),
            contexts,
        )
        return {**made, "requestBody": {"required": True, "content": body}}

    def export(self, path: str) -> Schema:
        content = {NDJSON: {"schema": {"type": "string", "description": "One `ExportedFace` per line, streamed."}}}
        return self._operation(
            "exportFaces", "Export all faces with their hashes", _parameters(path, {}), content, _NAMED,
        )  # fmt: skip

    def import_(self, path: str) -> Schema:
        content = {NDJSON: {"schema": {"type": "string", "description": "One `ExportedFace` per line."}}}
        made = self._operation(
            "importFaces",
            "Import faces; a bad line is reported by its number, and the others are kept",
            _parameters(path, {}),
            self._content("ImportResponse"),
            (*_NAMED, "body", "enrollment"),
        )
        return {**made, "requestBody": {"required": True, "content": content}}

    def _content(self, name: str) -> Schema:
        return {
            "application/json": {"schema": ref(name), "example": self._examples[name]},
            "application/msgpack": {"schema": ref(name)},
        }

    def _operation(
        self,
        name: str,
        summary: str,
        parameters: list[Schema],
        reply: Schema,
        contexts: tuple[Context, ...],
    ) -> Schema:
        return {
            "operationId": name,
            "tags": ["collections"],
            "summary": summary,
            "parameters": parameters,
            **self._operations.outcomes(reply, contexts),
        }


def _parameters(path: str, query: Mapping[str, Schema]) -> list[Schema]:
    known = {
        "CollectionId": (_COLLECTION_ID, "The collection."),
        "UserId": (_USER_ID, "The user."),
        "FaceId": (_UUID, "The face."),
        "ErasureId": (_UUID, "From a receipt."),
    }
    return [
        {"$ref": "#/components/parameters/X-Request-Id"},
        *(
            {"name": name, "in": "path", "required": True, "description": text, "schema": schema}
            for name, (schema, text) in known.items()
            if f"{{{name}}}" in path
        ),
        *(
            {"name": name, "in": "query", "description": schema.get("description", ""), "schema": schema}
            for name, schema in query.items()
        ),
    ]


_ENROLL: Mapping[str, Schema] = {
    "UserId": {**_USER_ID, "description": "Whose face it is; a user that does not exist is created."},
    "ExternalImageId": {**_EXTERNAL_ID, "description": "Your id of the image, kept with its faces."},
    "MaxFaces": {
        **_FACES,
        "description": "Maximum faces to enroll, the most prominent first: 1 with a `UserId`, otherwise 100.",
    },
    "QualityFilter": {"type": "string", "enum": list(get_args(QualityFilter)), "default": "AUTO"},
    "OnDuplicate": {
        "type": "string",
        "enum": list(get_args(OnDuplicate)),
        "default": "report",
        "description": "What to do with a face that resembles another user, or does not resemble its own.",
    },
}
_SEARCH: Mapping[str, Schema] = {
    "MaxFaces": {**_FACES, "default": MAX_FACES, "description": "Maximum faces to search, the most prominent first."},
    "MaxMatches": {"type": "integer", "minimum": 1, "maximum": MAX_MATCHES, "default": DEFAULT_MATCHES},
    "MaxFalsePositiveRate": {
        **_RATE,
        "description": "Fraction of searches for strangers that may return somebody; default: the collection's.",
    },
    "Threshold": {**_DISTANCE, "description": "Maximum distance of a match, instead of the one from the rate."},
    "UserIds": {
        "type": "array",
        "items": _USER_ID,
        "minItems": 1,
        "maxItems": MAX_SEARCH_USERS,
        "description": "Search only these users; fewer faces allow a more lenient threshold.",
    },
}
_VERIFY: Mapping[str, Schema] = {
    "Threshold": {**_DISTANCE, "description": "Maximum distance of the same person; default: the bundle's."}
}
_FIELDS = {"EnrollRequest": _ENROLL, "SearchRequest": _SEARCH, "VerifyRequest": _VERIFY}


def collection_schemas(version: str, known: Mapping[str, Schema]) -> dict[str, Schema]:
    """Returns everything of collections under components/schemas.

    Args:
        version: The running model's.
        known: The other schemas.
    """
    described = encoding.schemas(*_RESPONSES)
    for name in ("SearchResponse", "VerifyResponse"):
        described[name]["properties"]["FaceModelVersion"]["const"] = version
    exported = described["ExportedFace"]
    exported["required"] = ["FaceModelVersion", "face_hash"]
    exported["description"] = f"A line of an export or import. This service's version is `{version}`."
    return {**_request_schemas(known["Subject"]["properties"]), **described}


def _request_schemas(subject: Mapping[str, Schema]) -> dict[str, Schema]:
    def with_subject(name: str) -> Schema:
        return {
            "type": "object",
            "properties": {**subject, **_FIELDS[name]},
            "description": "One of `url`, `img` and `face_hash` is required.",
        }

    return {
        "CreateCollectionRequest": {
            "type": "object",
            "properties": {
                "CollectionId": _COLLECTION_ID,
                "MaxFalsePositiveRate": {**_RATE, "default": DEFAULT_RATE},
                "RetentionDays": {
                    "type": ["integer", "null"],
                    "minimum": 1,
                    "maximum": MAX_RETENTION_DAYS,
                    "description": "Faces are deleted this many days after they were enrolled.",
                },
                "Metadata": _METADATA,
            },
            "required": ["CollectionId"],
        },
        "EnrollRequest": with_subject("EnrollRequest"),
        "SearchRequest": with_subject("SearchRequest"),
        "VerifyRequest": with_subject("VerifyRequest"),
        "UserRequest": {
            "type": "object",
            "properties": {
                "UserId": _USER_ID,
                "Metadata": _METADATA,
                "Expires": {"type": ["string", "null"], "description": "When the user is erased: ISO 8601."},
            },
            "required": ["UserId"],
        },
        "UserChange": {
            "type": "object",
            "properties": {
                "Metadata": _METADATA,
                "Expires": {"type": ["string", "null"], "description": "null: no expiry any more."},
            },
        },
        "DeleteFacesRequest": {
            "type": "object",
            "properties": {
                "FaceIds": {"type": "array", "items": _UUID, "minItems": 1, "maxItems": MAX_FACE_IDS},
            },
            "required": ["FaceIds"],
        },
    }


_MATCH_EXAMPLE: dict[str, Any] = {
    "face_id": _ID,
    "distance": 0.61,
    "confidence": 0.998,
    "similarity": 99.8,
}
_RECEIPT_EXAMPLE: dict[str, Any] = {
    "erasure_id": _ID,
    "state": "scrubbed",
    "collection_id": "staff",
    "face_count": 2,
    "deleted_timestamp": _WHEN,
    "scrubbed_timestamp": _WHEN,
    "backups_expire_timestamp": _WHEN,
}
_CONDITIONS_EXAMPLE: dict[str, Any] = {
    "threshold": 0.97,
    "gallery_size": 412,
    "expected_false_positive_rate": 0.01,
    "exact": True,
}
_DETECTED_EXAMPLE: dict[str, Any] = {
    "bounding_box": BOX_EXAMPLE,
    "face_confidence": 0.93,
    "quality": QUALITY_EXAMPLE,
}

_REQUEST_EXAMPLES: Mapping[str, Any] = {
    "CreateCollectionRequest": {"CollectionId": "staff", "MaxFalsePositiveRate": 0.001, "RetentionDays": 365},
    "EnrollRequest": {"img": PIXEL, "UserId": "u-17", "ExternalImageId": "badge-photo"},
    "SearchRequest": {"img": PIXEL, "MaxFaces": 10},
    "VerifyRequest": {"img": PIXEL},
    "UserRequest": {"UserId": "u-17", "Metadata": {"badge": 4711}, "Expires": "2030-01-31T12:00:00Z"},
    "UserChange": {"Expires": None},
    "DeleteFacesRequest": {"FaceIds": [_ID]},
}


def _response_examples(version: str) -> dict[str, Any]:
    """A response of each type, by its name. version: the running model's."""
    collection = api.CollectionDescription(
        collection_id="staff",
        face_model_version=version,
        face_count=412,
        user_count=206,
        creation_timestamp=_WHEN,
        max_false_positive_rate=DEFAULT_RATE,
        threshold=0.97,
        retention_days=365,
        metadata={"site": "Bern"},
    )
    user = api.User(user_id="u-17", metadata={"badge": 4711}, expires=_WHEN, face_count=2, creation_timestamp=_WHEN)
    face = api.EnrolledFace(
        face_id=_ID,
        user_id="u-17",
        external_image_id="badge-photo",
        image_id=_ID,
        bounding_box=BOX_EXAMPLE,
        confidence=0.93,
        face_model_version=version,
        creation_timestamp=_WHEN,
    )
    detail = api.FaceDetail(BOX_EXAMPLE, 0.93, QUALITY_EXAMPLE)
    match = api.CollectionMatch(user_id="u-17", **_MATCH_EXAMPLE)
    identified = api.IdentifiedFace(**_DETECTED_EXAMPLE, decision="match", matches=(match,), **_CONDITIONS_EXAMPLE)
    verdict: dict[str, Any] = {"distance": 0.61, "confidence": 0.998, "same_person": True, "verdict": "same"}
    examples = (
        collection,
        api.CollectionPage(collection_ids=("staff",), collections=(collection,)),
        user,
        api.UserPage(users=(user,), next_token="dS0xNw"),  # noqa: S106 (of a page)
        api.Erasure(**_RECEIPT_EXAMPLE),
        api.UserErasure(user_id="u-17", **_RECEIPT_EXAMPLE),
        api.DeleteFacesResponse(deleted_faces=(_ID,), unsuccessful_face_deletions=(), **_RECEIPT_EXAMPLE),
        api.FacePage(faces=(face,), face_model_version=version),
        api.EnrollResponse(
            face_records=(api.FaceRecord(face=face, face_detail=detail, created=True),),
            unindexed_faces=(api.UnindexedFace(reasons=("SMALL_BOUNDING_BOX",), face_detail=detail),),
            duplicates=(api.Duplicate(user_id="u-3", **_MATCH_EXAMPLE, new_face_id=_ID),),
            face_model_version=version,
        ),
        api.ImportResponse(
            imported_face_count=412,
            unchanged_face_count=0,
            failed_line_count=1,
            errors=(api.ImportedLine(7, "face_hash must be 768 numbers, not 512"),),
        ),
        api.SearchResponse(
            collection_id="staff", face_model_version=version, **_CONDITIONS_EXAMPLE, faces=(identified,)
        ),
        api.VerifyResponse(
            user_id="u-17",
            face_model_version=version,
            threshold=1.128,
            **verdict,
            faces=(api.VerifiedFace(**_DETECTED_EXAMPLE, **verdict),),
        ),
    )
    return {type(each).__name__: to_plain(each) for each in examples}

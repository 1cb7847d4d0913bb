"""Collections in the OpenAPI document: operations, and the schemas of their requests and replies. Data only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, get_args

from face_comparison import errors
from face_comparison.collections.identification import DECISIONS
from face_comparison.collections.identifiers import MAX_FACE_IDS, MAX_PAGE, MAX_RETENTION_DAYS, MAX_SEARCH_USERS
from face_comparison.collections.quality import QualityFilter, Reason
from face_comparison.collections.results import OnDuplicate
from face_comparison.collections.service import DEFAULT_MATCHES, DEFAULT_RATE
from face_comparison.errors import FaceComparisonError
from face_comparison.image.formats import MEDIA_TYPES
from face_comparison.vision.types import HASH_SIZE
from face_comparison.web.openapi_schemas import PIXEL, Schema, record, ref
from face_comparison.wire.collection_requests import MAX_MATCHES
from face_comparison.wire.requests import MAX_DISTANCE, MAX_FACES
from face_comparison.wire.transfer import NDJSON

TAG = {"name": "collections", "description": "Enroll people, find out whose face it is (1:N), erase people."}

_FRACTION: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_RATE: Schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_DISTANCE: Schema = {"type": "number", "minimum": 0, "maximum": MAX_DISTANCE}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "string", "format": "date-time"}
_UUID: Schema = {"type": "string", "format": "uuid"}
_BINARY: Schema = {"type": "string", "format": "binary"}
_COLLECTION_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,255}$"}
_USER_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.:-]{1,128}$"}
_EXTERNAL_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.:-]{1,255}$"}
_METADATA: Schema = {"type": "object", "description": "Whatever you want to keep with it, as JSON."}
_PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1000}
_FACES: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_FACES}
_FACE_ID = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"
_WHEN = "2030-01-31T12:00:00.000Z"
_BOX = {"Left": 0.52, "Top": 0.4, "Width": 0.05, "Height": 0.1}

_COMMON = (errors.StoreUnavailable, errors.InvalidParameter)
_THERE = (*_COMMON, errors.NotFound)
_BODY = (errors.BodyTooLarge, errors.Overloaded, errors.Draining, errors.DeadlineExceeded)
_JSON = (*_BODY, errors.InvalidJson)
_HASH = (errors.HashVersionMismatch, errors.InvalidFaceHash, errors.ModelMismatch, errors.NotFound)


class Operations(Protocol):
    """What builds an operation's errors and security; see `openapi_document`."""

    def failures(self, failures: Iterable[type[FaceComparisonError]]) -> Schema: ...

    def security(self) -> Schema: ...

    def reply(self, content: Schema) -> Schema: ...


def collection_paths(
    base: str,
    operations: Operations,
    always: Iterable[type[FaceComparisonError]],
    image: Iterable[type[FaceComparisonError]],
    version: str,
) -> Schema:
    """The paths below `base` (`/<stage>/face_comparison/collections`).

    always, image: errors of any request, and of one with an image. version: the running model's.
    """
    build = _Builder(operations, tuple(always), tuple(image), {**EXAMPLES, **search_examples(version)})
    one, users, faces = f"{base}/{{CollectionId}}", f"{base}/{{CollectionId}}/users", f"{base}/{{CollectionId}}/faces"
    return {
        base: {
            "post": build.json("createCollection", "Create a collection", "CreateCollectionRequest", "Collection",
                               (*_COMMON, errors.CollectionExists), base),
            "get": build.get("listCollections", "List collections", "CollectionPage", _COMMON, base, paged=True),
        },
        one: {
            "get": build.get("describeCollection", "Describe a collection", "Collection", _THERE, one),
            "delete": build.get("deleteCollection", "Delete a collection with all that is in it", "Erasure", _THERE,
                                one),
        },
        faces: {
            "post": build.image("enrollFaces", "Enroll the faces of an image", "EnrollRequest", "EnrollReply",
                                (errors.CollectionFull, errors.NoFace), faces),
            "get": build.get("listFaces", "List faces", "FacePage", _THERE, faces, paged=True, by_user=True),
        },
        f"{faces}/delete": {
            "post": build.json("deleteFaces", "Delete faces", "DeleteFacesRequest", "DeleteFacesReply", _THERE,
                               f"{faces}/delete"),
        },
        f"{faces}/{{FaceId}}": {
            "delete": build.get("deleteFace", "Delete a face", "DeleteFacesReply", _THERE, f"{faces}/{{FaceId}}"),
        },
        f"{one}/search": {
            "post": build.image("searchFaces", "Identify every face of an image", "SearchRequest", "SearchReply", (),
                                f"{one}/search"),
        },
        users: {
            "post": build.json("createUser", "Create a user", "UserRequest", "User", _THERE, users),
            "get": build.get("listUsers", "List users", "UserPage", _THERE, users, paged=True),
        },
        f"{users}/{{UserId}}": {
            "get": build.get("describeUser", "Describe a user", "User", _THERE, f"{users}/{{UserId}}"),
            "patch": build.json("updateUser", "Change a user's metadata or expiry", "UserChange", "User", _THERE,
                                f"{users}/{{UserId}}"),
            "delete": build.get("deleteUser", "Erase a user with all faces", "UserErasure", _THERE,
                                f"{users}/{{UserId}}"),
        },
        f"{users}/{{UserId}}/verify": {
            "post": build.image("verifyUser", "Compare an image with all faces of one user (1:1)", "VerifyRequest",
                                "VerifyReply", (errors.NoFace,), f"{users}/{{UserId}}/verify"),
        },
        f"{one}/export": {"get": build.export(f"{one}/export")},
        f"{one}/import": {"post": build.import_(f"{one}/import")},
        f"{base}/erasures/{{ErasureId}}": {
            "get": build.get("describeErasure", "What became of a deletion", "Erasure", _THERE,
                             f"{base}/erasures/{{ErasureId}}"),
        },
    }  # fmt: skip


class _Builder:
    def __init__(
        self,
        operations: Operations,
        always: tuple[type[FaceComparisonError], ...],
        image: tuple[type[FaceComparisonError], ...],
        examples: Mapping[str, Any],
    ) -> None:
        self._operations, self._always, self._image, self._examples = operations, always, image, examples

    def get(
        self,
        name: str,
        summary: str,
        reply: str,
        failures: Iterable[type[FaceComparisonError]],
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
        return self._operation(
            name, summary, _parameters(path, query), self._content(reply), (*failures, errors.Draining)
        )

    def json(
        self,
        name: str,
        summary: str,
        request: str,
        reply: str,
        failures: Iterable[type[FaceComparisonError]],
        path: str,
    ) -> Schema:
        """An operation with a JSON or MessagePack body."""
        body = {"application/json": {"schema": ref(request), "example": self._examples[request]}}
        body["application/msgpack"] = {"schema": ref(request)}
        made = self._operation(name, summary, _parameters(path, {}), self._content(reply), (*_JSON, *failures))
        return {**made, "requestBody": {"required": True, "content": body}}

    def image(
        self,
        name: str,
        summary: str,
        request: str,
        reply: str,
        failures: Iterable[type[FaceComparisonError]],
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
            dict.fromkeys((*self._image, *_HASH, *_COMMON, *failures)),
        )
        return {**made, "requestBody": {"required": True, "content": body}}

    def export(self, path: str) -> Schema:
        content = {NDJSON: {"schema": {"type": "string", "description": "One `ExportedFace` per line, streamed."}}}
        return self._operation(
            "exportFaces", "Export all faces with their hashes", _parameters(path, {}), content,
            (*_THERE, errors.Draining),
        )  # fmt: skip

    def import_(self, path: str) -> Schema:
        content = {NDJSON: {"schema": {"type": "string", "description": "One `ExportedFace` per line."}}}
        failures = (*_BODY, *_THERE, errors.ModelMismatch, errors.CollectionFull)
        made = self._operation(
            "importFaces",
            "Import faces; a bad line is reported by its number, and the others are kept",
            _parameters(path, {}),
            self._content("ImportReply"),
            failures,
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
        failures: Iterable[type[FaceComparisonError]],
    ) -> Schema:
        return {
            "operationId": name,
            "tags": ["collections"],
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": self._operations.reply(reply),
                **self._operations.failures(dict.fromkeys((*self._always, *failures))),
            },
            **self._operations.security(),
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
    "MaxFaces": {**_FACES, "description": "Faces to enroll, the largest first: 1 with a `UserId`, else 100."},
    "QualityFilter": {"type": "string", "enum": list(get_args(QualityFilter)), "default": "AUTO"},
    "OnDuplicate": {
        "type": "string",
        "enum": list(get_args(OnDuplicate)),
        "default": "report",
        "description": "What to do with a face that resembles another user, or does not resemble its own.",
    },
}
_SEARCH: Mapping[str, Schema] = {
    "MaxFaces": {**_FACES, "default": MAX_FACES, "description": "Faces to search, the largest first."},
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

_CONDITIONS: Mapping[str, Schema] = {
    "Threshold": {**_DISTANCE, "description": "Maximum distance of a match that was applied."},
    "GallerySize": {**_COUNT, "description": "Faces that each searched face was compared with."},
    "ExpectedFalsePositiveRate": {
        **_FRACTION,
        "description": "Probability that a search for a stranger returns somebody.",
    },
    "Exact": {"type": "boolean", "description": "Whether every face was compared; false with an approximate index."},
}
_RESEMBLANCE: Mapping[str, Schema] = {
    "Distance": _DISTANCE,
    "Confidence": {**_FRACTION, "description": "Probability that both are one person."},
    "Similarity": {"type": "number", "minimum": 0, "maximum": 100, "description": "100 times the confidence."},
}
_RECEIPT: Mapping[str, Schema] = {
    "ErasureId": _UUID,
    "State": {
        "type": "string",
        "enum": ["deleted", "scrubbed"],
        "description": "`deleted`: cannot be found any more. `scrubbed`: no longer in the store's files.",
    },
    "CollectionId": _COLLECTION_ID,
    "FaceCount": _COUNT,
    "DeletedTimestamp": _TIME,
    "ScrubbedTimestamp": _TIME,
    "BackupsExpireTimestamp": {**_TIME, "description": "Until when backups may hold it, where that is configured."},
}
_LATER = ("ScrubbedTimestamp", "BackupsExpireTimestamp")


def collection_schemas(version: str, known: Mapping[str, Schema]) -> dict[str, Schema]:
    """Everything of collections under components/schemas. version: the running model's. known: the other schemas."""
    return {
        **_request_schemas(known["Subject"]["properties"]),
        **_collection_and_user_schemas(),
        **_face_schemas(version),
        **_search_schemas(version, known["TargetMatch"]["properties"]),
    }


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
                    "description": "Faces are deleted so many days after they were enrolled.",
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


def _collection_and_user_schemas() -> dict[str, Schema]:
    return {
        "Collection": record(
            {
                "CollectionId": _COLLECTION_ID,
                "FaceModelVersion": {"type": "string"},
                "FaceCount": _COUNT,
                "UserCount": _COUNT,
                "CreationTimestamp": _TIME,
                "MaxFalsePositiveRate": _RATE,
                "Threshold": {**_DISTANCE, "description": "Of a search among today's faces."},
                "RetentionDays": _COUNT,
                "Metadata": _METADATA,
            },
            optional=("RetentionDays",),
        ),
        "CollectionPage": record(
            {
                "CollectionIds": {"type": "array", "items": _COLLECTION_ID},
                "Collections": {"type": "array", "items": ref("Collection")},
                "NextToken": {"type": "string"},
            },
            optional=("NextToken",),
        ),
        "User": record(
            {
                "UserId": _USER_ID,
                "Metadata": _METADATA,
                "Expires": _TIME,
                "FaceCount": _COUNT,
                "CreationTimestamp": _TIME,
            },
            optional=("Expires",),
        ),
        "UserPage": record(
            {"Users": {"type": "array", "items": ref("User")}, "NextToken": {"type": "string"}},
            optional=("NextToken",),
        ),
        "Erasure": record(_RECEIPT, optional=_LATER),
        "UserErasure": record({"UserId": _USER_ID, **_RECEIPT}, optional=_LATER),
        "DeleteFacesReply": record(
            {
                "DeletedFaces": {"type": "array", "items": _UUID},
                "UnsuccessfulFaceDeletions": {
                    "type": "array",
                    "items": record({"FaceId": _UUID, "Reasons": {"type": "array", "items": {"type": "string"}}}),
                },
                **_RECEIPT,
            },
            optional=_LATER,
        ),
    }


def _face_schemas(version: str) -> dict[str, Schema]:
    face: dict[str, Schema] = {
        "FaceId": _UUID,
        "UserId": _USER_ID,
        "ExternalImageId": _EXTERNAL_ID,
        "ImageId": {**_UUID, "description": "Made from the image's digest: equal for equal images."},
        "BoundingBox": ref("BoundingBox"),
        "Confidence": _FRACTION,
        "FaceModelVersion": {"type": "string"},
        "CreationTimestamp": _TIME,
    }
    known = ("UserId", "ExternalImageId", "ImageId", "BoundingBox", "Confidence")
    detail = record({"BoundingBox": ref("BoundingBox"), "Confidence": _FRACTION, "Quality": ref("Quality")})
    fit = record({"Fits": {"type": "boolean"}, "Distance": _DISTANCE, "Confidence": _FRACTION})
    match = record(
        {"UserId": _USER_ID, "FaceId": _UUID, "ExternalImageId": _EXTERNAL_ID, **_RESEMBLANCE},
        optional=("UserId", "ExternalImageId"),
        description="A user by the nearest face, or a face without a user.",
    )
    hash_ = {"type": "array", "items": {"type": "number"}, "minItems": HASH_SIZE, "maxItems": HASH_SIZE}
    return {
        "EnrolledFace": record(face, optional=known),
        "FacePage": record(
            {
                "Faces": {"type": "array", "items": ref("EnrolledFace")},
                "FaceModelVersion": {"type": "string"},
                "NextToken": {"type": "string"},
            },
            optional=("NextToken",),
        ),
        "ExportedFace": {
            "type": "object",
            "properties": {**face, "SourceKey": {"type": "string"}, "face_hash": hash_},
            "required": ["FaceModelVersion", "face_hash"],
            "description": f"A line of an export or import. This service's version is `{version}`.",
        },
        "FaceDetail": detail,
        "FaceRecord": record(
            {
                "Face": ref("EnrolledFace"),
                "FaceDetail": ref("FaceDetail"),
                "Created": {"type": "boolean", "description": "false: the same image had been enrolled before."},
                "PersonFit": {**fit, "description": "How it resembles the nearest earlier face of its own user."},
            },
            optional=("FaceDetail", "PersonFit"),
        ),
        "UnindexedFace": record(
            {
                "Reasons": {"type": "array", "items": {"type": "string", "enum": list(get_args(Reason))}},
                "FaceDetail": ref("FaceDetail"),
            },
            optional=("FaceDetail",),
        ),
        "CollectionMatch": match,
        "Duplicate": record(
            {**match["properties"], "NewFaceId": {**_UUID, "description": "The enrolled face that resembles it."}},
            optional=("UserId", "ExternalImageId", "NewFaceId"),
        ),
        "EnrollReply": record(
            {
                "FaceRecords": {"type": "array", "items": ref("FaceRecord")},
                "UnindexedFaces": {"type": "array", "items": ref("UnindexedFace")},
                "Duplicates": {"type": "array", "items": ref("Duplicate")},
                "FaceModelVersion": {"type": "string"},
            }
        ),
        "ImportReply": record(
            {
                "ImportedFaceCount": _COUNT,
                "UnchangedFaceCount": _COUNT,
                "FailedLineCount": _COUNT,
                "Errors": {
                    "type": "array",
                    "items": record({"Line": {"type": "integer", "minimum": 1}, "Message": {"type": "string"}}),
                },
            }
        ),
    }


def _search_schemas(version: str, verdict: Mapping[str, Schema]) -> dict[str, Schema]:
    detected = {
        "BoundingBox": ref("BoundingBox"),
        "FaceConfidence": _FRACTION,
        "Quality": ref("Quality"),
    }
    return {
        "IdentifiedFace": record(
            {
                **detected,
                "Decision": {
                    "type": "string",
                    "enum": list(DECISIONS),
                    "description": "`ambiguous`: two users are about as near, or the face is not reliable.",
                },
                "Matches": {"type": "array", "items": ref("CollectionMatch"), "description": "Nearest first."},
                **_CONDITIONS,
            },
            optional=tuple(detected),
        ),
        "SearchReply": record(
            {
                "CollectionId": _COLLECTION_ID,
                "FaceModelVersion": {"type": "string", "const": version},
                **_CONDITIONS,
                "Faces": {"type": "array", "items": ref("IdentifiedFace"), "maxItems": MAX_FACES},
            }
        ),
        "VerifyReply": record(
            {
                "UserId": _USER_ID,
                "FaceModelVersion": {"type": "string", "const": version},
                "Threshold": _DISTANCE,
                **verdict,
            }
        ),
    }


_FACE_EXAMPLE = {
    "FaceId": _FACE_ID,
    "UserId": "u-17",
    "ExternalImageId": "badge-photo",
    "ImageId": _FACE_ID,
    "BoundingBox": _BOX,
    "Confidence": 0.93,
    "FaceModelVersion": "yunet-sface-2",
    "CreationTimestamp": _WHEN,
}
_QUALITY_EXAMPLE = {
    "Sharpness": 61.2,
    "Brightness": 48.9,
    "FaceSize": 96.0,
    "Roll": -3.5,
    "Yaw": 12.0,
    "Reliable": True,
    "Reasons": [],
}
_DETAIL_EXAMPLE = {
    "BoundingBox": _BOX,
    "Confidence": 0.93,
    "Quality": _QUALITY_EXAMPLE,
}
_COLLECTION_EXAMPLE = {
    "CollectionId": "staff",
    "FaceModelVersion": "yunet-sface-2",
    "FaceCount": 412,
    "UserCount": 206,
    "CreationTimestamp": _WHEN,
    "MaxFalsePositiveRate": DEFAULT_RATE,
    "Threshold": 0.97,
    "RetentionDays": 365,
    "Metadata": {"site": "Bern"},
}
_USER_EXAMPLE = {
    "UserId": "u-17",
    "Metadata": {"badge": 4711},
    "Expires": _WHEN,
    "FaceCount": 2,
    "CreationTimestamp": _WHEN,
}
_ERASURE_EXAMPLE = {
    "ErasureId": _FACE_ID,
    "State": "scrubbed",
    "CollectionId": "staff",
    "FaceCount": 2,
    "DeletedTimestamp": _WHEN,
    "ScrubbedTimestamp": _WHEN,
    "BackupsExpireTimestamp": _WHEN,
}
_CONDITIONS_EXAMPLE = {"Threshold": 0.97, "GallerySize": 412, "ExpectedFalsePositiveRate": 0.01, "Exact": True}
_MATCH_EXAMPLE = {"UserId": "u-17", "FaceId": _FACE_ID, "Distance": 0.61, "Confidence": 0.998, "Similarity": 99.8}

EXAMPLES: Mapping[str, Any] = {
    "CreateCollectionRequest": {"CollectionId": "staff", "MaxFalsePositiveRate": 0.001, "RetentionDays": 365},
    "EnrollRequest": {"img": PIXEL, "UserId": "u-17", "ExternalImageId": "badge-photo"},
    "SearchRequest": {"img": PIXEL, "MaxFaces": 10},
    "VerifyRequest": {"img": PIXEL},
    "UserRequest": {"UserId": "u-17", "Metadata": {"badge": 4711}, "Expires": "2030-01-31T12:00:00Z"},
    "UserChange": {"Expires": None},
    "DeleteFacesRequest": {"FaceIds": [_FACE_ID]},
    "Collection": _COLLECTION_EXAMPLE,
    "CollectionPage": {"CollectionIds": ["staff"], "Collections": [_COLLECTION_EXAMPLE]},
    "User": _USER_EXAMPLE,
    "UserPage": {"Users": [_USER_EXAMPLE], "NextToken": "dS0xNw"},
    "Erasure": _ERASURE_EXAMPLE,
    "UserErasure": {"UserId": "u-17", **_ERASURE_EXAMPLE},
    "DeleteFacesReply": {"DeletedFaces": [_FACE_ID], "UnsuccessfulFaceDeletions": [], **_ERASURE_EXAMPLE},
    "FacePage": {"Faces": [_FACE_EXAMPLE], "FaceModelVersion": "yunet-sface-2"},
    "EnrollReply": {
        "FaceRecords": [{"Face": _FACE_EXAMPLE, "FaceDetail": _DETAIL_EXAMPLE, "Created": True}],
        "UnindexedFaces": [{"Reasons": ["SMALL_BOUNDING_BOX"], "FaceDetail": _DETAIL_EXAMPLE}],
        "Duplicates": [{**_MATCH_EXAMPLE, "UserId": "u-3", "NewFaceId": _FACE_ID}],
        "FaceModelVersion": "yunet-sface-2",
    },
    "ImportReply": {
        "ImportedFaceCount": 412,
        "UnchangedFaceCount": 0,
        "FailedLineCount": 1,
        "Errors": [{"Line": 7, "Message": "face_hash must be 768 numbers, not 512"}],
    },
}


def search_examples(version: str) -> dict[str, Any]:
    """Examples of the replies that name the running model."""
    face = {
        "BoundingBox": _BOX,
        "FaceConfidence": 0.93,
        "Quality": _QUALITY_EXAMPLE,
        "Decision": "match",
        "Matches": [_MATCH_EXAMPLE],
    }
    verdict = {"Distance": 0.61, "Confidence": 0.998, "SamePerson": True, "Verdict": "same"}
    return {
        "SearchReply": {
            "CollectionId": "staff",
            "FaceModelVersion": version,
            **_CONDITIONS_EXAMPLE,
            "Faces": [{**face, **_CONDITIONS_EXAMPLE}],
        },
        "VerifyReply": {
            "UserId": "u-17",
            "FaceModelVersion": version,
            "Threshold": 1.128,
            **verdict,
            "Faces": [verdict],
        },
    }

"""Schemas of collection requests and responses for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from face_comparison.api import collections as api
from face_comparison.api import encoding
from face_comparison.api.limits import MAX_DISTANCE, MAX_FACES
from face_comparison.collections.identifiers import MAX_FACE_IDS, MAX_PAGE, MAX_RETENTION_DAYS, MAX_SEARCH_USERS
from face_comparison.collections.quality import QualityFilter
from face_comparison.collections.results import OnDuplicate
from face_comparison.collections.service import DEFAULT_MATCHES, DEFAULT_RATE
from face_comparison.web.openapi_schemas import Schema
from face_comparison.wire.collection_requests import MAX_MATCHES

_RATE: Schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_DISTANCE: Schema = {"type": "number", "minimum": 0, "maximum": MAX_DISTANCE}
UUID: Schema = {"type": "string", "format": "uuid"}
BINARY: Schema = {"type": "string", "format": "binary"}
COLLECTION_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,255}$"}
USER_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.:-]{1,128}$"}
_EXTERNAL_ID: Schema = {"type": "string", "pattern": "^[a-zA-Z0-9_.:-]{1,255}$"}
_METADATA: Schema = {"type": "object", "description": "Whatever you want to keep with it, as JSON."}
PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1000}
_FACES: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_FACES}

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

_ENROLL: Mapping[str, Schema] = {
    "UserId": {**USER_ID, "description": "Id of the person in the image; the user is created if it does not exist."},
    "ExternalImageId": {**_EXTERNAL_ID, "description": "Your own id for the image, stored with its faces."},
    "MaxFaces": {
        **_FACES,
        "description": "Maximum faces to enroll, the most prominent first: 1 with a `UserId`, otherwise 100.",
    },
    "QualityFilter": {"type": "string", "enum": list(get_args(QualityFilter)), "default": "AUTO"},
    "OnDuplicate": {
        "type": "string",
        "enum": list(get_args(OnDuplicate)),
        "default": "report",
        "description": "What to do with a face that resembles another user, or does not resemble its own user.",
    },
}
_SEARCH: Mapping[str, Schema] = {
    "MaxFaces": {**_FACES, "default": MAX_FACES, "description": "Maximum faces to search, the most prominent first."},
    "MaxMatches": {"type": "integer", "minimum": 1, "maximum": MAX_MATCHES, "default": DEFAULT_MATCHES},
    "MaxFalsePositiveRate": {
        **_RATE,
        "description": "Fraction of searches for strangers that may return a match; default: the collection's.",
    },
    "Threshold": {
        **_DISTANCE,
        "description": "Maximum distance of a match, instead of the one computed from the rate.",
    },
    "UserIds": {
        "type": "array",
        "items": USER_ID,
        "minItems": 1,
        "maxItems": MAX_SEARCH_USERS,
        "description": "Search only these users; fewer faces allow a more lenient threshold.",
    },
}
_VERIFY: Mapping[str, Schema] = {
    "Threshold": {**_DISTANCE, "description": "Maximum distance that counts as the same person; default: the bundle's."}
}
FIELDS: Mapping[str, Mapping[str, Schema]] = {
    "EnrollRequest": _ENROLL,
    "SearchRequest": _SEARCH,
    "VerifyRequest": _VERIFY,
}
"""Fields of the requests that contain an image or hash, except for that."""


def collection_schemas(version: str, known: Mapping[str, Schema]) -> dict[str, Schema]:
    """Returns the schemas of collections, for components/schemas.

    Args:
        version: Version of the running model.
        known: The other schemas.
    """
    described = encoding.schemas(*_RESPONSES)
    for name in ("SearchResponse", "VerifyResponse"):
        described[name]["properties"]["FaceModelVersion"]["const"] = version
    exported = described["ExportedFace"]
    exported["required"] = ["FaceModelVersion", "face_hash"]
    exported["description"] = f"A line in an export or import. This service's version is `{version}`."
    return {**_request_schemas(known["Subject"]["properties"]), **described}


def _request_schemas(subject: Mapping[str, Schema]) -> dict[str, Schema]:
    def with_subject(name: str) -> Schema:
        return {
            "type": "object",
            "properties": {**subject, **FIELDS[name]},
            "description": "One of `url`, `img` and `face_hash` is required.",
        }

    return {
        "CreateCollectionRequest": {
            "type": "object",
            "properties": {
                "CollectionId": COLLECTION_ID,
                "MaxFalsePositiveRate": {**_RATE, "default": DEFAULT_RATE},
                "RetentionDays": {
                    "type": ["integer", "null"],
                    "minimum": 1,
                    "maximum": MAX_RETENTION_DAYS,
                    "description": "Faces are deleted this many days after their enrollment.",
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
                "UserId": USER_ID,
                "Metadata": _METADATA,
                "Expires": {"type": ["string", "null"], "description": "When the user is erased: ISO 8601."},
                "ClientRequestToken": {
                    "type": ["string", "null"],
                    "pattern": "^[a-zA-Z0-9_-]{1,64}$",
                    "description": "Chosen by the client for one request and its repetitions, which then change "
                    "nothing instead of failing with `user_exists`; remembered for a day.",
                },
            },
            "required": ["UserId"],
        },
        "UserChange": {
            "type": "object",
            "properties": {
                "Metadata": _METADATA,
                "Expires": {"type": ["string", "null"], "description": "null: never."},
            },
        },
        "DeleteFacesRequest": {
            "type": "object",
            "properties": {
                "FaceIds": {"type": "array", "items": UUID, "minItems": 1, "maxItems": MAX_FACE_IDS},
            },
            "required": ["FaceIds"],
        },
    }

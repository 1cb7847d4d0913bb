"""Parses collection requests: every field name, default, and bound. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast, get_args, overload

from face_comparison.api.limits import MAX_DISTANCE, MAX_FACES
from face_comparison.collections import identifiers
from face_comparison.collections.quality import QualityFilter, check_quality_filter
from face_comparison.collections.results import OnDuplicate
from face_comparison.collections.service import DEFAULT_MATCHES, DEFAULT_RATE
from face_comparison.collections.stores.base import UNCHANGED, Unchanged
from face_comparison.errors import InvalidParameter
from face_comparison.wire.formats import Fields
from face_comparison.wire.formats.fields import image_fields, json_fields
from face_comparison.wire.formats.shapes import Buffer, SubjectShape, check_spelling, fields_of, shape
from face_comparison.wire.requests import ImageOrHash, image_or_hash

MAX_MATCHES = 100

T = TypeVar("T")

_TEXTS = frozenset({"FaceModelVersion", "UserId", "ExternalImageId", "QualityFilter", "OnDuplicate"})


_SUBJECT = fields_of(SubjectShape)
_COLLECTION = shape("CollectionId", "MaxFalsePositiveRate", "RetentionDays", "Metadata")
_ENROLL = shape(*_SUBJECT, "UserId", "ExternalImageId", "MaxFaces", "QualityFilter", "OnDuplicate")
_SEARCH = shape(*_SUBJECT, "MaxFaces", "MaxMatches", "MaxFalsePositiveRate", "Threshold", "UserIds")
_VERIFY = shape(*_SUBJECT, "Threshold")
_USER = shape("UserId", "Metadata", "Expires", "ClientRequestToken")
_CHANGE = shape("Metadata", "Expires")
_PAGE = ("MaxResults", "NextToken", "UserId")
_FACE_IDS = shape("FaceIds")


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A request for a new collection.

    Attributes:
        collection_id: Name of the collection.
        max_false_positive_rate: Maximum FPIR of searches, 0-1.
        retention_days: Days after which faces are deleted; None to keep them until they are deleted.
        metadata: Arbitrary data from the caller.
    """

    collection_id: str
    max_false_positive_rate: float
    retention_days: int | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class EnrollRequest:
    """An enrollment.

    Attributes:
        subject: The image or hash.
        user_id: The user that the faces belong to, if any.
        external_image_id: The caller's name for the image, if any.
        max_faces: Maximum number of faces to enroll; None for 1 if there is a user, and otherwise all faces.
        quality_filter: Minimum quality of enrolled faces.
        on_duplicate: What to do with a face that resembles another user, or does not resemble its own.
    """

    subject: ImageOrHash
    user_id: str | None
    external_image_id: str | None
    max_faces: int | None
    quality_filter: QualityFilter
    on_duplicate: OnDuplicate


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """A search for the faces in an image, or for a hash.

    Attributes:
        subject: The image or hash.
        max_faces: Maximum number of faces to search for, the most prominent in the image.
        max_matches: Maximum number of matches per face.
        rate: Maximum FPIR, 0-1; None for that of the collection.
        threshold: Maximum Euclidean distance; None to compute it from the rate.
        users: Users to search among; None for everyone.
    """

    subject: ImageOrHash
    max_faces: int
    max_matches: int
    rate: float | None
    threshold: float | None
    users: list[str] | None


@dataclass(frozen=True, slots=True, eq=False)
class VerifyRequest:
    """A verification.

    Attributes:
        subject: The image or hash.
        threshold: Maximum Euclidean distance; None for the bundle's threshold.
    """

    subject: ImageOrHash
    threshold: float | None


@dataclass(frozen=True, slots=True)
class UserRequest:
    """A request for a new user.

    Attributes:
        user_id: Identifier of the user.
        metadata: Arbitrary data from the caller.
        expires: When the user is erased; None for never.
        token: Idempotency token, which is the same in a repeated request.
    """

    user_id: str
    metadata: Mapping[str, Any]
    expires: datetime | None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class UserChange:
    """An update of a user. A value that is not part of the request is UNCHANGED.

    Attributes:
        metadata: Arbitrary data from the caller.
        expires: When the user is erased; None for never.
    """

    metadata: Mapping[str, Any] | Unchanged
    expires: datetime | Unchanged | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for one page of a list.

    Attributes:
        limit: Maximum number of items.
        token: The previous page's token; None for the first page.
        user_id: The user whose items are listed; None for everyone.
    """

    limit: int
    token: str | None
    user_id: str | None = None


def create_request(body: Buffer, content_type: str) -> CreateRequest:
    """Parses a request for a new collection.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: A field is missing or has an invalid value.
    """
    fields = json_fields(body, content_type, _COLLECTION)
    return CreateRequest(
        collection_id=identifiers.check_collection_id(fields.get("CollectionId")),
        max_false_positive_rate=_optional(fields, "MaxFalsePositiveRate", identifiers.check_rate, DEFAULT_RATE),
        retention_days=_optional(fields, "RetentionDays", identifiers.check_retention),
        metadata=_metadata(fields),
    )


def enroll_request(body: Buffer, content_type: str, query: Mapping[str, str], version: str) -> EnrollRequest:
    """Parses an enrollment.

    Args:
        body: The request body.
        content_type: The declared media type.
        query: The query parameters, which supply fields missing from the body.
        version: The service's FaceModelVersion, which a hash must match.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: A field has an invalid value.
        FaceComparisonError: An error in the image or hash; see `requests.image_or_hash`.
    """
    fields = image_fields(body, content_type, _ENROLL, _TEXTS, query)
    return EnrollRequest(
        subject=image_or_hash(fields, version),
        user_id=_optional(fields, "UserId", identifiers.check_user_id),
        external_image_id=_optional(fields, "ExternalImageId", identifiers.check_external_image_id),
        max_faces=_optional(fields, "MaxFaces", _whole("MaxFaces", MAX_FACES)),
        quality_filter=check_quality_filter(fields.get("QualityFilter") or "AUTO"),
        on_duplicate=_on_duplicate(fields.get("OnDuplicate") or "report"),
    )


def search_request(body: Buffer, content_type: str, query: Mapping[str, str], version: str) -> SearchRequest:
    """Parses a search; for arguments and errors, see `enroll_request`."""
    fields = image_fields(body, content_type, _SEARCH, _TEXTS, query)
    if fields.get("MaxFalsePositiveRate") is not None and fields.get("Threshold") is not None:
        raise InvalidParameter("give MaxFalsePositiveRate or Threshold, not both")
    return SearchRequest(
        subject=image_or_hash(fields, version),
        max_faces=_optional(fields, "MaxFaces", _whole("MaxFaces", MAX_FACES), MAX_FACES),
        max_matches=_optional(fields, "MaxMatches", _whole("MaxMatches", MAX_MATCHES), DEFAULT_MATCHES),
        rate=_optional(fields, "MaxFalsePositiveRate", identifiers.check_rate),
        threshold=_optional(fields, "Threshold", _distance),
        users=_optional(fields, "UserIds", identifiers.check_user_ids),
    )


def verify_request(body: Buffer, content_type: str, query: Mapping[str, str], version: str) -> VerifyRequest:
    """Parses a verification; for arguments and errors, see `enroll_request`."""
    fields = image_fields(body, content_type, _VERIFY, _TEXTS, query)
    return VerifyRequest(image_or_hash(fields, version), _optional(fields, "Threshold", _distance))


def user_request(body: Buffer, content_type: str) -> UserRequest:
    """Parses a request for a new user; for errors, see `create_request`."""
    fields = json_fields(body, content_type, _USER)
    return UserRequest(
        identifiers.check_user_id(fields.get("UserId")),
        _metadata(fields),
        _expires(fields),
        _optional(fields, "ClientRequestToken", identifiers.check_request_token),
    )


def user_change(body: Buffer, content_type: str) -> UserChange:
    """Parses an update of a user; for errors, see `create_request`."""
    fields = json_fields(body, content_type, _CHANGE)
    return UserChange(
        metadata=_metadata(fields) if "Metadata" in fields else UNCHANGED,
        expires=_expires(fields) if "Expires" in fields else UNCHANGED,
    )


def face_ids_request(body: Buffer, content_type: str) -> list[str]:
    """Parses a list of face ids; for errors, see `create_request`."""
    return identifiers.check_face_ids(json_fields(body, content_type, _FACE_IDS).get("FaceIds"))


def page_request(query: Mapping[str, str]) -> PageRequest:
    """Parses the query parameters of a request for a page.

    Raises:
        InvalidParameter: A parameter has an invalid value.
    """
    check_spelling(query, _PAGE)
    size, user_id = query.get("MaxResults"), query.get("UserId")
    try:
        limit = 1000 if not size else identifiers.check_page_size(int(size))
    except ValueError:
        raise InvalidParameter(f"MaxResults must be a whole number from 1 to {identifiers.MAX_PAGE}") from None
    token = query.get("NextToken") or None
    return PageRequest(limit, token, None if not user_id else identifiers.check_user_id(user_id))


@overload
def _optional(fields: Fields, name: str, check: Callable[[Any], T]) -> T | None: ...
@overload
def _optional(fields: Fields, name: str, check: Callable[[Any], T], default: T) -> T: ...
def _optional(fields: Fields, name: str, check: Callable[[Any], T], default: T | None = None) -> T | None:
    value = fields.get(name)
    return default if value is None else check(value)


def _metadata(fields: Fields) -> Mapping[str, Any]:
    return _optional(fields, "Metadata", identifiers.check_metadata, {})


def _expires(fields: Fields) -> datetime | None:
    return _optional(fields, "Expires", lambda value: identifiers.check_timestamp(value, "Expires"))


def _on_duplicate(value: object) -> OnDuplicate:
    if value not in get_args(OnDuplicate):
        raise InvalidParameter(f"OnDuplicate must be one of {', '.join(get_args(OnDuplicate))}")
    return cast(OnDuplicate, value)


def _whole(name: str, highest: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) not in (int, float) or not 1 <= value <= highest or value != int(value):
            raise InvalidParameter(f"{name} must be a whole number from 1 to {highest}")
        return int(value)

    return check


def _distance(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= MAX_DISTANCE:
        raise InvalidParameter(f"Threshold must be a number from 0 to {MAX_DISTANCE:g}")
    return float(value)

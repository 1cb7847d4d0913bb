"""Parses collection requests: every field name, default, and bound. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args

import msgspec
from msgspec import Raw

from face_comparison.api.limits import MAX_DISTANCE, MAX_FACES
from face_comparison.collections import identifiers
from face_comparison.collections.quality import QualityFilter, check_quality_filter
from face_comparison.collections.results import OnDuplicate
from face_comparison.collections.service import DEFAULT_MATCHES, DEFAULT_RATE
from face_comparison.collections.stores.base import UNCHANGED, Unchanged
from face_comparison.errors import InvalidParameter
from face_comparison.wire.formats import Fields
from face_comparison.wire.formats.fields import image_fields, json_fields
from face_comparison.wire.formats.shapes import Buffer, SubjectShape
from face_comparison.wire.requests import Subject, image_or_hash

MAX_MATCHES = 100

_ABSENT = Raw()
_TEXTS = frozenset({"FaceModelVersion", "UserId", "ExternalImageId", "QualityFilter", "OnDuplicate"})


class _CollectionShape(msgspec.Struct):
    CollectionId: Raw = _ABSENT
    MaxFalsePositiveRate: Raw = _ABSENT
    RetentionDays: Raw = _ABSENT
    Metadata: Raw = _ABSENT


class _EnrollShape(SubjectShape):
    UserId: Raw = _ABSENT
    ExternalImageId: Raw = _ABSENT
    MaxFaces: Raw = _ABSENT
    QualityFilter: Raw = _ABSENT
    OnDuplicate: Raw = _ABSENT


class _SearchShape(SubjectShape):
    MaxFaces: Raw = _ABSENT
    MaxMatches: Raw = _ABSENT
    MaxFalsePositiveRate: Raw = _ABSENT
    Threshold: Raw = _ABSENT
    UserIds: Raw = _ABSENT


class _VerifyShape(SubjectShape):
    Threshold: Raw = _ABSENT


class _UserShape(msgspec.Struct):
    UserId: Raw = _ABSENT
    Metadata: Raw = _ABSENT
    Expires: Raw = _ABSENT


class _FaceIdsShape(msgspec.Struct):
    FaceIds: Raw = _ABSENT


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A request for a new collection.

    Attributes:
        collection_id: Its name.
        max_false_positive_rate: 0-1.
        retention_days: None: faces are kept until deleted.
        metadata: Whatever the caller wants to keep with it.
    """

    collection_id: str
    max_false_positive_rate: float
    retention_days: int | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class EnrollRequest:
    """max_faces None: 1 with a user, else all."""

    subject: Subject
    user_id: str | None
    external_image_id: str | None
    max_faces: int | None
    quality_filter: QualityFilter
    on_duplicate: OnDuplicate


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """A search for the faces of an image, or for a hash.

    Attributes:
        subject: The image or hash.
        max_faces: Most prominent faces of the image that are searched.
        max_matches: Matches per face.
        rate: None: the collection's rate.
        threshold: Euclidean distance, None: the one that follows from the rate.
        users: None: everybody.
    """

    subject: Subject
    max_faces: int
    max_matches: int
    rate: float | None
    threshold: float | None
    users: list[str] | None


@dataclass(frozen=True, slots=True, eq=False)
class VerifyRequest:
    """threshold None: the bundle's."""

    subject: Subject
    threshold: float | None


@dataclass(frozen=True, slots=True)
class UserRequest:
    """A request for a new user; expires: when it is erased, None: never."""

    user_id: str
    metadata: Mapping[str, Any]
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class UserChange:
    """Fields that are UNCHANGED were not in the request; expires None: no expiry any more."""

    metadata: Mapping[str, Any] | Unchanged
    expires: datetime | Unchanged | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for a page; token None: the first one."""

    limit: int
    token: str | None
    user_id: str | None = None


def create_request(body: Buffer, content_type: str) -> CreateRequest:
    """Raises InvalidJson, InvalidParameter."""
    fields = json_fields(body, content_type, _CollectionShape)
    rate, retention = fields.get("MaxFalsePositiveRate"), fields.get("RetentionDays")
    return CreateRequest(
        collection_id=identifiers.check_collection_id(fields.get("CollectionId")),
        max_false_positive_rate=DEFAULT_RATE if rate is None else identifiers.check_rate(rate),
        retention_days=None if retention is None else identifiers.check_retention(retention),
        metadata=_metadata(fields),
    )


def enroll_request(body: Buffer, content_type: str, query: Mapping[str, str], version: str) -> EnrollRequest:
    """version: the service's FaceModelVersion. Raises what is wrong with the image or hash, and InvalidParameter."""
    fields = image_fields(body, content_type, _EnrollShape, _TEXTS, query)
    user_id, external = fields.get("UserId"), fields.get("ExternalImageId")
    on_duplicate = fields.get("OnDuplicate") or "report"
    if on_duplicate not in get_args(OnDuplicate):
        raise InvalidParameter(f"OnDuplicate must be one of {', '.join(get_args(OnDuplicate))}")
    return EnrollRequest(
        subject=image_or_hash(fields, version),
        user_id=None if user_id is None else identifiers.check_user_id(user_id),
        external_image_id=None if external is None else identifiers.check_external_image_id(external),
        max_faces=_whole(fields, "MaxFaces", MAX_FACES),
        quality_filter=check_quality_filter(fields.get("QualityFilter") or "AUTO"),
        on_duplicate=cast(OnDuplicate, on_duplicate),
    )


def search_request(body: Buffer, content_type: str, query: Mapping[str, str], version: str) -> SearchRequest:
    """Raises what is wrong with the image or hash, and InvalidParameter."""
    fields = image_fields(body, content_type, _SearchShape, _TEXTS, query)
    rate, users, threshold = fields.get("MaxFalsePositiveRate"), fields.get("UserIds"), _distance(fields)
    if rate is not None and threshold is not None:
        raise InvalidParameter("give MaxFalsePositiveRate or Threshold, not both")
    return SearchRequest(
        subject=image_or_hash(fields, version),
        max_faces=_whole(fields, "MaxFaces", MAX_FACES) or MAX_FACES,
        max_matches=_whole(fields, "MaxMatches", MAX_MATCHES) or DEFAULT_MATCHES,
        rate=None if rate is None else identifiers.check_rate(rate),
        threshold=threshold,
        users=None if users is None else identifiers.check_user_ids(users),
    )


def verify_request(body: Buffer, content_type: str, query: Mapping[str, str], version: str) -> VerifyRequest:
    """Raises what is wrong with the image or hash, and InvalidParameter."""
    fields = image_fields(body, content_type, _VerifyShape, _TEXTS, query)
    return VerifyRequest(image_or_hash(fields, version), _distance(fields))


def user_request(body: Buffer, content_type: str) -> UserRequest:
    """Raises InvalidJson, InvalidParameter."""
    fields = json_fields(body, content_type, _UserShape)
    return UserRequest(identifiers.check_user_id(fields.get("UserId")), _metadata(fields), _expires(fields))


def user_change(body: Buffer, content_type: str) -> UserChange:
    """Raises InvalidJson, InvalidParameter."""
    fields = json_fields(body, content_type, _UserShape)
    return UserChange(
        metadata=_metadata(fields) if "Metadata" in fields else UNCHANGED,
        expires=_expires(fields) if "Expires" in fields else UNCHANGED,
    )


def face_ids_request(body: Buffer, content_type: str) -> list[str]:
    """Raises InvalidJson, InvalidParameter."""
    return identifiers.check_face_ids(json_fields(body, content_type, _FaceIdsShape).get("FaceIds"))


def page_request(query: Mapping[str, str]) -> PageRequest:
    """Raises InvalidParameter."""
    size, user_id = query.get("MaxResults"), query.get("UserId")
    try:
        limit = 1000 if not size else identifiers.check_page_size(int(size))
    except ValueError:
        raise InvalidParameter(f"MaxResults must be a whole number from 1 to {identifiers.MAX_PAGE}") from None
    token = query.get("NextToken") or None
    identifiers.page_start(token)
    return PageRequest(limit, token, None if not user_id else identifiers.check_user_id(user_id))


def _metadata(fields: Fields) -> Mapping[str, Any]:
    value = fields.get("Metadata")
    return {} if value is None else identifiers.check_metadata(value)


def _expires(fields: Fields) -> datetime | None:
    value = fields.get("Expires")
    return None if value is None else identifiers.check_timestamp(value, "Expires")


def _whole(fields: Fields, name: str, highest: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 1 <= value <= highest or value != int(value):
        raise InvalidParameter(f"{name} must be a whole number from 1 to {highest}")
    return int(value)


def _distance(fields: Fields) -> float | None:
    value = fields.get("Threshold")
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= MAX_DISTANCE:
        raise InvalidParameter(f"Threshold must be a number from 0 to {MAX_DISTANCE:g}")
    return float(value)

"""Validates ids, numbers, times, and metadata from callers. Pure functions.

For fields that Amazon Rekognition has, too, the patterns and lengths are the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from face_comparison.errors import InvalidParameter

MAX_PAGE = 4096
MAX_FACE_IDS = 4096
MAX_SEARCH_USERS = 10_000
MAX_METADATA_BYTES = 16 * 1024
MAX_RETENTION_DAYS = 36_500

_COLLECTION_ID = re.compile(r"[a-zA-Z0-9_.\-]{1,255}")
_USER_ID = re.compile(r"[a-zA-Z0-9_.\-:]{1,128}")
_REQUEST_TOKEN = re.compile(r"[a-zA-Z0-9_\-]{1,64}")
_EXTERNAL_IMAGE_ID = re.compile(r"[a-zA-Z0-9_.\-:]{1,255}")


def check_collection_id(value: Any) -> str:
    """Returns the CollectionId, or raises InvalidParameter."""
    # "." and ".." match the pattern, but no client could ever send them as a path segment.
    if not isinstance(value, str) or not _COLLECTION_ID.fullmatch(value) or value in (".", ".."):
        raise InvalidParameter("CollectionId must be 1 to 255 characters of a-z A-Z 0-9 _ . -")
    return value


def check_user_id(value: Any) -> str:
    """Returns the UserId, or raises InvalidParameter."""
    if not isinstance(value, str) or not _USER_ID.fullmatch(value) or value in (".", ".."):
        raise InvalidParameter("UserId must be 1 to 128 characters of a-z A-Z 0-9 _ . - :")
    return value


def check_request_token(value: Any) -> str:
    """Returns the ClientRequestToken, or raises InvalidParameter."""
    if not isinstance(value, str) or not _REQUEST_TOKEN.fullmatch(value):
        raise InvalidParameter("ClientRequestToken must be 1 to 64 characters of a-z A-Z 0-9 _ -")
    return value


def check_user_ids(values: Any) -> list[str]:
    """Returns the distinct UserIds that restrict a search, in order, or raises InvalidParameter."""
    if not isinstance(values, list) or not values:
        raise InvalidParameter("UserIds must be an array of at least one UserId")
    if len(values) > MAX_SEARCH_USERS:
        raise InvalidParameter(f"UserIds must hold at most {MAX_SEARCH_USERS} ids, not {len(values)}")
    return list(dict.fromkeys(check_user_id(value) for value in values))


def check_external_image_id(value: Any) -> str:
    """Returns the ExternalImageId, or raises InvalidParameter."""
    if not isinstance(value, str) or not _EXTERNAL_IMAGE_ID.fullmatch(value):
        raise InvalidParameter("ExternalImageId must be 1 to 255 characters of a-z A-Z 0-9 _ . - :")
    return value


def check_face_id(value: Any) -> str:
    """Returns the FaceId in its canonical form (lower-case UUID), or raises InvalidParameter."""
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise InvalidParameter("FaceId must be a UUID such as 5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d") from None


def check_face_ids(values: Any) -> list[str]:
    """Returns the distinct FaceIds, in order, or raises InvalidParameter."""
    if not isinstance(values, list) or not values:
        raise InvalidParameter("FaceIds must be an array of at least one FaceId")
    if len(values) > MAX_FACE_IDS:
        raise InvalidParameter(f"FaceIds must hold at most {MAX_FACE_IDS} ids, not {len(values)}")
    return list(dict.fromkeys(check_face_id(value) for value in values))


def check_rate(value: Any) -> float:
    """Returns the requested false positive rate of a search, or raises InvalidParameter."""
    if type(value) not in (int, float) or not 0 < value < 1:
        raise InvalidParameter("MaxFalsePositiveRate must be a number above 0 and below 1, such as 0.01")
    return float(value)


def check_retention(value: Any) -> int:
    """Returns the retention in days, or raises InvalidParameter."""
    if type(value) not in (int, float) or not 1 <= value <= MAX_RETENTION_DAYS or value != int(value):
        raise InvalidParameter(f"RetentionDays must be a whole number from 1 to {MAX_RETENTION_DAYS}")
    return int(value)


def check_metadata(value: Any) -> Mapping[str, Any]:
    """Returns the metadata, a JSON object of bounded size, or raises InvalidParameter."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InvalidParameter("Metadata must be an object")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
        # Nested as deeply as in a response: what cannot be encoded there must not be stored.
        orjson.dumps([[[[[value]]]]])
    except (TypeError, ValueError, RecursionError):
        raise InvalidParameter("Metadata must contain only JSON values, nested at most 200 levels deep") from None
    if "\\u0000" in text:
        raise InvalidParameter("Metadata must not contain the character U+0000")
    if size > MAX_METADATA_BYTES:
        raise InvalidParameter(f"Metadata must be at most {MAX_METADATA_BYTES} bytes of JSON, not {size}")
    return value


def check_timestamp(value: Any, name: str) -> datetime:
    """Returns the time, given in ISO 8601 (UTC without an offset) or seconds since 1970. Raises InvalidParameter."""
    try:
        if type(value) in (int, float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
            # Stores keep seconds as a float, which cannot represent the last microsecond of the year 9999.
            return datetime.fromtimestamp(found.timestamp(), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise InvalidParameter(f"{name} must be a time such as 2030-01-31T12:00:00Z")


def check_page_size(value: Any, name: str = "MaxResults") -> int:
    """Returns the number of items per page, or raises InvalidParameter."""
    if type(value) not in (int, float) or not 1 <= value <= MAX_PAGE or value != int(value):
        raise InvalidParameter(f"{name} must be a whole number from 1 to {MAX_PAGE}")
    return int(value)

"""Parses requests: every public field name, default, and bound of the API.

Pure functions: nothing here fetches or decodes an image, or knows about Flask. `wire/formats` reads the body formats,
and `wire/responses.py` builds responses.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.limits import HASH_SIZE, MAX_DISTANCE, MAX_FACES, MAX_TARGETS
from face_comparison.errors import (
    FaceComparisonError,
    HashVersionMismatch,
    InvalidFaceHash,
    InvalidParameter,
    MissingImage,
)
from face_comparison.fetching.urls import MAX_LENGTH
from face_comparison.wire.formats import (
    Buffer,
    Fields,
    InlineImage,
    compare_fields,
    detect_fields,
    image_instead_of_address,
    parse_number,
)
from face_comparison.wire.formats.shapes import ComparisonShape, ImageShape, check_spelling, fields_of

_SMALLEST_NORM = 1e-6  # a shorter vector is only rounding noise and has no meaningful direction
_SUBJECT = "one of url, img or face_hash is required"


@dataclass(frozen=True, slots=True)
class Url:
    """The URL of an image to fetch."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class FaceHash:
    """A hash stored by the caller: (768,) float32, L2 norm 1."""

    vector: NDArray[np.float32]


Image = Url | bytes
"""The URL of an image, or the encoded image itself."""
ImageOrHash = Image | FaceHash


@dataclass(frozen=True, slots=True, eq=False)
class DetectRequest:
    """A request to detect faces.

    Attributes:
        image: The image.
        max_faces: Maximum number of faces.
        min_confidence: Minimum detector score, 0-1; None for that of the bundle.
    """

    image: Image
    max_faces: int
    min_confidence: float | None


@dataclass(frozen=True, slots=True, eq=False)
class CompareRequest:
    """A request to compare faces.

    Attributes:
        source: The image or hash to compare with the targets.
        targets: The images or hashes. An unreadable target is represented by its error, so that the others can still
            be processed.
        threshold: Maximum Euclidean distance; None for the bundle's threshold.
    """

    source: ImageOrHash
    targets: tuple[ImageOrHash | FaceComparisonError, ...]
    threshold: float | None


def detect_request(body: Buffer, content_type: str, query: Mapping[str, str]) -> DetectRequest:
    """Parses a request to detect faces; query parameters supply fields that are missing from the body.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: A field has an invalid value.
        MissingImage: The image is missing.
        UrlNotAllowed: The image was sent as its URL.
        InvalidBase64: The image is not base64.
    """
    check_spelling(query, fields_of(ImageShape))
    from_query = _detect_parameters({name: parse_number(text) if text else text for name, text in query.items()})
    fields = detect_fields(body, content_type)
    image = _image(fields)
    if image is None:
        raise MissingImage("one of url and img is required")
    max_faces, min_confidence = _detect_parameters(fields)
    return DetectRequest(
        image=image,
        max_faces=max_faces or from_query[0] or MAX_FACES,
        min_confidence=from_query[1] if min_confidence is None else min_confidence,
    )


def _detect_parameters(fields: Fields) -> tuple[int | None, float | None]:
    max_faces = _number(fields, "max_faces", 1, MAX_FACES)
    if max_faces is not None and max_faces != int(max_faces):
        raise InvalidParameter(f"max_faces must be a whole number from 1 to {MAX_FACES}")
    return None if max_faces is None else int(max_faces), _number(fields, "min_confidence", 0, 1)


def compare_request(
    body: Buffer, content_type: str, version: str, query: Mapping[str, str] = MappingProxyType({})
) -> CompareRequest:
    """Parses a request to compare faces.

    Args:
        body: The request body.
        content_type: The declared media type.
        version: The service's FaceModelVersion, which hashes must match.
        query: The query parameters, which must not contain fields of a comparison.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: A field has an invalid value.
        MissingImage: There is no source or no target.
        UrlNotAllowed: The source image was sent as its URL.
        InvalidBase64: The source image is not base64.
        InvalidFaceHash: The source hash is not valid.
        HashVersionMismatch: The source hash was computed by another model.
    """
    check_spelling(query, fields_of(ComparisonShape))
    for name in fields_of(ComparisonShape):
        if name in query:
            raise InvalidParameter(f"{name} belongs in the body of a comparison, not in the query")
    fields = compare_fields(body, content_type)
    threshold = _number(fields, "threshold", 0, MAX_DISTANCE)
    if fields["source"] is None:
        raise MissingImage("source is required: an object with url, img or face_hash")
    if not fields["targets"]:
        raise MissingImage("target or targets is required: an object or an array of objects with url, img or face_hash")
    if len(fields["targets"]) > MAX_TARGETS:
        raise InvalidParameter(f"targets must contain at most {MAX_TARGETS} objects, not {len(fields['targets'])}")
    try:
        source = image_or_hash(fields["source"], version)
    except FaceComparisonError as error:
        raise type(error)(f"source: {error.message}") from None
    return CompareRequest(source, tuple(_subject(target, version) for target in fields["targets"]), threshold)


def _subject(fields: Fields | FaceComparisonError, version: str) -> ImageOrHash | FaceComparisonError:
    try:
        return image_or_hash(fields, version)
    except FaceComparisonError as error:
        return error.detached()


def image_or_hash(fields: Fields | FaceComparisonError, version: str) -> ImageOrHash:
    """Returns the image or hash in the fields of a request.

    Args:
        fields: The fields, or the error for them, which is raised.
        version: The service's FaceModelVersion, which a hash must match.

    Raises:
        MissingImage: There is neither an image nor a hash.
        InvalidParameter: A field has the wrong type, or the URL is too long.
        UrlNotAllowed: The image was sent as its URL.
        InvalidBase64: The image is not base64.
        InvalidFaceHash: The hash is not valid.
        HashVersionMismatch: The hash was computed by another model.
    """
    if isinstance(fields, FaceComparisonError):
        raise fields.detached()
    image = _image(fields)
    if image is not None:
        return image
    if fields.get("face_hash") is None:
        raise MissingImage(_SUBJECT)
    _check_version(fields.get("FaceModelVersion"), version)
    return FaceHash(face_hash(fields["face_hash"]))


def _check_version(value: Any, version: str) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidParameter("FaceModelVersion must be text")
    if value is not None and value != version:
        raise HashVersionMismatch(
            f"this face_hash was computed by another model: only hashes with FaceModelVersion {version} can be "
            f"compared; send the image again"
        )


def face_hash(value: Any) -> NDArray[np.float32]:
    """Parses a caller's hash: a list of 768 numbers, or 3,072 bytes of little-endian float32.

    The hash is normalized again, because callers may have rounded it or averaged the hashes of several images of a
    person.

    Returns:
        (768,) float32, L2 norm 1.

    Raises:
        InvalidFaceHash: The value has another type or length, or contains numbers that cannot be normalized.
    """
    if isinstance(value, bytes):
        if len(value) != 4 * HASH_SIZE:
            raise InvalidFaceHash(
                f"face_hash must be {HASH_SIZE} little-endian float32 ({4 * HASH_SIZE} bytes), not {len(value)} bytes"
            )
        return _normalized(np.frombuffer(value, "<f4").astype(np.float64))
    if not isinstance(value, list):
        raise InvalidFaceHash(f"face_hash must be an array of {HASH_SIZE} numbers")
    if len(value) == HASH_SIZE and not {*map(type, value)} <= {int, float}:
        raise InvalidFaceHash(f"face_hash must contain only numbers, {HASH_SIZE} of them")
    return hash_of_numbers(value)


def hash_of_numbers(value: list[float]) -> NDArray[np.float32]:
    """Parses a hash like `face_hash`, from a list that is known to contain only numbers."""
    if len(value) != HASH_SIZE:
        raise InvalidFaceHash(f"face_hash must be {HASH_SIZE} numbers, not {len(value)}")
    try:
        vector = np.frombuffer(array("d", value))  # faster than NumPy, which matters for imports of many lines
    except OverflowError:
        raise InvalidFaceHash("face_hash contains a number that is out of range") from None
    return _normalized(vector)


def _normalized(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(vector))
    if not math.isfinite(norm):
        raise InvalidFaceHash("face_hash must contain only finite numbers of reasonable size")
    if norm < _SMALLEST_NORM:
        raise InvalidFaceHash("face_hash must not be all zeros")
    return (vector / norm).astype(np.float32)


def _image(fields: Fields) -> Image | None:
    url = fields.get("url")
    if url is not None and not isinstance(url, str):
        raise InvalidParameter("url must be text")
    if url:
        if url.lstrip()[:5].lower() == "data:":
            raise image_instead_of_address()
        if len(url) > MAX_LENGTH:
            raise InvalidParameter(f"url must be at most {MAX_LENGTH} characters long")
        return Url(url)
    img = fields.get("img")
    if img is not None and not isinstance(img, InlineImage):
        raise InvalidParameter("img must be text: the image in base64")
    return None if img is None else img.data()


def _number(fields: Fields, name: str, low: float, high: float) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    # Python treats True and False as numbers, but callers do not.
    if type(value) not in (int, float) or not low <= value <= high:
        raise InvalidParameter(f"{name} must be a number from {low:g} to {high:g}")
    return float(value)

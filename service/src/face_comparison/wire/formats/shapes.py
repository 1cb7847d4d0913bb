"""What every form of a body is turned into, and the bounds that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from face_comparison.api.limits import MAX_TARGETS
from face_comparison.errors import (
    FaceComparisonError,
    InvalidBase64,
    InvalidFaceHash,
    InvalidParameter,
    MissingImage,
    UrlNotAllowed,
)
from face_comparison.image.formats import LABELS, is_image
from face_comparison.wire import base64_text

Buffer = bytes | bytearray | memoryview
Fields = Mapping[str, Any]
"""Field name to plain value; None: not given. Images are `Inline`."""

_LONGEST_VALUE = 64 * 1024  # bytes of anything but an image; 768 numbers of 17 digits take 17 KiB
_LONG_VALUES = {"UserIds": 10_000 * 136, "FaceIds": 4096 * 48}  # as many ids as a request may hold, with quotes
_ABSENT = Raw()


@dataclass(frozen=True, slots=True, eq=False)
class Inline:
    """An image that came with the request, not looked at yet: a request with a URL does not need it."""

    content: Callable[[], bytes]

    def data(self) -> bytes:
        """The image's bytes. Raises InvalidBase64, MissingImage (nothing in it)."""
        data = self.content()
        if not data:
            raise MissingImage(f"the image is empty: send the bytes of a {LABELS}")
        return data


def image_or_base64(content: bytes) -> bytes:
    """The bytes of an image, whether they come as they are or in base64: the content decides."""
    if is_image(content):
        return content
    try:
        decoded = base64_text.decoded(content)
    except InvalidBase64:
        return content
    return decoded if is_image(decoded) else content


def image_instead_of_address() -> UrlNotAllowed:
    """What is wrong where a data URL stands in place of an address."""
    return UrlNotAllowed("url holds an image itself (a data: URL), not an address: send it as img")


class ImageShape(msgspec.Struct):
    """Fields of a request for one image, as they stand in the body."""

    url: Raw = _ABSENT
    img: Raw = _ABSENT
    max_faces: Raw = _ABSENT
    min_confidence: Raw = _ABSENT


class SubjectShape(msgspec.Struct):
    """Fields of a source or target, as they stand in the body."""

    url: Raw = _ABSENT
    img: Raw = _ABSENT
    face_hash: Raw = _ABSENT
    FaceModelVersion: Raw = _ABSENT


class ComparisonShape(msgspec.Struct):
    """Fields of a comparison, as they stand in the body."""

    source: Raw = _ABSENT
    target: Raw = _ABSENT
    targets: Raw = _ABSENT
    threshold: Raw = _ABSENT


S = TypeVar("S", bound=msgspec.Struct)


def is_no_object(error: BaseException | None) -> bool:
    """Whether msgspec found something else where a shape was wanted."""
    return isinstance(error, msgspec.ValidationError) and str(error).startswith("Expected `object`")


def short(name: str, raw: Raw) -> Raw:
    """Returns the raw value itself, unless it could become many objects.

    Raises:
        InvalidFaceHash: It is a `face_hash` that is too long.
        UrlNotAllowed: It is an image in place of its URL.
        InvalidParameter: Another value is too long.
    """
    if len(memoryview(raw)) > _LONG_VALUES.get(name, _LONGEST_VALUE):
        if name == "url" and b"data:" in bytes(memoryview(raw)[:16]).lower():
            raise image_instead_of_address()
        raise (InvalidFaceHash if name == "face_hash" else InvalidParameter)(f"{name} is too long")
    return raw


def items(decoder: Any, raw: Raw) -> list[Raw]:
    """The items of `targets`, undecoded. Raises InvalidParameter."""
    try:
        found: list[Raw] = decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidParameter("targets must be an array of objects with url, img or face_hash") from None
    return found


def too_many() -> FaceComparisonError:
    """Returns the error for too many targets."""
    return InvalidParameter(f"targets must hold at most {MAX_TARGETS} objects")


def spelled_number(text: str) -> Any:
    """The number that text spells, else the text itself, which is then refused where a number is wanted."""
    try:
        return msgspec.json.decode(text.strip().encode(), type=int | float)
    except (msgspec.DecodeError, UnicodeError):
        return text or None

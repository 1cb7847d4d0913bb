"""What reading a body in any format results in, and the limits that all formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from face_comparison.api.limits import HASH_SIZE, MAX_TARGETS
from face_comparison.errors import (
    FaceComparisonError,
    InvalidBase64,
    InvalidFaceHash,
    InvalidParameter,
    MissingImage,
    UrlNotAllowed,
)
from face_comparison.image.formats import LABELS, START_BYTES, is_image
from face_comparison.request_memory import charge
from face_comparison.wire import base64_text

Buffer = bytes | bytearray | memoryview
Fields = Mapping[str, Any]
"""Field names and plain values, None for a value that is not given. Images are `InlineImage`."""

LIST_FIELDS = frozenset({"UserIds"})
"""Fields that are lists: in forms and queries, they are repeated, separated by commas, or given as a JSON array."""

_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LONGEST_VALUE = 64 * 1024  # maximum bytes of any value other than an image; 768 numbers of 17 digits take 17 KiB
MAX_ITEMS = {"UserIds": 10_000, "FaceIds": 4096, "face_hash": HASH_SIZE}
VALUE_MEMORY = 24
"""Maximum memory of a value as Python objects, in multiples of its JSON, which is that of empty objects."""
_LIST_COPIES, _ITEM_MEMORY = 3, 64
"""The same of a list of ids or numbers, and the bytes that each of them takes in addition."""
_LONG_VALUES = {"UserIds": 10_000 * 136, "FaceIds": 4096 * 48}  # the maximum number of ids in a request, with quotes
_ABSENT = Raw()
_SHOWN_NAME = 40


@dataclass(frozen=True, slots=True, eq=False)
class InlineImage:
    """An image sent with the request. It is decoded only when needed, since a request with a URL does not need it."""

    content: Callable[[], bytes]

    def data(self) -> bytes:
        """Returns the bytes of the image.

        Raises:
            InvalidBase64: The image is not base64.
            MissingImage: The image is empty.
        """
        data = self.content()
        if not data:
            raise MissingImage(f"the image is empty: send the bytes of a {LABELS}")
        return data


def image_or_base64(content: Buffer) -> bytes:
    """Returns the bytes of an image that was sent raw or as base64, judged by its content."""
    if not is_image(bytes(content[:START_BYTES])):
        with suppress(InvalidBase64):
            decoded = base64_text.decode(content)
            if is_image(decoded[:START_BYTES]):
                return decoded
            del decoded  # so that it does not exist together with the copy
    return bytes(content)


def image_instead_of_address() -> UrlNotAllowed:
    """Returns the error for a data URL that was sent instead of an address."""
    return UrlNotAllowed("url contains the image itself (a data: URL), not an address: send it as img")


_REQUIRED = ("url", "img", "face_hash", "source", "target", "targets", "CollectionId", "FaceIds")
"""Required fields, whose spelling is not checked: without them, a request is rejected with an error that says what is
missing."""


def shape(*fields: str) -> type[msgspec.Struct]:
    """Declares the fields of an object and their other spellings; msgspec skips other fields without building them."""
    spellings = [spelling for name in fields for spelling in _spellings(name) if spelling not in fields]
    return msgspec.defstruct("Shape", [(name, Raw, _ABSENT) for name in (*fields, *spellings)])


def _spellings(name: str) -> list[str]:
    """Returns other spellings of an optional field's name, which clients of other APIs might use."""
    if name in _REQUIRED:
        return []
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    pascal = "".join(word.capitalize() for word in words)
    found = ("_".join(words), "".join(words), pascal, pascal[0].lower() + pascal[1:])
    return [each for each in dict.fromkeys(found) if each != name]


@cache
def fields_of(of: type[msgspec.Struct]) -> tuple[str, ...]:
    """Returns the fields of a shape without their other spellings."""
    first: dict[str, str] = {}
    for name in of.__struct_fields__:
        first.setdefault(_plain(name), name)
    return tuple(first.values())


def check_spelling(names: Iterable[str], fields: Iterable[str]) -> None:
    """Rejects names that are other spellings of a field: silently ignoring an option would change the result.

    Raises:
        InvalidParameter: A name is another spelling of a field.
    """
    known = {_plain(field): field for field in fields if field not in _REQUIRED}
    for name in names:
        field_name = known.get(_plain(name))
        if field_name is not None and field_name != name:
            raise InvalidParameter(f"{name[:_SHOWN_NAME]!r} is not a field of this request: did you mean {field_name}?")


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


ImageShape = shape("url", "img", "max_faces", "min_confidence")
SubjectShape = shape("url", "img", "face_hash", "FaceModelVersion")
ComparisonShape = shape("source", "target", "targets", "threshold")


S = TypeVar("S", bound=msgspec.Struct)


def is_not_an_object(error: BaseException | None) -> bool:
    """Returns whether msgspec found something other than an object."""
    return isinstance(error, msgspec.ValidationError) and str(error).startswith("Expected `object`")


ShortValue = TypeVar("ShortValue", Raw, memoryview)


def short(name: str, raw: ShortValue) -> ShortValue:
    """Returns the raw value unchanged, unless decoding it could create many objects; charges their memory.

    Raises:
        InvalidFaceHash: A `face_hash` is too long.
        UrlNotAllowed: An image was sent in place of its URL.
        InvalidParameter: Another value is too long.
        Overloaded: There is not enough memory.
    """
    if len(memoryview(raw)) > _LONG_VALUES.get(name, _LONGEST_VALUE):
        if name == "url" and b"data:" in bytes(memoryview(raw)[:16]).lower():
            raise image_instead_of_address()
        raise (InvalidFaceHash if name == "face_hash" else InvalidParameter)(f"{name} is too long")
    size = len(memoryview(raw))
    items = min(size, MAX_ITEMS.get(name, 0))
    charge(_LIST_COPIES * size + _ITEM_MEMORY * items if items else VALUE_MEMORY * size)
    return raw


def check_count(name: str, count: int) -> None:
    """Checks the number of items in a list before they are decoded.

    Raises:
        InvalidFaceHash: A `face_hash` has too many numbers.
        InvalidParameter: Another list has too many items.
    """
    if count > MAX_ITEMS.get(name, count):
        if name == "face_hash":
            raise InvalidFaceHash(f"face_hash must be {HASH_SIZE} numbers, not {count}")
        raise InvalidParameter(f"{name} must hold at most {MAX_ITEMS[name]} ids, not {count}")


def items(decoder: Any, raw: Raw) -> list[Raw]:
    """Returns the undecoded items of `targets`.

    Raises:
        InvalidParameter: The value is not an array.
    """
    try:
        found: list[Raw] = decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidParameter("targets must be an array of objects with url, img or face_hash") from None
    return found


def too_many() -> FaceComparisonError:
    """Returns the error for too many targets."""
    return InvalidParameter(f"targets must contain at most {MAX_TARGETS} objects")


def parse_number(text: str) -> Any:
    """Returns the number that a text spells, or the text itself, which is later rejected where a number is expected.

    Numbers as people and programs write them outside JSON are accepted, too: `.5`, `5.`, `+1`, `01`.
    """
    stripped = text.strip()
    try:
        return msgspec.json.decode(stripped.encode(), type=int | float)
    except (msgspec.DecodeError, UnicodeError):
        return float(stripped) if _DECIMAL.fullmatch(stripped) else text or None

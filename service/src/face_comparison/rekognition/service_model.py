"""Requests and operations of Amazon Rekognition as botocore's service model (2016-06-27) describes them.

The model that the AWS SDKs are generated from decides what is valid: types, required members, lengths, ranges,
patterns and enumerations. Members that it does not know are ignored, as AWS does for newer clients.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
import pybase64
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from face_comparison.errors import InvalidBase64, InvalidJson
from face_comparison.rekognition.faults import RekognitionFault
from face_comparison.request_memory import charge
from face_comparison.wire.formats.json import ascii_text
from face_comparison.wire.formats.shapes import VALUE_MEMORY
from face_comparison.wire.turns import parsing

TARGET_PREFIX = "RekognitionService."

MAX_MEMBER_BYTES = 512 * 1024
"""Longest JSON of a member that is not an image: the longest list, 4,096 face ids, takes a third of it."""

_UNICODE_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
"""Classes of Java's patterns that Python lacks, as members of one of its own (letters, numbers, separators)."""

_NUMBERS = ("integer", "long", "float", "double")
_UNLIMITED = frozenset({"ImageBlob"})
"""Shapes whose length the service's own limits bound: Amazon's five megabytes are not this product's."""


@cache
def service_model() -> ServiceModel:
    """Botocore's description of Amazon Rekognition."""
    return ServiceModel(Loader().load_service_model("rekognition", "service-2", "2016-06-27"), "rekognition")


def parse_target(target: str, supported: Mapping[str, object]) -> str:
    """Returns the operation that the header `X-Amz-Target` names.

    Raises:
        RekognitionFault: UnknownOperationException, which lists the supported operations.
    """
    operation = target.removeprefix(TARGET_PREFIX)
    if not target.startswith(TARGET_PREFIX) or operation not in supported:
        raise RekognitionFault(
            "UnknownOperationException",
            f"X-Amz-Target must be {TARGET_PREFIX} and one of {', '.join(sorted(supported))}",
        )
    return operation


def parse_input(operation: str, body: bytes | bytearray | memoryview) -> dict[str, Any]:
    """Returns the parameters of a request, blobs decoded to bytes.

    Nothing is built of members that the model does not know, however much of them was sent.

    Raises:
        RekognitionFault: SerializationException for a body that is not JSON of the right types,
            InvalidParameterException for values that are missing or not allowed.
    """
    shape = service_model().operation_model(operation).input_shape
    try:
        with parsing(len(body)):
            return _structure(shape, body or b"{}", "") if isinstance(shape, StructureShape) else {}
    except (msgspec.DecodeError, InvalidJson, UnicodeDecodeError, RecursionError):
        raise RekognitionFault("SerializationException", "the body is not valid JSON") from None


@cache
def _decoder(name: str) -> msgspec.json.Decoder[Any]:
    members = service_model().shape_for(name).members  # type: ignore[attr-defined]
    fields = [(member, msgspec.Raw, msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))) for member in members]
    return msgspec.json.Decoder(msgspec.defstruct(name, fields))


def _structure(shape: StructureShape, raw: bytes | bytearray | memoryview | msgspec.Raw, path: str) -> dict[str, Any]:
    try:
        found = _decoder(shape.name).decode(raw)
    except msgspec.ValidationError:
        location = path.removesuffix(".") or "the body"
        raise RekognitionFault(
            "SerializationException", f"{location} must be {'a JSON' if not path else 'an'} object"
        ) from None
    present = {
        name: member for name in shape.members if bytes(memoryview(member := getattr(found, name))[:5]) != b"null"
    }
    for name in shape.required_members:
        if name not in present:
            raise _invalid(f"{path}{name}", "is required")
    return {name: _member(shape.members[name], member, f"{path}{name}") for name, member in present.items()}


def _member(shape: Shape, raw: msgspec.Raw, path: str) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, raw, f"{path}.")
    if shape.type_name != "blob" and len(memoryview(raw)) > MAX_MEMBER_BYTES:
        raise _invalid(path, "is too long")
    if shape.type_name == "blob":
        return _blob(shape, raw, path)
    charge(VALUE_MEMORY * len(memoryview(raw)))
    return _value(shape, msgspec.json.decode(raw), path)


def _blob(shape: Shape, raw: msgspec.Raw, path: str) -> bytes:
    view = memoryview(raw)
    if bytes(view[:1]) != b'"':
        raise RekognitionFault("SerializationException", f"{path} must be a string")
    try:
        decoded = _base64(view[1:-1])
        if decoded is None:
            decoded = _base64(ascii_text(view[1:-1]))
    except InvalidBase64:
        decoded = None
    if decoded is None:
        raise RekognitionFault("SerializationException", f"{path} is not valid base64")
    _check_bounds(shape, len(decoded), path, "bytes")
    return decoded


def _base64(text: bytes | memoryview) -> bytes | None:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return None


def _value(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(shape, ListShape):
        items = _check_type(value, list, path, "an array")
        _check_bounds(shape, len(items), path, "items")
        return [_value(shape.member, item, f"{path}[{number}]") for number, item in enumerate(items)]
    if isinstance(shape, MapShape):
        entries = _check_type(value, dict, path, "an object")
        _check_bounds(shape, len(entries), path, "entries")
        return {
            _value(shape.key, key, path): _value(shape.value, item, f"{path}.{key}") for key, item in entries.items()
        }
    if shape.type_name == "boolean":
        return _check_type(value, bool, path, "a boolean")
    if shape.type_name in _NUMBERS:
        return _number(shape, value, path)
    return _text(shape, _check_type(value, str, path, "a string"), path)


def _number(shape: Shape, value: Any, path: str) -> int | float:
    is_integer = shape.type_name in ("integer", "long")
    if isinstance(value, bool) or not isinstance(value, int if is_integer else (int, float)):
        raise RekognitionFault("SerializationException", f"{path} must be {'an integer' if is_integer else 'a number'}")
    _check_bounds(shape, value, path, "")
    return value


def _text(shape: Shape, value: str, path: str) -> str:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        raise _invalid(path, f"must be one of {', '.join(allowed)}")
    _check_bounds(shape, len(value), path, "characters")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compile_pattern(pattern).fullmatch(value):
        raise _invalid(path, f"must match {pattern}")
    return value


@cache
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    """Amazon's pattern for Python. All are classes with one quantifier, which no input makes slow."""
    for unicode_class, members in _UNICODE_CLASSES.items():
        pattern = pattern.replace(unicode_class, members)
    return re.compile(pattern)


def _check_type(value: Any, expected: type, path: str, expectation: str) -> Any:
    if not isinstance(value, expected):
        raise RekognitionFault("SerializationException", f"{path} must be {expectation}")
    return value


def _check_bounds(shape: Shape, size: float, path: str, unit: str) -> None:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and size < minimum:
        raise _invalid(path, f"must be at least {minimum} {unit}".rstrip())
    if maximum is not None and size > maximum and shape.name not in _UNLIMITED:
        raise _invalid(path, f"must be at most {maximum} {unit}".rstrip())


def _invalid(path: str, problem: str) -> RekognitionFault:
    return RekognitionFault("InvalidParameterException", f"{path} {problem}")

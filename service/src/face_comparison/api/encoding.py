"""Encodes and decodes responses in JSON or MessagePack, and derives their OpenAPI schemas.

The two formats differ only in `face_hash`: in MessagePack it is 3,072 bytes of little-endian float32, in JSON it is
numbers with the fewest digits that identify a float32. Both decode to the same hash.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_origin

import msgspec
import numpy as np
import orjson

from .responses import FACE_HASH_SCHEMA, TargetError, TargetMatch, TargetResult

JSON: Literal["application/json"] = "application/json"
MESSAGE_PACK: Literal["application/msgpack"] = "application/msgpack"
MediaType = Literal["application/json", "application/msgpack"]

_T = TypeVar("_T")
_REFERENCE = "#/components/schemas/{name}"


def encode(response: Any, media_type: MediaType) -> bytes:
    """Encodes a response, or a mapping of plain values such as the OpenAPI document."""
    if media_type == MESSAGE_PACK:
        return msgspec.msgpack.encode(response, enc_hook=_to_message_pack)
    return msgspec.json.encode(response, enc_hook=_to_json)


def decode(body: bytes, type_: type[_T], media_type: MediaType) -> _T:
    """Decodes a response.

    Raises:
        msgspec.DecodeError: if the body is not valid, or is not of that type.
    """
    if media_type == MESSAGE_PACK:
        return msgspec.msgpack.decode(body, type=type_, dec_hook=_from_wire)
    return msgspec.json.decode(body, type=type_, dec_hook=_from_wire)


def fields(response: Any) -> dict[str, Any]:
    """Returns the fields of a response by their names in the API, without those that are None."""
    info = msgspec.structs.fields(response)
    values = ((each.encode_name, getattr(response, each.name)) for each in info)
    return {name: value for name, value in values if value is not None}


def schemas(*types: type) -> dict[str, dict[str, Any]]:
    """Returns the JSON schemas of response types and of all types that they contain, by class name."""
    _, components = msgspec.json.schema_components(types, schema_hook=_to_schema, ref_template=_REFERENCE)
    return {name: _without_null(schema) for name, schema in components.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        # orjson writes a float32 with as few digits as it needs; as Python numbers they would have 17.
        return msgspec.Raw(orjson.dumps(np.ascontiguousarray(value), option=orjson.OPT_SERIALIZE_NUMPY))
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _to_message_pack(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.astype("<f4").tobytes()
    raise NotImplementedError(f"{type(value).__name__} has no MessagePack form")


def _from_wire(type_: type, value: Any) -> Any:
    if type_ is TargetResult:
        chosen: type[Any] = TargetError if isinstance(value, dict) and "Error" in value else TargetMatch
        return msgspec.convert(value, chosen, dec_hook=_from_wire)
    if get_origin(type_) is np.ndarray:
        numbers = np.frombuffer(value, "<f4") if isinstance(value, bytes) else np.array(value)
        return numbers.astype(np.float32)
    raise NotImplementedError(f"{type_.__name__} has no wire form")


def _to_schema(type_: type) -> dict[str, Any]:
    if type_ is TargetResult:
        return {"oneOf": [{"$ref": _REFERENCE.format(name=each.__name__)} for each in (TargetMatch, TargetError)]}
    if type_ is np.ndarray:
        return dict(FACE_HASH_SCHEMA)
    raise NotImplementedError(f"{type_.__name__} has no schema")


def _without_null(schema: Any) -> Any:
    """Removes `null` and titles from a schema: a response omits fields that are None and never contains null."""
    if isinstance(schema, list):
        return [_without_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    simplified = {name: _without_null(value) for name, value in schema.items() if name != "title"}
    if "anyOf" in simplified:
        alternatives = [each for each in simplified.pop("anyOf") if each != {"type": "null"}]
        simplified.pop("default", None)
        simplified |= alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}
    return simplified

"""Requests of Amazon Rekognition's API: what its service model allows is parsed, everything else is named."""

from __future__ import annotations

import base64
import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from botocore.model import StructureShape

from face_comparison.rekognition import service_model
from face_comparison.rekognition.faults import RekognitionFault

IMAGE = {"Bytes": base64.b64encode(b"image").decode()}


def parse(operation: str, **parameters: Any) -> dict[str, Any]:
    return service_model.parse_input(operation, json.dumps(parameters).encode())


def rejected(operation: str, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(RekognitionFault) as caught:
        parse(operation, **parameters)
    assert caught.value.status == 400
    return caught.value.name, caught.value.message


def test_blobs_are_decoded_and_unknown_members_ignored() -> None:
    found = parse("DetectFaces", Image=IMAGE | {"Newer": 1}, Attributes=["ALL"], Newest={"a": [1]})
    assert found == {"Image": {"Bytes": b"image"}, "Attributes": ["ALL"]}


def test_null_is_ignored() -> None:
    assert parse("ListFaces", CollectionId="staff", NextToken=None) == {"CollectionId": "staff"}


def test_images_may_exceed_amazon_limit() -> None:
    large = base64.b64encode(bytes(6_000_000)).decode()
    assert len(parse("DetectFaces", Image={"Bytes": large})["Image"]["Bytes"]) == 6_000_000


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("DetectFaces", {}, "Image is required"),
        ("DetectFaces", {"Image": {"Bytes": ""}}, "Image.Bytes must be at least 1"),
        ("DetectFaces", {"Image": IMAGE, "Attributes": ["AGE"]}, "Attributes[0] must be one of DEFAULT, ALL"),
        ("CreateCollection", {"CollectionId": ""}, "CollectionId must be at least 1"),
        ("CreateCollection", {"CollectionId": "a/b"}, "CollectionId must match"),
        ("CreateCollection", {"CollectionId": "a\n"}, "CollectionId must match"),
        ("CreateCollection", {"CollectionId": "a" * 256}, "CollectionId must be at most 255"),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": []}, "FaceIds must be at least 1"),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": ["x"]}, "FaceIds[0] must match"),
        ("SearchFacesByImage", {"CollectionId": "a", "Image": IMAGE, "FaceMatchThreshold": 101}, "at most 100"),
        ("SearchFacesByImage", {"CollectionId": "a", "Image": IMAGE, "MaxFaces": 0}, "MaxFaces must be at least 1"),
        ("ListFaces", {"CollectionId": "a", "MaxResults": 5000}, "MaxResults must be at most 4096"),
        ("CreateCollection", {"CollectionId": "a", "Tags": {"": "x"}}, "Tags must"),
    ],
)
def test_disallowed_values_are_rejected(operation: str, parameters: dict[str, Any], expected: str) -> None:
    name, message = rejected(operation, **parameters)
    assert name == "InvalidParameterException"
    assert expected in message


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("DetectFaces", {"Image": "x"}, "Image must be an object"),
        ("DetectFaces", {"Image": {"Bytes": 3}}, "Image.Bytes must be a string"),
        ("DetectFaces", {"Image": {"Bytes": "é"}}, "Image.Bytes is not valid base64"),
        ("DetectFaces", {"Image": {"Bytes": "aGk"}}, "Image.Bytes is not valid base64"),
        ("DetectFaces", {"Image": IMAGE, "Attributes": "ALL"}, "Attributes must be an array"),
        ("ListFaces", {"CollectionId": "a", "MaxResults": 1.5}, "MaxResults must be an integer"),
        ("ListFaces", {"CollectionId": "a", "MaxResults": True}, "MaxResults must be an integer"),
        ("ListFaces", {"CollectionId": 5}, "CollectionId must be a string"),
    ],
)
def test_values_of_wrong_type_are_rejected(operation: str, parameters: dict[str, Any], expected: str) -> None:
    assert rejected(operation, **parameters) == ("SerializationException", expected)


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 200_000])
def test_bodies_that_are_not_json_objects_are_rejected(body: bytes) -> None:
    with pytest.raises(RekognitionFault) as caught:
        service_model.parse_input("DetectFaces", body)
    assert caught.value.name == "SerializationException"


def test_empty_body_has_no_parameters() -> None:
    assert service_model.parse_input("ListCollections", b"") == {}


@pytest.mark.parametrize("tag", ["stage", "Abteilung: Küche", "部门 7", "a_b.c:/=+-@", "²"])
def test_tags_of_any_script_are_parsed(tag: str) -> None:
    assert parse("CreateCollection", CollectionId="staff", Tags={tag: tag})["Tags"] == {tag: tag}


@pytest.mark.parametrize("tags", [{"aws:x": "y"}, {"a!": "b"}, {"a": "<b>"}, {"tab\t": "b"}, {"a": "line\n"}])
def test_tags_with_invalid_characters_are_rejected(tags: dict[str, str]) -> None:
    name, message = rejected("CreateCollection", CollectionId="staff", Tags=tags)
    assert name == "InvalidParameterException" and message.startswith("Tags")


@pytest.mark.parametrize("target", ["", "DetectFaces", "RekognitionService.DetectLabels", "Other.DetectFaces"])
def test_unknown_operation_lists_known_operations(target: str) -> None:
    with pytest.raises(RekognitionFault) as caught:
        service_model.parse_target(target, {"DetectFaces": None, "CompareFaces": None})
    assert caught.value.name == "UnknownOperationException"
    assert "CompareFaces, DetectFaces" in caught.value.message


def test_every_pattern_of_supported_operations_is_linear() -> None:
    """The patterns run on senders' text: none may have a quantifier within a quantifier."""
    seen = set()

    def walk(shape: Any) -> None:
        pattern = shape.metadata.get("pattern")
        if pattern:
            seen.add(pattern)
        for member in getattr(shape, "members", {}).values() if isinstance(shape, StructureShape) else ():
            walk(member)

    from face_comparison.rekognition.operations import OPERATIONS

    for operation in OPERATIONS:
        walk(service_model.service_model().operation_model(operation).input_shape)
    assert seen
    for pattern in seen:
        assert not any(nested in pattern for nested in (")+", ")*", "+)", "*)")), pattern


@pytest.mark.parametrize(
    "body",
    [
        b'{"x":[' + b"{}," * 2_000_000 + b"{}]}",
        b"{" + b",".join(b'"%d":1' % number for number in range(500_000)) + b"}",
        b'{"Image":{"Bytes":"aGVsbG8=","x":[' + b"{}," * 2_000_000 + b"{}]}}",
        b'{"Image":{"Bytes":"aGVsbG8="},"Attributes":[' + b"{}," * 2_000_000 + b"{}]}",
        b'{"Image":{"Bytes":[' + b"{}," * 2_000_000 + b"{}]}}",
    ],
    ids=["unknown list", "unknown members", "unknown in the image", "list", "image"],
)
def test_unsupported_members_are_not_built(body: bytes) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(RekognitionFault):
            service_model.parse_input("DetectFaces", body)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body) + 2**20
    finally:
        tracemalloc.stop()

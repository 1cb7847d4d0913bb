"""The response types: one definition that is encoded, decoded and described."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest

from face_comparison.api import encoding, responses
from face_comparison.api.encoding import JSON, MESSAGE_PACK, MediaType
from support.faces import quality

HASH = np.random.default_rng(1).standard_normal(768).astype(np.float32)
FACE = responses.Face(
    bounding_box=responses.BoundingBox(0.1, 0.2, 0.3, 0.4),
    confidence=0.9,
    face_hash=HASH,
    landmarks=(responses.Landmark("nose", 0.5, 0.25),),
    quality=quality(sharpness=50.0, brightness=60.0, face_size=70.5),
)
MATCH = responses.FaceMatch(distance=0.5, confidence=0.9, same_person=True, verdict="same")
COMPARED = responses.CompareResponse(
    face_model_version="m-1",
    threshold=1.1,
    source=responses.SourceFace(),
    targets=(
        responses.TargetMatch(True, 0.5, 0.9, "same", (MATCH,)),
        responses.TargetError(responses.ErrorReason("no_face", "none")),
    ),
)


@pytest.mark.parametrize("media_type", [JSON, MESSAGE_PACK])
def test_face_hash_survives_encoding_exactly(media_type: MediaType) -> None:
    sent = responses.DetectResponse((FACE,), "m-1")
    received = encoding.decode(encoding.encode(sent, media_type), responses.DetectResponse, media_type)
    assert np.array_equal(received.faces[0].face_hash, HASH)
    assert received.faces[0].face_hash.dtype == np.float32
    assert received.faces[0].quality == FACE.quality


@pytest.mark.parametrize("media_type", [JSON, MESSAGE_PACK])
def test_target_is_decoded_as_match_or_error(media_type: MediaType) -> None:
    received = encoding.decode(encoding.encode(COMPARED, media_type), responses.CompareResponse, media_type)
    assert received == COMPARED
    assert [target.same_person for target in received.targets] == [True, None]


def test_none_is_omitted() -> None:
    sent = msgspec.json.decode(encoding.encode(COMPARED, JSON))
    assert sent["Source"] == {}
    assert set(sent["Targets"][0]["Faces"][0]) == {"Distance", "Confidence", "SamePerson", "Verdict"}
    assert set(sent["Targets"][1]) == {"Error"}


@pytest.mark.parametrize(
    "body", [b"{}", b'{"Faces": 1, "FaceModelVersion": "m"}', b'{"Faces": [{}], "FaceModelVersion": "m"}', b"[", b""]
)
def test_unexpected_response_is_decode_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        encoding.decode(body, responses.DetectResponse, JSON)


@pytest.mark.parametrize("response", [responses.DetectResponse((FACE,), "m-1"), COMPARED])
def test_schema_matches_encoding(response: responses.Response) -> None:
    schemas = encoding.schemas(type(response), responses.TargetMatch, responses.TargetError)
    schema: dict[str, Any] = {
        "$ref": f"#/components/schemas/{type(response).__name__}",
        "components": {"schemas": {name: {**each, "additionalProperties": False} for name, each in schemas.items()}},
    }
    jsonschema.validate(msgspec.json.decode(encoding.encode(response, JSON)), schema)
    assert "null" not in repr(schemas)


def test_fields_have_wire_names() -> None:
    assert list(encoding.fields(FACE)) == ["BoundingBox", "Confidence", "face_hash", "Landmarks", "Quality"]
    assert encoding.fields(responses.SourceFace()) == {}

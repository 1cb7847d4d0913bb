"""Long texts are converted in parts; where one part ends makes no difference."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from face_comparison.errors import FaceComparisonError, InvalidBase64, InvalidFaceHash, InvalidJson, InvalidParameter
from face_comparison.wire.formats.json import ascii_text
from face_comparison.wire.requests import compare_request, detect_request

PART = 64 * 1024
PACKED = "application/msgpack"


def image_of(body: bytes, content_type: str = "") -> object:
    return detect_request(body, content_type, {}).image


@pytest.mark.parametrize("before", range(PART - 8, PART + 2))
@pytest.mark.parametrize("escape", [r"\u002B", r"\/", r"\n", r"\n\n\n", r"\\"])
def test_escape_between_parts_is_read_whole(before: int, escape: str) -> None:
    text = "A" * before + escape + "B" * PART
    assert ascii_text(memoryview(text.encode())).decode() == json.loads(f'"{text}"')


@pytest.mark.parametrize("backslashes", range(12))
def test_runs_of_backslashes_are_read_in_pairs(backslashes: int) -> None:
    text = "A" * (PART - 6) + "\\\\" * backslashes + "B" * PART
    assert ascii_text(memoryview(text.encode())).decode() == json.loads(f'"{text}"')


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("é" * PART, InvalidBase64),
        ("A" * PART + r"\u00e9", InvalidBase64),
        ("A" * PART + r"\ud83d\ude00", InvalidBase64),
        ("A" * PART + r"\ud83d", InvalidJson),
        ("A" * PART + r"\x", InvalidJson),
        ("A" * (PART - 1) + "\\", InvalidJson),
    ],
    ids=["accent", "escaped accent", "escaped emoji", "half an emoji", "unknown escape", "no escape"],
)
def test_text_that_is_not_ascii_is_rejected(text: str, error: type[FaceComparisonError]) -> None:
    with pytest.raises(error):
        ascii_text(memoryview(text.encode()))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("before", [*range(PART // 4 - 14, PART // 4), *range(PART // 2 - 14, PART // 2)])
def test_character_between_parts_is_read_whole(encoding: str, before: int) -> None:
    image = b"\xff\xd8\xff" + bytes(PART)
    text = '{"other":"' + "A" * before + '\U0001f600","img":"' + base64.b64encode(image).decode() + '"}'
    assert image_of(text.encode(encoding)) == image


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_incomplete_character_at_end_is_rejected(encoding: str) -> None:
    with pytest.raises(InvalidJson):
        image_of('{"img":"AAAA"}'.encode(encoding)[:-1])


@pytest.mark.parametrize("size", [0, 1, 31, 32, 255, 256, 65_535, 65_536])
def test_packed_text_of_every_length_is_read(size: int) -> None:
    image = b"\xff\xd8\xff" + bytes(size)
    assert image_of(msgspec.msgpack.encode({"img": base64.b64encode(image).decode()}), PACKED) == image


@pytest.mark.parametrize(
    "value", [[[]] * 768, [0.5] * 769, [0.5] * 70_000, ["a"] * 768, [None] * 768, {"a": 1}, "text"]
)
def test_packed_hash_must_be_768_numbers(value: object) -> None:
    body = msgspec.msgpack.encode({"source": {"face_hash": value}, "target": {"img": b"x"}})
    with pytest.raises(InvalidFaceHash, match="source: face_hash"):
        compare_request(body, PACKED, "v")


@pytest.mark.parametrize("name", ["url", "max_faces", "min_confidence"])
@pytest.mark.parametrize("value", [[], {}, [[]] * 20, {"a": {}}, [0] * 70_000])
def test_packed_value_must_not_contain_others(name: str, value: object) -> None:
    with pytest.raises(InvalidParameter, match=f"{name}"):
        image_of(msgspec.msgpack.encode({"img": b"x", name: value}), PACKED)


@pytest.mark.parametrize("numbers", [769, 10_000])
def test_long_hash_is_counted_before_it_is_decoded(numbers: int) -> None:
    body = b'{"source":{"face_hash":[' + b",".join([b"[]"] * numbers) + b']},"target":{"img":"AAAA"}}'
    with pytest.raises(InvalidFaceHash, match=f"768 numbers, not {numbers}"):
        compare_request(body, "", "v")

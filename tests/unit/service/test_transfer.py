"""Lines of exported faces, read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest

from face_comparison.collections.values import RelativeBox, StoredFace
from face_comparison.errors import InvalidParameter
from face_comparison.wire.transfer import MIN_FACE_BYTES, SPARE_LINES, export_lines, import_lines, split_lines
from support.vectors import MODEL_VERSION, NOW, face


def line(**changes: Any) -> bytes:
    [exported] = export_lines([face("a", user="anna")], MODEL_VERSION)
    return orjson.dumps({**orjson.loads(exported), **changes})


def read(text: bytes) -> StoredFace | str:
    [(number, found)] = import_lines([text], MODEL_VERSION)
    assert number == 1
    return found


def test_exported_face_round_trips() -> None:
    created = face("a", user="anna", external_image_id="x:1", created=NOW - timedelta(days=9000), confidence=0.5)
    [(_, found)] = import_lines(export_lines([created], MODEL_VERSION), MODEL_VERSION)
    assert isinstance(found, StoredFace)
    assert (found.face_id, found.user_id, found.external_image_id) == (created.face_id, "anna", "x:1")
    assert (found.created, found.source_key, found.confidence) == (created.created, created.source_key, 0.5)
    assert found.vector is not None and created.vector is not None
    np.testing.assert_allclose(found.vector[:128], created.vector, atol=1e-6)


def test_future_date_does_not_extend_retention() -> None:
    before = datetime.now(UTC)
    found = read(line(CreationTimestamp="2900-01-01T00:00:00Z"))
    assert isinstance(found, StoredFace)
    assert before <= found.created <= datetime.now(UTC)


@pytest.mark.parametrize(
    "numbers",
    [[True] * 768, ["1"] * 768, [None] * 768, [1] * 767, [0] * 768, [1e999] + [0] * 767, [[1]] * 768, "x", {}],
    ids=["booleans", "texts", "nulls", "too few", "zeros", "infinite", "nested", "text", "object"],
)
def test_invalid_hash_is_rejected(numbers: Any) -> None:
    found = read(line(face_hash=numbers).replace(b"[null,0,0", b"[1e999,0,0"))
    assert isinstance(found, str)
    assert found


BOX = {"Left": 0.25, "Top": 0, "Width": 0.5, "Height": 1}


def test_box_and_confidence_are_read() -> None:
    found = read(line(BoundingBox=BOX, Confidence=1))
    assert isinstance(found, StoredFace)
    assert (found.box, found.confidence) == (RelativeBox(0.25, 0, 0.5, 1), 1)


IMPOSSIBLE: list[dict[str, Any]] = [
    {"Confidence": 1.01},
    {"Confidence": -1e-9},
    {"Confidence": 99},
    {"Confidence": "0.5"},
    {"BoundingBox": {**BOX, "Left": -0.1}},
    {"BoundingBox": {**BOX, "Top": 2}},
    {"BoundingBox": {**BOX, "Width": 1e300}},
    {"BoundingBox": {name: BOX[name] for name in ("Left", "Top", "Width")}},
    {"BoundingBox": [0, 0, 1, 1]},
]


@pytest.mark.parametrize("wrong", IMPOSSIBLE, ids=str)
def test_invalid_box_or_confidence_is_rejected(wrong: dict[str, Any]) -> None:
    found = read(line(**wrong))
    assert isinstance(found, str) and next(iter(wrong)) in found


def test_integers_are_numbers() -> None:
    found = read(line(face_hash=[3, 4, *[0] * 766]))
    assert isinstance(found, StoredFace) and found.vector is not None
    assert found.vector[:2].tolist() == pytest.approx([0.6, 0.8])


def test_lines_are_split_at_line_feeds() -> None:
    assert list(split_lines(b"a\r\n\nb")) == [b"a\r", b"", b"b"]
    assert list(split_lines(bytearray(b"a\n"))) == [b"a"]
    assert list(split_lines(b"")) == []


def test_excess_lines_are_not_read() -> None:
    assert len(list(split_lines(b"x\n" * SPARE_LINES))) == SPARE_LINES
    for line in (b"\n", b"x\n", b"{}\r\n"):
        with pytest.raises(InvalidParameter, match="more lines"):
            split_lines(line * (SPARE_LINES * 2))
    faces = b"%s\n" % (b"0" * MIN_FACE_BYTES) * 20_000
    assert sum(1 for _ in split_lines(faces)) == 20_000

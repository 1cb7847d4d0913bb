"""Exports and imports faces, as one JSON object per line."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec

from face_comparison.api import encoding
from face_comparison.collections import identifiers
from face_comparison.collections.values import RelativeBox, StoredFace
from face_comparison.errors import FaceComparisonError, InvalidParameter
from face_comparison.request_memory import charge
from face_comparison.wire.collection_responses import to_exported_face
from face_comparison.wire.requests import hash_of_numbers

NDJSON = "application/x-ndjson"
MAX_SOURCE_KEY_BYTES = 32
"""Maximum size of a source key: that of a SHA-256 digest."""

MAX_LINE_BYTES = 64 * 1024
MAX_BATCH_BYTES = 40 * 2**20
"""Maximum memory of the faces that are imported together. The shortest lines grow to three times their size."""

PART_BYTES = 128 * 1024

SPARE_LINES, MIN_FACE_BYTES = 10_000, 1536
"""The maximum number of lines in a body is the number of faces that fit into it (each has at least 768 numbers and
commas) plus the spare lines. Without a limit, reporting ten million lines without a face took 30 s."""


_Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Box(msgspec.Struct):
    Left: _Fraction
    Top: _Fraction
    Width: _Fraction
    Height: _Fraction


class _Line(msgspec.Struct):
    face_hash: list[float]
    FaceModelVersion: str
    UserId: str | None = None
    FaceId: str | None = None
    ExternalImageId: str | None = None
    ImageId: str | None = None
    SourceKey: str | None = None
    BoundingBox: _Box | None = None
    Confidence: _Fraction | None = None
    CreationTimestamp: Any = None


_DECODER = msgspec.json.Decoder(_Line)


def export_lines(faces: Iterable[StoredFace], version: str) -> Iterator[bytes]:
    """Yields one line per face. Its SourceKey keeps enrollments of the same image idempotent after an import."""
    for face in faces:
        yield encoding.encode(to_exported_face(face, version), encoding.JSON) + b"\n"


def export_parts(faces: Iterable[StoredFace], version: str, size: int = PART_BYTES) -> Iterator[bytes]:
    """Yields the lines in parts of about `size` bytes, since the server needs an iteration of its loop per part."""
    part = bytearray()
    for line in export_lines(faces, version):
        part += line
        if len(part) >= size:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def split_lines(body: bytes | bytearray) -> Iterator[bytes]:
    """Returns an iterator over the lines of a body.

    Raises:
        InvalidParameter: There are far more lines than faces can fit into the body.
        Overloaded: There is not enough memory for the faces.
    """
    charge(min(2 * len(body), MAX_BATCH_BYTES))
    if body.count(b"\n") > SPARE_LINES + len(body) // MIN_FACE_BYTES:
        raise InvalidParameter("the body has more lines than faces fit into it: send one line of JSON per face")
    return _lines(body)


def _lines(body: bytes | bytearray) -> Iterator[bytes]:
    start = 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        yield bytes(memoryview(body)[start:end])
        start = end + 1


def import_lines(lines: Iterable[bytes], version: str) -> Iterator[tuple[int, StoredFace | str]]:
    """Parses exported lines and yields the number of each with its face or an error message.

    Blank lines are skipped, and so is a leading byte order mark, which editors on Windows write.

    Args:
        lines: The lines.
        version: The collection's FaceModelVersion, which each face must match.
    """
    now = datetime.now(UTC)
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if len(text) <= MAX_LINE_BYTES and not text.strip():
            continue
        try:
            yield number, _read_line(text, version, now)
        except FaceComparisonError as error:
            yield number, error.message


def _read_line(line: bytes, version: str, now: datetime) -> StoredFace:
    if len(line) > MAX_LINE_BYTES:
        raise InvalidParameter(f"the line must be at most {MAX_LINE_BYTES} bytes")
    try:
        found = _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise InvalidParameter(f"the line is not a JSON object with the fields of an exported face: {error}") from None
    if found.FaceModelVersion != version:
        raise InvalidParameter(f"FaceModelVersion must be {version}, the collection's")
    vector = hash_of_numbers(found.face_hash)
    user_id = None if found.UserId is None else identifiers.check_user_id(found.UserId)
    face_id = str(uuid4()) if found.FaceId is None else identifiers.check_face_id(found.FaceId)
    external = None if found.ExternalImageId is None else identifiers.check_external_image_id(found.ExternalImageId)
    created = found.CreationTimestamp
    box = found.BoundingBox
    return StoredFace(
        face_id=face_id,
        user_id=user_id,
        external_image_id=external,
        image_id=None if found.ImageId is None else identifiers.check_face_id(found.ImageId),
        box=None if box is None else RelativeBox(box.Left, box.Top, box.Width, box.Height),
        confidence=found.Confidence,
        # Clamped to now: retention counts from this time, and a date in the future must not keep a face longer.
        created=now if created is None else min(now, identifiers.check_timestamp(created, "CreationTimestamp")),
        source_key=_source_key(found, vector.tobytes()),
        vector=vector,
    )


def _source_key(line: _Line, vector: bytes) -> bytes:
    if line.SourceKey is not None:
        try:
            key = bytes.fromhex(line.SourceKey)
        except ValueError:
            raise InvalidParameter("SourceKey must be hexadecimal") from None
        if not 0 < len(key) <= MAX_SOURCE_KEY_BYTES:
            raise InvalidParameter(f"SourceKey must be 1 to {MAX_SOURCE_KEY_BYTES} bytes")
        return key
    # Without a key, lines with the same vector, user, and face id count as the same face.
    return hashlib.sha256(vector + f"import\0{line.UserId or ''}\0{line.FaceId or ''}".encode()).digest()

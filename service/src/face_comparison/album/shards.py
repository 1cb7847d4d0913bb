"""Distributes an album over several machines: each analyzes a shard of the images, and one combines the results.

The list is sorted, and shard i of n has every n-th image, starting with the i-th. It is analyzed in parts of PART
images; the results of a part are one file, written atomically. So a machine that is killed loses at most one part, and
running the shard again analyzes only the missing parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from face_comparison.album.crops import Crops
from face_comparison.album.database import AlbumDatabase
from face_comparison.album.face_sources import FaceSource
from face_comparison.album.faces import Analyzed, Rejected, Skipped
from face_comparison.album.places import Place
from face_comparison.album.read_ahead import ReadAhead
from face_comparison.album.scanner import Outcome, Scanner, ScanResult
from face_comparison.api import encoding
from face_comparison.api.responses import DetectResponse
from face_comparison.client.detection import Detection
from face_comparison.errors import AlbumUnusable, ShardsUnfinished
from face_comparison.image.formats import LABELS
from face_comparison.plurals import count_noun

PART = 32
"""Number of images per file of results: how many an abrupt end may lose."""


class _Record(msgspec.Struct, omit_defaults=True):
    """The result of one file.

    Attributes:
        path: Path relative to the photographs, as the bytes of the file system.
        digest: SHA-256 of the content; empty if the file was skipped.
        code: Error code, if the file was skipped or rejected.
        reason: Why the file was skipped or rejected.
        detection: The service's response as MessagePack; None if the file was skipped or rejected.
        crops: A JPEG file per face.
    """

    path: bytes
    digest: str = ""
    code: str = ""
    reason: str = ""
    detection: bytes | None = None
    crops: list[bytes] = []


class _Part(msgspec.Struct):
    version: str
    records: list[_Record]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a shard: the name of its file of results, and its images."""

    name: str
    images: Sequence[Path]


class _KeepCrops:
    """Writes no files: crops stay in the results."""

    def write(self, found: Analyzed) -> None:
        """Does nothing."""


def parts(images: Sequence[Path], shard: int, shards: int) -> list[Part]:
    """Returns the parts of a shard.

    Args:
        images: The images of all shards, sorted.
        shard: Number of the shard, from 0.
        shards: Number of shards.
    """
    own = images[shard::shards]
    return [
        Part(f"shard-{shard:04d}-of-{shards:04d}/part-{start // PART:05d}.msgpack", own[start : start + PART])
        for start in range(0, len(own), PART)
    ]


def analyze_shard(
    photographs: Place,
    results: Place,
    source: FaceSource,
    shard: int,
    shards: int,
    done: Callable[[int, int], None] = lambda finished, total: None,
) -> int:
    """Analyzes the parts of a shard that have no results yet.

    Args:
        photographs: Where the images are.
        results: Where the results go.
        source: Detects faces.
        shard: Number of the shard, from 0.
        shards: Number of shards.
        done: Called with the number of finished images of the shard, and with their total.

    Returns:
        The number of images that were analyzed in this run.

    Raises:
        AlbumUnusable: There are no images in any shard.
        ServiceUnusable: The service cannot be used.
    """
    images = [found for found in photographs.images() if isinstance(found, Path)]
    if not images:  # a mistyped address must not look like finished work
        raise AlbumUnusable(f"{photographs.path} contains no image ({LABELS})")
    own = parts(images, shard, shards)
    total = sum(len(part.images) for part in own)
    existing = results.names(own[0].name.partition("/")[0]) if own else set()
    pending = [
        part for part in own if part.name not in existing or not _is_of(results.read(part.name), part, source.version)
    ]
    finished = total - sum(len(part.images) for part in pending)
    if finished:
        done(finished, total)
    paths = [path for part in pending for path in part.images]
    with (
        ReadAhead(lambda path: photographs.read(os.fspath(path)), paths) as read,
        ThreadPoolExecutor(source.concurrency) as pool,
    ):
        scanner = Scanner(read, source, _KeepCrops(), set())
        for part in pending:
            records = list(pool.map(lambda path: _record(scanner.analyze(path)), part.images))
            results.write(part.name, msgspec.msgpack.encode(_Part(source.version, records)))
            finished += len(part.images)
            done(finished, total)
    return len(paths)


def assembled(
    images: Sequence[Path], results: Place, version: str, shards: int, database: AlbumDatabase, crops: Crops
) -> ScanResult:
    """Combines the results of all shards into an album.

    Args:
        images: The images of all shards, sorted.
        results: Where the results are.
        version: FaceModelVersion that the results must have.
        shards: Number of shards.
        database: Takes the records.
        crops: Takes the crops.

    Returns:
        The outcomes of all images.

    Raises:
        ShardsUnfinished: A part is missing, or its results are of other images or another model; the message names the
            shard.
    """
    result = ScanResult()
    of_shards = [parts(images, shard, shards) for shard in range(shards)]
    for shard, own in enumerate(of_shards):  # checks all parts before the first one is read
        existing = results.names(own[0].name.partition("/")[0]) if own else set()
        missing = [part for part in own if part.name not in existing]
        if missing:
            raise ShardsUnfinished(
                f"shard {shard} is not finished: {len(missing)} of {count_noun(len(own), 'part')} without results, "
                f"the first is {missing[0].name}"
            )
    for shard, own in enumerate(of_shards):
        for part in own:
            data = results.read(part.name)
            if not _is_of(data, part, version):
                raise ShardsUnfinished(
                    f"{part.name} is of other photographs or models than now: run shard {shard} again"
                )
            found = [_outcome(record) for record in msgspec.msgpack.decode(data, type=_Part).records]
            _take(found, result, database, crops)
    return result


def _is_of(data: bytes, part: Part, version: str) -> bool:
    try:
        found = msgspec.msgpack.decode(data, type=_Part)
    except msgspec.DecodeError:
        return False
    return found.version == version and [record.path for record in found.records] == [
        os.fsencode(path) for path in part.images
    ]


def _take(outcomes: Sequence[Outcome], result: ScanResult, database: AlbumDatabase, crops: Crops) -> None:
    unsaved: list[Analyzed | Rejected] = []
    for outcome in outcomes:
        if isinstance(outcome, Skipped):
            result.skipped.append(outcome)
            continue
        path, digest, found = outcome
        result.digests[path] = digest
        if found is not None:
            result.analyzed += 1
            unsaved.append(found)
            if isinstance(found, Analyzed):
                crops.write(found)
    database.save_analyses(unsaved)


def _record(outcome: Outcome) -> _Record:
    if isinstance(outcome, Skipped):
        return _Record(os.fsencode(outcome.path), code=outcome.code, reason=outcome.reason)
    path, digest, found = outcome
    record = _Record(os.fsencode(path), digest)
    if isinstance(found, Rejected):
        record.code, record.reason = found.code, found.reason
    elif found is not None:
        record.detection = encoding.encode(found.detection, encoding.MESSAGE_PACK)
        record.crops = list(found.crops)
    return record


def _outcome(record: _Record) -> Outcome:
    path = Path(os.fsdecode(record.path))
    if not record.digest:
        return Skipped(path, record.code, record.reason)
    if record.detection is None:
        found: Analyzed | Rejected = Rejected(record.digest, record.code, record.reason)
    else:
        response = encoding.decode(record.detection, DetectResponse, encoding.MESSAGE_PACK)
        found = Analyzed(record.digest, Detection.from_response(response), tuple(record.crops))
    return path, record.digest, found

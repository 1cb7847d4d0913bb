"""Scans the images of a folder concurrently, and skips those whose content is already in the database.

Records are written as results arrive, so that an abrupt end loses only a few. The crops of an image are written before
its record, so that every image with a record has its crops.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from face_comparison.album import pixels
from face_comparison.album.crops import Crops
from face_comparison.album.database import AlbumDatabase
from face_comparison.album.face_sources import FaceSource, ImageRejected
from face_comparison.album.faces import Analyzed, Rejected, Skipped
from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat

BATCH = 16
"""Number of images per write to the database: how many an abrupt end may lose."""

_INTERRUPT_GRACE_SECONDS = 20.0
"""Maximum time to wait after Ctrl-C for the images that are being analyzed."""


class Interrupted(Exception):
    """The user pressed Ctrl-C. All results so far have been saved."""


@dataclass(slots=True)
class ScanResult:
    """The result of a scan.

    Attributes:
        digests: Digests of the images, by path.
        skipped: Files without a record.
        analyzed: Number of images that were analyzed in this run.
    """

    digests: dict[Path, str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    analyzed: int = 0


Outcome = tuple[Path, str, Analyzed | Rejected | None] | Skipped
"""A file, its digest and its result, which is None if it was already in the database; or why the file was skipped."""


def scan(
    folder: Path,
    paths: Iterable[Path],
    source: FaceSource,
    database: AlbumDatabase,
    crops: Crops | None,
    done: Callable[[Outcome], None],
    read: Callable[[Path], bytes] | None = None,
) -> ScanResult:
    """Analyzes each image that is not in the database.

    If it raises one of the errors below, all results so far have been saved.

    Args:
        folder: The photographs.
        paths: Paths of the images, relative to `folder`.
        source: Detects faces.
        database: The records.
        crops: Where to write the crops of faces; None: faces are not cropped.
        done: Called with the outcome of every image.
        read: Returns the content of a file and raises OSError; None: files are read from `folder`.

    Returns:
        The outcomes of all images.

    Raises:
        Interrupted: The user pressed Ctrl-C.
        ServiceUnusable: The service cannot be used.
    """
    known = database.analyzed_digests()
    read = read or (lambda path: (folder / path).read_bytes())
    scanner = Scanner(read, source, crops, crops.complete(known, database.faces()) if crops else known)
    result = ScanResult()
    unsaved: list[Analyzed | Rejected] = []

    def take(future: Future[Outcome]) -> None:
        outcome = future.result()
        if isinstance(outcome, Skipped):
            result.skipped.append(outcome)
        else:
            path, digest, found = outcome
            result.digests[path] = digest
            if found is not None:
                unsaved.append(found)
                result.analyzed += 1
        if len(unsaved) >= BATCH:
            database.save_analyses(unsaved)
            unsaved.clear()
        done(outcome)

    pool = ThreadPoolExecutor(source.concurrency)
    waiting: set[Future[Outcome]] = set()
    remaining = iter(paths)
    try:
        while True:
            while len(waiting) < 4 * source.concurrency and (path := next(remaining, None)) is not None:
                waiting.add(pool.submit(scanner.scan, path))
            if not waiting:
                break
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                take(future)
                waiting.discard(future)
    except KeyboardInterrupt as interrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        # Cancelled futures never become done.
        begun = [future for future in waiting if not future.cancelled()]
        for future in wait(begun, timeout=_INTERRUPT_GRACE_SECONDS).done:
            if future.exception() is None:
                take(future)
        raise Interrupted from interrupt
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        database.save_analyses(unsaved)
    return result


class CropWriter(Protocol):
    """Writes the crops of images."""

    def write(self, found: Analyzed) -> None:
        """Writes the crops of an image."""
        ...


class Scanner:
    """Scans single files. It is safe to use from several threads.

    Args:
        read: Returns the content of a file; raises OSError.
        source: Detects faces.
        crops: Writes the crops of faces; None: faces are not cropped.
        known: Digests of the images that need not be analyzed; `scan` adds to them.
    """

    def __init__(
        self, read: Callable[[Path], bytes], source: FaceSource, crops: CropWriter | None, known: set[str]
    ) -> None:
        self._read, self._analyst, self._crops = read, source, crops
        self._known, self._lock = known, threading.Lock()

    def scan(self, path: Path) -> Outcome:
        """Analyzes a file unless its content is known, and returns its outcome."""
        read = self._read_with_digest(path)
        if isinstance(read, Skipped):
            return read
        digest, data = read
        with self._lock:
            if digest in self._known:
                return path, digest, None
            self._known.add(digest)  # of two files with equal content, only one is analyzed
        return self._outcome(path, digest, data)

    def analyze(self, path: Path) -> Outcome:
        """Analyzes a file even if its content is known, and returns its outcome."""
        read = self._read_with_digest(path)
        return read if isinstance(read, Skipped) else self._outcome(path, *read)

    def _read_with_digest(self, path: Path) -> tuple[str, bytes] | Skipped:
        try:
            data = self._read(path)
        except OSError as error:
            return Skipped(path, "unreadable", f"the file cannot be read: {error.strerror}")
        return hashlib.sha256(data).hexdigest(), data

    def _outcome(self, path: Path, digest: str, data: bytes) -> Outcome:
        try:
            found = self._analyze(digest, data)
        except (UnsupportedFormat, CorruptImage, ImageTooLarge) as error:
            return path, digest, Rejected(digest, error.code, error.message)
        except ImageRejected as error:
            if error.permanent:
                return path, digest, Rejected(digest, error.code, error.reason)
            return Skipped(path, error.code, error.reason)
        if self._crops:
            self._crops.write(found)
        return path, digest, found

    def _analyze(self, digest: str, data: bytes) -> Analyzed:
        header = pixels.header(data)
        fitting = pixels.analyzable(data, header, self._analyst.max_bytes)
        detection = self._analyst.faces(fitting)
        if fitting is not data:
            shrunk = pixels.header(fitting)
            times = header.width / shrunk.width
            faces = [
                replace(face, quality=replace(face.quality, face_size=round(face.quality.face_size * times, 2)))
                for face in detection.faces
            ]
            detection = replace(detection, faces=tuple(faces))
            data, header = fitting, shrunk
        boxes = [face.bounding_box for face in detection.faces] if self._crops else []
        return Analyzed(digest, detection, pixels.crops(data, header, boxes))

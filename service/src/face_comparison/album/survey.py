"""Every image of a folder looked at once: several at a time, each by its content, what is known not again.

Records are written as the images come in, so that an end at any moment costs a few of them. A face's crop is on the
disk before its image's record is: whatever has a record has its crops.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from face_comparison.album import pixels
from face_comparison.album.analysts import Analyst, ImageRefused
from face_comparison.album.crops import Crops
from face_comparison.album.faces import Analyzed, Refused, Skipped
from face_comparison.album.memory import Memory
from face_comparison.errors import CorruptImage, ImageTooLarge, UnsupportedFormat

BATCH = 16
"""Images between two writes to the disk: what an end without warning may cost."""

_LAST_SECONDS = 20.0
"""Time that Ctrl-C leaves to the images that are being analyzed."""


class Interrupted(Exception):
    """Ctrl-C, after everything that was found has been kept."""


@dataclass(slots=True)
class Survey:
    """digests: by path. skipped: files that gave no record. analyzed: how many were looked at in this run."""

    digests: dict[Path, str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    analyzed: int = 0


Outcome = tuple[Path, str, Analyzed | Refused | None] | Skipped
"""A file with its digest and what was found, None when that is known; or why there is nothing to know."""


def survey(
    folder: Path,
    paths: Iterable[Path],
    analyst: Analyst,
    memory: Memory,
    crops: Crops | None,
    done: Callable[[Outcome], None],
) -> Survey:
    """Analyze each image that is not known.

    done: called with each outcome, in the order in which they come. crops None: faces are not cut out.

    Raises Interrupted, ServiceRefused; what was found until then is kept.
    """
    known = memory.known()
    looker = _Looker(folder, analyst, crops, crops.complete(known, memory.faces()) if crops else known)
    result = Survey()
    kept: list[Analyzed | Refused] = []

    def take(future: Future[Outcome]) -> None:
        outcome = future.result()
        if isinstance(outcome, Skipped):
            result.skipped.append(outcome)
        else:
            path, digest, found = outcome
            result.digests[path] = digest
            if found is not None:
                kept.append(found)
                result.analyzed += 1
        if len(kept) >= BATCH:
            memory.keep(kept)
            kept.clear()
        done(outcome)

    pool = ThreadPoolExecutor(analyst.at_once)
    waiting: set[Future[Outcome]] = set()
    remaining = iter(paths)
    try:
        while True:
            while len(waiting) < 4 * analyst.at_once and (path := next(remaining, None)) is not None:
                waiting.add(pool.submit(looker.look, path))
            if not waiting:
                break
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                take(future)
                waiting.discard(future)
    except KeyboardInterrupt as interrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        # Those that were cancelled are never told to be done.
        begun = [future for future in waiting if not future.cancelled()]
        for future in wait(begun, timeout=_LAST_SECONDS).done:
            if future.exception() is None:
                take(future)
        raise Interrupted from interrupt
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        memory.keep(kept)
    return result


class _Looker:
    """Looks at one file; used by several threads at once."""

    def __init__(self, folder: Path, analyst: Analyst, crops: Crops | None, known: set[str]) -> None:
        self._folder, self._analyst, self._crops = folder, analyst, crops
        self._known, self._lock = known, threading.Lock()

    def look(self, path: Path) -> Outcome:
        try:
            data = (self._folder / path).read_bytes()
        except OSError as error:
            return Skipped(path, "unreadable", f"the file cannot be read: {error.strerror}")
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            if digest in self._known:
                return path, digest, None
            self._known.add(digest)  # of two equal files one is looked at
        try:
            found = self._analyzed(digest, data)
        except (UnsupportedFormat, CorruptImage, ImageTooLarge) as error:
            return path, digest, Refused(digest, error.code, error.message)
        except ImageRefused as error:
            if error.lasting:
                return path, digest, Refused(digest, error.code, error.reason)
            return Skipped(path, error.code, error.reason)
        if self._crops:
            self._crops.write(found)
        return path, digest, found

    def _analyzed(self, digest: str, data: bytes) -> Analyzed:
        header = pixels.header(data)
        fitting = pixels.analyzable(data, header, self._analyst.most_bytes)
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
        boxes = [face.box for face in detection.faces] if self._crops else []
        return Analyzed(digest, detection, pixels.crops(data, header, boxes))

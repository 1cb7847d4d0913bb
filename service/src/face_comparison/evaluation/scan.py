"""Finds the faces in a dataset's images and caches them, so that the next run analyzes only new images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from face_comparison.album import scanner
from face_comparison.album.database import AlbumDatabase
from face_comparison.album.face_sources import FaceSource
from face_comparison.api.responses import Face
from face_comparison.evaluation.dataset import Dataset

DATABASE = "evaluation.sqlite"


@dataclass(frozen=True, slots=True)
class Scanned:
    """The faces in the images of a dataset.

    Attributes:
        digests: SHA-256 digest of each image's content, by path.
        faces: Faces, by digest.
        rejected: Images that could not be analyzed: error code and reason, by path.
        analyzed: Number of images that were analyzed in this run; the others were in the cache.
    """

    digests: dict[Path, str]
    faces: dict[str, list[Face]]
    rejected: dict[Path, tuple[str, str]]
    analyzed: int


def scan(dataset: Dataset, source: FaceSource, cache: Path, done: Callable[[], None]) -> Scanned:
    """Analyzes each image that is not in the cache.

    Args:
        dataset: The images.
        source: Finds faces.
        cache: An existing folder. Entries of images that are no longer in the dataset are deleted from it.
        done: Called after each image.

    Raises:
        Interrupted: The user pressed Ctrl-C; results so far stay in the cache.
        ServiceUnusable: The service does not respond.
        AlbumUnusable: The cache is in use or damaged.
    """
    paths = [image.path for image in dataset.images]
    # Use one folder per model, so that users who compare models can switch between them and keep both caches.
    folder = cache / source.version
    folder.mkdir(parents=True, exist_ok=True)
    with AlbumDatabase(folder, source.version, DATABASE) as memory:
        seen = scanner.scan(dataset.folder, paths, source, memory, None, lambda outcome: done())
        digests = dict(seen.digests)
        memory.delete_others(digests.values())
        faces: dict[str, list[Face]] = {}
        for (digest, _), face in memory.faces().items():
            faces.setdefault(digest, []).append(face)
        refusals = memory.rejected()
    rejected = {
        path: (refusals[digest].code, refusals[digest].reason) for path, digest in digests.items() if digest in refusals
    }
    rejected |= {each.path: (each.code, each.reason) for each in seen.skipped}
    return Scanned(digests, faces, rejected, seen.analyzed)
